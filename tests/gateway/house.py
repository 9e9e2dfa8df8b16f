"""A door on loopback with an agency that may push one feed, and a client that signs."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from gateway.app import create
from gateway.auth.proof import authenticator
from gateway.client.signing import digest_of, signed
from hub.ids import FeedId
from hub.keys import PrivateKey, generate
from hub.settings import ROOT, Settings, settings
from warehouse import engine
from warehouse.agencies import keys, registry, rights
from warehouse.agencies.registry import Agency

BY = {"operator": "Op One", "reason": "agreed with the office"}
FEED = "audit_my_findings"
FIELDS = ("问题编号", "被审计单位", "统一社会信用代码", "问题金额(万元)", "发现日期", "整改进展")
GOOD = ("SJ-2025-001", "某市城东社区", "11430181MA0010010E", "12.5", "2025年11月3日", "未完成")
NDJSON = "application/x-ndjson"


def rows(*cells: tuple[str, ...]) -> bytes:
    return "".join(json.dumps(dict(zip(FIELDS, row, strict=True)), ensure_ascii=False) + "\n" for row in cells).encode()


def numbered(count: int, first: int = 1) -> bytes:
    return rows(*((f"SJ-2025-{at:03d}", *GOOD[1:]) for at in range(first, first + count)))


def contracts(root: Path) -> Path:
    """A folder of contracts with the documentation's example, whose source is the door."""
    for name in ("codes", "events"):
        if (ROOT / "contracts" / name).is_dir():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(ROOT / "contracts" / name)
    text = (ROOT / "docs" / "example" / f"{FEED}.odcs.yaml").read_text(encoding="utf-8")
    begin, end = text.index("servers:\n"), text.index("schema:\n")
    server = (
        "servers:\n- server: door\n  type: custom\n  description: The door\n  customProperties:\n"
        "  - {property: hub.connector, value: push}\n\n"
    )
    text = text[:begin] + server + text[end:]
    mark = "- {property: hub.owner, value: county_audit_office}\n"
    assert mark in text
    text = text.replace(mark, mark + "- {property: hub.latency, value: immediate}\n")
    place = root / "feeds" / "audit" / f"{FEED}.odcs.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    return root


@dataclass
class Office:
    """An agency's side: its key, and requests that it signs."""

    url: str
    key: PrivateKey
    agency: str = "county_audit_office"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        sent: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Signs and sends. `sent`: headers that are changed after the signature."""
        given = dict(headers or {})
        if body is not None:
            given.setdefault("content-digest", digest_of(hashlib.sha256(body).digest()))
        all_headers = {**signed(method, self.url + path, given, self.key, **more), **(sent or {})}
        return httpx.request(method, self.url + path, content=body, headers=all_headers, timeout=30, trust_env=False)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def deliver(self, body: bytes, key: str | None = None, feed: str = FEED, **more: Any) -> httpx.Response:
        headers = {"content-type": NDJSON, **({"idempotency-key": key} if key else {}), **more.pop("headers", {})}
        return self.ask("POST", f"/v1/feeds/{feed}/batches", body, headers=headers, **more)


def join(url: str, agency: str = "county_audit_office", *, push: bool = True) -> Office:
    """Puts an agency on record, with a key, and lets it push the feed or read it."""
    from contracts import catalogue

    contract = catalogue.load_one(FeedId(FEED))
    pair = generate()
    with engine.transaction() as conn:
        registry.add(conn, Agency(agency, None, "县审计局", "County audit office", 4, "110101"), **BY)
        keys.add(conn, agency, pair.public.pem.encode(), **BY)
        if push:
            rights.allow(conn, agency, push=[contract], **BY)
    return Office(url, pair, agency)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def door(now: Settings) -> Iterator[str]:
    """The application under uvicorn, in a thread of this process."""
    config = uvicorn.Config(
        create(authenticator(now)), host="127.0.0.1", port=now.gateway_port, log_config=None, lifespan="off", http="h11"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{now.gateway_port}"
    finally:
        server.should_exit = True
        thread.join(10)


def configured(monkeypatch: Any, tmp_path: Path, **more: str) -> Settings:
    """Settings of a door with the tests' contracts on a free port."""
    root = tmp_path / "contracts"
    monkeypatch.setenv("HUB_CONTRACTS", str(root if root.is_dir() else contracts(root)))
    monkeypatch.setenv("HUB_GATEWAY_PORT", str(free_port()))
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    return settings()
