"""The door as a process: one uvicorn, with TLS where there is a certificate, ended cleanly by SIGTERM."""

from __future__ import annotations

import signal
import ssl
from ipaddress import ip_address

import uvicorn

from gateway.app import create
from gateway.auth.proof import authenticator
from gateway.errors import GatewayUnsafe
from hub import log
from hub.errors import SettingMissing
from hub.settings import Settings
from warehouse.door import access
from warehouse.engine import transaction

GRACE_SECONDS = 20
"""How long what is under way may go on after SIGTERM."""
MAX_HEAD = 32_768
"""Bytes of a request's head."""


def serve(now: Settings) -> None:
    """Serves until SIGTERM or SIGINT; deliveries under way may end. Raises GatewayUnsafe, DatabaseUnavailable."""
    must_be_safe(now)
    with transaction() as conn:
        access.make_months(conn)
    config = uvicorn.Config(
        create(authenticator(now)),
        host=now.bind,
        port=now.gateway_port,
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD,
        http="h11",
        ssl_certfile=now.gateway_cert,
        ssl_keyfile=now.gateway_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        backlog=256,
    )
    log.get("gateway").info("the door is open", at=f"{now.bind}:{now.gateway_port}", tls=now.gateway_cert is not None)
    server = uvicorn.Server(config)
    # uvicorn raises the signal once more after its own end, for whom it replaced: so that is told to do nothing.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    log.get("gateway").info("the door is closed")


def must_be_safe(now: Settings) -> None:
    """What is said beyond this machine is encrypted, here or by a proxy that the operator vouches for. Raises GatewayUnsafe, SettingMissing."""
    try:
        local = ip_address(now.bind).is_loopback
    except ValueError:
        local = now.bind == "localhost"
    if now.gateway_cert is None and not local and not now.gateway_plain:
        raise GatewayUnsafe(bind=now.bind)
    if not local and now.gateway_url is None:
        # What callers sign is the address by which they reach it, and nobody reaches 0.0.0.0.
        raise SettingMissing(setting="HUB_GATEWAY_URL")
