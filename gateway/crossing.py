"""Around every request: its id, its time, its bytes; and its line in the access log, before the answer begins.

An answer that is not on record is not given: where the line can't be written, the caller is told to come again.
"""

from __future__ import annotations

import time
from typing import Any

import uuid6
from anyio import to_thread
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.caller import Caller
from gateway.errors import NotReady
from hub import clock, failure, log
from hub.said import Said
from warehouse.door import access
from warehouse.engine import transaction

UNLOGGED = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by whoever watches the process; nothing crosses there."""

_log = log.get("gateway")


class Crossing:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _One(self._app, scope, receive, send).run()


class _One:
    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._request = Request(scope)
        self._request.state.request_id = str(uuid6.uuid7())
        self._at, self._began = clock.now(), time.monotonic()
        self._bytes_in = 0
        self._started = False

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._heard, self._said)
        except Exception as error:
            told = failure.told(error)
            if told is not error:
                frames = failure.story(error)
                _log.error("unforeseen", request=self._request.state.request_id, frames=frames)
            if self._started:
                raise
            await problems.answer(told, self._request)(self._scope, self._receive, self._said)

    async def _heard(self) -> Message:
        message = await self._receive()
        self._bytes_in += len(message.get("body", b""))
        return message

    async def _said(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._started:
            headers = [*message.get("headers", ()), (b"hub-request", self._request.state.request_id.encode())]
            length = next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
            if not await self._on_record(int(message["status"]), length):
                return
            message = {**message, "headers": headers}
        await self._send(message)

    async def _on_record(self, status: int, length: int) -> bool:
        """Writes the line; where that fails, answers 503 in place of what was to be said and returns False."""
        self._started = True
        if self._scope["path"] in UNLOGGED:
            return True
        try:
            await to_thread.run_sync(_write, self._line(status, length))
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being written, what happened is not on record
            _log.error(
                "a crossing could not be put on record",
                request=self._request.state.request_id,
                kind=failure.kind(error),
            )
            told = NotReady(reason=Said("its access log can't be written", "访问日志无法写入"))
            await problems.answer(told, self._request)(self._scope, self._receive, self._send)
            self._send = _nothing
            return False
        return True

    def _line(self, status: int, length: int) -> access.Line:
        state: dict[str, Any] = self._scope.get("state", {})
        caller: Caller | None = state.get("caller")
        business = dict(caller.business) if caller else {}
        route = self._scope.get("route")
        return access.Line(
            request=state["request_id"],
            at=self._at,
            address=(self._scope.get("client") or ("-", 0))[0],
            method=self._scope["method"],
            route=getattr(route, "path", "-"),
            status=status,
            bytes_in=self._bytes_in,
            bytes_out=length,
            ms=round((time.monotonic() - self._began) * 1000),
            agency=caller.agency if caller else None,
            kid=caller.kid if caller else None,
            feed=self._scope.get("path_params", {}).get("feed"),
            batch_id=state.get("batch") or self._scope.get("path_params", {}).get("batch"),
            represented=business.get("hub-represented-party"),
            officer=business.get("hub-officer"),
            issue=business.get("hub-issue"),
            client_request=business.get("hub-request-id"),
            request_sha256=caller.request_sha256 if caller else None,
            code=state.get("code"),
        )


def _write(line: access.Line) -> None:
    with transaction() as conn:
        access.write(conn, line)


async def _nothing(_: Message) -> None:
    """What was to be said is not said any more."""
