"""Delivering: a body to a feed, taken whole or not at all, with a signed receipt at once."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import unquote

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from connectors.pushed.delivery import Sent, delivery
from contracts.model import FeedContract
from gateway import allowed, problems
from gateway.caller import Caller, Proven
from gateway.errors import RequestInvalid
from gateway.landing import Landings, into_spool
from hub import clock
from hub.errors import AgencyError
from hub.said import Said
from hub.settings import settings
from warehouse.engine import connection
from warehouse.pushing import land as landing
from warehouse.pushing.book import Landed, Push
from warehouse.pushing.errors import DeliveryRefused
from warehouse.pushing.spool import ByteSpool

router = APIRouter(tags=["deliveries 交付"])

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@router.post("/v1/feeds/{feed}/batches", status_code=202, summary="Deliver a body 交付数据")
async def deliver(
    request: Request,
    feed: str,
    caller: Proven,
    *,
    content_type: Annotated[str, Header()] = "",
    content_encoding: Annotated[str | None, Header()] = None,
    idempotency_key: Annotated[str | None, Header()] = None,
    hub_file_name: Annotated[str | None, Header()] = None,
) -> Response:
    """Takes a body (NDJSON, CSV, TSV, XLSX, Parquet; plain, gzip or zstd) to a feed that the caller may push.

    Answered 202 once it has passed the gate and is safe on disk, with the signed immediate receipt; what becomes of each row is
    told soon after. The same delivery again is answered 200 with the same receipt. 422: it was refused, and the receipt says so.
    """
    received = clock.now()
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        why = Said(
            "it is 1 to 200 printable ASCII characters without blanks", "须为 1 至 200 个可见 ASCII 字符，不含空格"
        )
        raise RequestInvalid(where="Idempotency-Key", reason=why)
    landings: Landings = request.app.state.landings
    async with landings.place():
        contract = await to_thread.run_sync(_contract, caller, feed)
        push = Push(
            agency=caller.agency,
            kid=caller.kid,
            signed=caller.signed,
            request_sha256=caller.request_sha256,
            media_type=content_type[:200],
            received_at=received,
            idempotency_key=idempotency_key,
            business=caller.business,
        )
        sent = Sent(content_type, _name(hub_file_name), content_encoding)
        spool = await into_spool(request, caller.body_digests)
        with spool:
            landed = await to_thread.run_sync(_land, contract, spool, sent, push, limiter=landings.limiter)
    request.state.batch = landed.batch.batch_id
    return _told(request, landed)


def _name(given: str | None) -> str | None:
    """The file's name: percent-encoded UTF-8, with or without RFC 8187's `UTF-8''` before it."""
    return None if given is None else unquote(given[7:] if given[:7].lower() == "utf-8''" else given)


def _contract(caller: Caller, feed: str) -> FeedContract:
    with connection() as conn:
        contract = allowed.feed_of(conn, caller, feed, "push")
    allowed.door_of(contract)
    return contract


def _land(contract: FeedContract, spool: ByteSpool, sent: Sent, push: Push) -> Landed:
    body = spool.body()
    whole = (body.sha256, body.size)
    known = landing.known(contract.id, push, body.sha256)
    if known is not None:
        return known
    source = allowed.door_of(contract)
    came = delivery(contract, source, body, sent, page_rows=settings().page_rows)
    return landing.land(contract, source, came, push, body=whole)


def _told(request: Request, landed: Landed) -> Response:
    batch = landed.batch
    about: dict[str, Any] = {
        "batch": batch.batch_id,
        "state": batch.state,
        "repeated": landed.repeated,
        "receipt": landed.jws,
        "links": {name: f"/v1/batches/{batch.batch_id}{path}" for name, path in LINKS.items()},
    }
    if batch.state == "refused":
        return problems.answer(_why(landed), request, **about)
    headers = {"Location": about["links"]["batch"], "Cache-Control": "no-store"}
    return JSONResponse(about, status_code=200 if landed.repeated else 202, headers=headers)


LINKS = {"batch": "", "accepted": "/accepted", "receipt": "/receipt", "rows": "/rows"}
"""What there is of a batch: name -> path behind its own."""


def _why(landed: Landed) -> AgencyError:
    """Why a delivery was refused: what could not be read in it, or the gate's word."""
    error = landed.batch.facts.get("error")
    if error is None:
        rule = str(landed.batch.state_reason).rpartition(": ")[2]
        why = Said(f"the gate does not let it in (rule {rule})", f"闸口拒收（规则 {rule}）")
        return DeliveryRefused(batch=landed.batch.batch_id, first="HUB-DLV-003", reason=why)
    why = Said(str(error.get("error")), str(error.get("error_zh")))
    return DeliveryRefused(batch=landed.batch.batch_id, first=str(error.get("code")), reason=why)
