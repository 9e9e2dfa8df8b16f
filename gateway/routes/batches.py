"""What became of deliveries: own batches, their receipts, their rows."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, Response

from gateway import allowed
from gateway.caller import Proven
from gateway.errors import NoSuchThing
from hub.keys import unb64
from hub.said import Said
from warehouse import receipt
from warehouse.engine import connection
from warehouse.pushing import own

router = APIRouter(tags=["results 结果"])

MOST = 1_000
PENDING_SECONDS = 2
_JOSE = "application/jose"

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many 最多条数")]


@router.get("/v1/batches", summary="Own batches 本机构批次")
def list_batches(
    caller: Proven,
    *,
    feed: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    before: Annotated[
        int | None, Query(ge=1, le=2**62, description="Position of the last one seen 上一页末位序号")
    ] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Batches that the caller pushed, the newest first. `next` is where the following page begins, null at the end."""
    with connection() as conn:
        found = own.listed(conn, caller.agency, feed=feed, state=state, before=before, limit=limit)
    following = found[-1].batch_no if len(found) == limit else None
    return {"batches": [own.brief(one) for one in found], "next": following}


@router.get("/v1/batches/{batch}", summary="One batch 单个批次")
def show_batch(caller: Proven, batch: str) -> dict[str, Any]:
    """State, counts, rules broken, verdicts on the batch as a whole, and the batches that followed from it."""
    with connection() as conn:
        return own.whole(conn, allowed.batch_of(conn, caller, batch))


@router.get("/v1/batches/{batch}/accepted", summary="Immediate receipt 受理回执")
def show_accepted(caller: Proven, batch: str, accept: Annotated[str, Header()] = "*/*") -> Response:
    """What was told at once, signed: `application/jose` is the compact JWS; as JSON, the readable receipt stands beside it."""
    with connection() as conn:
        one = allowed.batch_of(conn, caller, batch)
        return _signed(own.accepted(conn, one.batch_id), accept)


@router.get("/v1/batches/{batch}/receipt", summary="Final receipt 最终回执")
def show_receipt(
    caller: Proven,
    batch: str,
    version: Annotated[int | None, Query(ge=1, le=10_000_000)] = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """The final word, signed, the newest version unless one is named. 202 with the state while there is none yet."""
    with connection() as conn:
        one = allowed.batch_of(conn, caller, batch)
        found = receipt.signed(conn, one.batch_id, version)
    if found is None and version is not None:
        raise NoSuchThing(what=Said("receipt version", "回执版本"), name=str(version))
    if found is None or found[1] is None:
        headers = {"Retry-After": str(PENDING_SECONDS), "Cache-Control": "no-store"}
        return JSONResponse({"batch": one.batch_id, "state": one.state, "final": False}, 202, headers)
    return _signed(found[1], accept)


@router.get("/v1/batches/{batch}/rows", summary="Rows that did not load 未入库的行")
def show_rows(
    caller: Proven,
    batch: str,
    after: Annotated[int, Query(ge=0, le=2**62, description="Row number after which to go on 从此行号之后")] = 0,
    limit: Limit = MOST,
) -> dict[str, Any]:
    """Quarantined rows with each rule they break, in words, and refused ones with the gate's rule, in row order.

    Every other row of the batch loaded, or is unchanged: `counts` says how many. `next` is the `after` of the following page.
    """
    with connection() as conn:
        one = allowed.batch_of(conn, caller, batch)
        found = own.rows(conn, one, after=after, limit=limit)
    following = found[-1]["row"] if len(found) == limit else None
    return {**own.brief(one), "rows": found, "next": following}


def _signed(jws: str, accept: str) -> Response:
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    if "json" in accept:
        readable = json.loads(unb64(jws.split(".")[1]))
        return JSONResponse({"jws": jws, "receipt": readable}, headers=headers)
    return Response(jws, media_type=_JOSE, headers=headers)
