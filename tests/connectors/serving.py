"""Real HTTP servers on loopback, well-behaved and nasty."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Route = Callable[["Asked"], None]


@dataclass
class Asked:
    """One request, and how to answer it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    handler: BaseHTTPRequestHandler

    def answer(self, body: Any = b"", status: int = 200, **headers: str) -> None:
        """Answers with JSON (or bytes as they are); header names with _ for -."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        sent = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.handler.send_response(status)
        for name, value in sent.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        if status != 304:
            self.handler.wfile.write(data)


@dataclass
class Server:
    """A server that runs; `asked` holds every request in order."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    def queries(self) -> list[dict[str, str]]:
        return [one.query for one in self.asked if one.method == "GET"]


@contextmanager
def serving(route: Route) -> Iterator[Server]:
    """Runs `route` for every request, on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            one = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body, self)
            served.asked.append(one)
            try:
                route(one)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = _do  # noqa: N815 - http.server's names
        do_POST = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Server(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
