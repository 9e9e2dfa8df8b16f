"""A feed that is pushed, and deliveries of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from typing import Any

from connectors.pushed.body import BytesBody
from connectors.pushed.delivery import Sent, delivery
from contracts.model import FeedContract, SourceSpec
from hub.ids import PlaceId
from tests.warehouse import feeds
from warehouse.pushing.book import Landed, Push
from warehouse.pushing.land import land

AGENCY = "sample_agency"


def pushed(**more: Any) -> FeedContract:
    source = SourceSpec(id="door", connector="push", place=PlaceId("door"), options=more.pop("options", {}))
    return feeds.contract(sources=(source,), latency="immediate", **more)


def ndjson(rows: list[list[str]]) -> bytes:
    lines = [json.dumps(dict(zip(feeds.HEADERS, row, strict=True)), ensure_ascii=False) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([feeds.HEADERS, *rows])
    return text.getvalue().encode()


def push(key: str | None = None, agency: str = AGENCY, **more: Any) -> Push:
    given: dict[str, Any] = {
        "kid": "k" * 43,
        "signed": True,
        "request_sha256": hashlib.sha256(b"request").hexdigest(),
        "media_type": "application/x-ndjson",
        "received_at": datetime.now(UTC),
        "idempotency_key": key,
        "business": {"hub-issue": "2026-01"},
    }
    return Push(agency=agency, **given | more)


def send(contract: FeedContract, data: bytes, by: Push | None = None, **more: Any) -> Landed:
    by = by or push()
    body, source = BytesBody(data), contract.sources[0]
    sent = Sent(by.media_type, more.pop("name", None), more.pop("encoding", None))
    came = delivery(contract, source, body, sent, page_rows=1_000)
    return land(contract, source, came, by, body=(body.sha256, body.size), **more)
