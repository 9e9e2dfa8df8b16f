"""Data Docs over HTTP on loopback: the pages as they lie, and nothing else of the machine.

Loopback alone, GET and HEAD alone, pages and their style sheet alone, no link out of the folder. A page of another site can't
read them: the Host must be this machine's own name for itself.
"""

from __future__ import annotations

import html
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from contracts.suite.errors import DocsPortTaken

HOST = "127.0.0.1"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}
_OURS = ("127.0.0.1", "localhost")
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the pages in a folder, bound; `serve_forever` runs it. Port 0: any free one. Raises DocsPortTaken."""

    class Handler(_Pages):
        root = folder.resolve()

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError:
        raise DocsPortTaken(port=port) from None


class _Pages(BaseHTTPRequestHandler):
    """Answers one request."""

    root: ClassVar[Path]
    timeout = 10
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A page or the style sheet."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """The same without its body."""
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Says nothing: a path may hold whatever somebody typed."""

    def version_string(self) -> str:
        """Names no version."""
        return "hub"

    def _answer(self, *, body: bool) -> None:
        if (self.headers.get("Host") or "").partition(":")[0] not in _OURS:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, ".html", b"", body=body)
            return
        path = self._file()
        if path is None:
            first = urlsplit(self.path).path in ("/", "/index.html")
            zh, en = (
                ("尚无批次检查页面：批次判定之后才会有。", "There are no pages yet: a batch that is judged makes one.")
                if first
                else ("没有这一页。", "There is no such page.")
            )
            words = (
                '<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>批次检查 · Batch checks</title></head>'
                f'<body><p>{html.escape(zh)}<br><span lang="en">{html.escape(en)}</span></p>'
                '<p><a href="/">全部数据源 all feeds</a></p></body></html>'
            )
            status = HTTPStatus.OK if first else HTTPStatus.NOT_FOUND
            self._send(status, ".html", words.encode(), body=body)
            return
        self._send(HTTPStatus.OK, path.suffix, path.read_bytes(), body=body)

    def _file(self) -> Path | None:
        asked = unquote(urlsplit(self.path).path)
        parts = asked.split("/")[1:]
        if not parts[-1]:
            parts[-1] = "index.html"
        if "\0" in asked or any(not part or part.startswith(".") for part in parts):
            return None
        path = self.root.joinpath(*parts)
        inside = path.resolve().is_relative_to(self.root)
        return path if inside and path.suffix in TYPES and path.is_file() else None

    def _send(self, status: HTTPStatus, suffix: str, content: bytes, *, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", TYPES[suffix])
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            self.wfile.write(content)
