"""The authenticator of the running door: by the signature that a request bears; and how often an agency may ask."""

from __future__ import annotations

from anyio import to_thread
from fastapi import Request
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from gateway.app import Authenticate
from gateway.auth import signatures
from gateway.caller import Caller
from gateway.errors import TooOften
from hub.settings import Settings


def base_url(now: Settings) -> str:
    """The address under which the door is signed: what the operator said, else where it listens. Never what a caller says."""
    if now.gateway_url is not None:
        return now.gateway_url.rstrip("/")
    return f"{'https' if now.gateway_cert else 'http'}://{now.bind}:{now.gateway_port}"


def authenticator(now: Settings) -> Authenticate:
    """Who calls, for an application under these settings."""
    base = base_url(now)
    limiter = MovingWindowRateLimiter(MemoryStorage())
    rate = RateLimitItemPerSecond(now.gateway_rate)

    async def authenticate(request: Request) -> Caller:
        path = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        query = request.scope["query_string"].decode("latin-1")
        url = f"{base}{path}{'?' + query if query else ''}"
        raw = list(request.scope["headers"])
        skew = now.gateway_clock_skew
        caller = await to_thread.run_sync(lambda: signatures.prove(request.method, url, raw, skew=skew))
        if not limiter.hit(rate, caller.agency):
            raise TooOften(rate=now.gateway_rate, retry_after=1)
        return caller

    return authenticate
