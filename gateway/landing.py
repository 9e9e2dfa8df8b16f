"""Deliveries on their way in: how many land side by side, how many may wait, and a body into its spool."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.errors import BrokenOff, DigestMissing, DigestWrong, Overloaded, TooSlow
from hub.settings import settings
from warehouse.pushing.spool import ByteSpool
from warehouse.store import store

RETRY_SECONDS = 2
MIN_RATE = 4_096
"""Bytes a second that a sender keeps up on the average, after the seconds that it may be silent: a place is not held by a trickle."""


class Landings:
    """Bounds what lands at once; beyond it a delivery is told to come again before its body is read."""

    def __init__(self) -> None:
        now = settings()
        self._most = now.gateway_landings + now.gateway_waiting
        self._inside = 0
        self.limiter = CapacityLimiter(now.gateway_landings)

    @property
    def full(self) -> bool:
        """Whether nothing more is taken now."""
        return self._inside >= self._most

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for one delivery. Raises Overloaded."""
        if self.full:
            raise Overloaded(waiting=self._inside, retry_after=RETRY_SECONDS)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


async def into_spool(request: Request, due: Mapping[str, bytes]) -> ByteSpool:
    """The request's body in a spool, once it has the digests that are due; the caller closes it.

    Raises DigestMissing, DigestWrong, TooSlow, BrokenOff, BodyTooLarge, DiskFull.
    """
    if not due:
        raise DigestMissing()
    now = settings()
    spool = ByteSpool(store().root, bound=now.max_body_bytes, sha512="sha-512" in due)
    try:
        stream, began = request.stream().__aiter__(), time.monotonic()
        while True:
            if spool.size < MIN_RATE * (time.monotonic() - began - now.gateway_slow_seconds):
                raise TooSlow(seconds=round(now.gateway_slow_seconds))
            try:
                block = await asyncio.wait_for(anext(stream), now.gateway_slow_seconds)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise TooSlow(seconds=round(now.gateway_slow_seconds)) from None
            except ClientDisconnect:
                raise BrokenOff(bytes=spool.size) from None
            spool.write(block)
        found = spool.digests()
        for algorithm, digest in due.items():
            if not hmac.compare_digest(digest, found[algorithm]):
                raise DigestWrong(algorithm=algorithm, bytes=spool.size)
    except BaseException:
        spool.close()
        raise
    return spool
