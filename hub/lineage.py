"""OpenLineage events on their way out: to an HTTP endpoint or a file, by an emitter; off until HUB_LINEAGE_URL is set.

Events are plain JSON objects (`warehouse.lineage` makes them). A file takes one event a line, each written at once, so that
several processes may share it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hub.emitting import Emitter, Handler, Switch
from hub.settings import settings

SEND_SECONDS = 2.0
"""What connecting, sending and each wait for an answer may take."""

Event = Mapping[str, Any]


def active() -> bool:
    """Whether anybody is told. Cheap."""
    return _emitter() is not None


def tell(event: Event) -> None:
    """Tells an event; never waits, never raises."""
    emitter = _emitter()
    if emitter is not None:
        emitter.put(event)


class _Http:
    """Posts events. No proxy of the environment, no redirects: the endpoint is reached as the operator wrote it."""

    def __init__(self, url: str, token: str | None) -> None:
        import httpx  # noqa: PLC0415 - only where somebody listens

        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        self._url = url
        self._client = httpx.Client(timeout=SEND_SECONDS, headers=headers, trust_env=False, follow_redirects=False)

    def take(self, event: Event) -> None:
        """Posts one event; the answer's body is not read. Raises what httpx raises, also for any answer but 2xx."""
        with self._client.stream("POST", self._url, content=_line(event)) as answer:
            answer.raise_for_status()

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Gives the connections back."""
        self._client.close()


class _File:
    """Appends events to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, event: Event) -> None:
        """Appends one line, in one write."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(handle, _line(event) + b"\n")
        finally:
            os.close(handle)

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is open."""


def _line(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


_switch: Switch[Event] = Switch("openlineage")


def _emitter() -> Emitter[Event] | None:
    now = settings()
    url, token = now.lineage_url, now.lineage_token.get_secret_value() if now.lineage_token else None

    def handler() -> Handler[Event]:
        parts = urlsplit(url or "")
        return _File(Path(unquote(parts.path))) if parts.scheme == "file" else _Http(url or "", token)

    return _switch.at((url, token) if url else None, handler)
