"""Whether the process lives, whether it can do its work, and the keys that its receipts are checked with; for everybody."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.errors import NotReady
from gateway.landing import Landings
from hub.errors import TransientError
from hub.said import Said
from warehouse.engine import connection
from warehouse.signing import keys
from warehouse.store import store
from warehouse.tables import access_log

router = APIRouter(tags=["health 健康"])


@router.get("/healthz", summary="Alive 存活")
async def alive() -> dict[str, str]:
    """The process answers; nothing else is said."""
    return {"status": "alive"}


@router.get("/readyz", summary="Ready 就绪")
def ready(request: Request) -> dict[str, str]:
    """The database answers and has the door's tables, the store can be written to, and there is room for a delivery; else 503."""
    landings: Landings = request.app.state.landings
    if landings.full:
        raise NotReady(reason=Said("as many deliveries wait as may", "等待中的交付已达上限"))
    try:
        with connection() as conn:
            conn.execute(sa.select(access_log.c.request).limit(1))
    except sa.exc.SQLAlchemyError:
        raise NotReady(reason=Said("its tables are not there", "数据表不存在")) from None
    except TransientError:
        raise NotReady(reason=Said("its database does not answer", "数据库没有响应")) from None
    place = store().root
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(place, os.W_OK | os.X_OK):
        raise NotReady(reason=Said("its store can't be written to", "存储目录不可写"))
    return {"status": "ready"}


@router.get("/.well-known/jwks.json", summary="Public keys of the hub 枢纽公钥")
def jwks() -> Response:
    """Every key that ever signed a receipt, the newest first (RFC 7517). Pin them: fetch them where you trust the line."""
    with connection() as conn:
        found: dict[str, Any] = keys.jwks(conn)
    return JSONResponse(found, media_type="application/jwk-set+json", headers={"Cache-Control": "public, max-age=300"})
