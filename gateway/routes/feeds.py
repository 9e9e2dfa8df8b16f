"""The catalogue: which feeds the caller may push or read, what they take, and their contracts as they are on disk."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from connectors import options
from connectors.push import PushOptions
from connectors.pushed.delivery import NAMES
from connectors.pushed.unpacking import PACKINGS
from contracts import listing
from contracts.model import FeedContract
from gateway import allowed
from gateway.caller import Proven
from hub.settings import settings
from warehouse.agencies.rights import May
from warehouse.engine import connection

router = APIRouter(tags=["catalogue 目录"])


@router.get("/v1/feeds", summary="Feeds of the caller 可用数据源")
def list_feeds(caller: Proven) -> dict[str, Any]:
    """Every feed that the caller may push or read, by id."""
    with connection() as conn:
        return {"feeds": [_brief(contract, may) for contract, may in allowed.readable(conn, caller)]}


@router.get("/v1/feeds/{feed}", summary="One feed 单个数据源")
def show_feed(caller: Proven, feed: str) -> dict[str, Any]:
    """Its fields, rules in words, forms that it takes, and limits."""
    with connection() as conn:
        contract = allowed.feed_of(conn, caller, feed, "read")
        may = {one.id: granted for one, granted in allowed.readable(conn, caller)}[contract.id]
    return {**_brief(contract, may), "contract": listing.document(contract)}


@router.get("/v1/feeds/{feed}/contract", summary="Contract 数据契约")
def show_contract(caller: Proven, feed: str) -> Response:
    """The contract's own file (ODCS, YAML); its ETag is the hash that receipts name."""
    with connection() as conn:
        contract = allowed.feed_of(conn, caller, feed, "read")
    text = (settings().contracts / contract.path).read_bytes()
    headers = {"ETag": f'"{contract.sha256}"', "Cache-Control": "private, no-cache"}
    return Response(text, media_type="application/yaml", headers=headers)


def _brief(contract: FeedContract, may: frozenset[May]) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for source in contract.sources:
        if source.pushed and "push" in may:
            forms = options.read(PushOptions, source).forms
            taken = {
                "media_types": [NAMES[form] for form in forms],
                "encodings": ["identity", *PACKINGS],
                "max_bytes": settings().max_body_bytes,
            }
    return {
        "feed": contract.id,
        "name_zh": contract.name_zh,
        "name_en": contract.name_en,
        "version": contract.version,
        "may": sorted(may),
        "takes": taken or None,
    }
