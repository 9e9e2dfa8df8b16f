"""The inspection office: an HTTP API with OAuth2 client credentials, pages, entity tags and one moment of overload.

POST /oauth/token        grant_type=client_credentials; client by HTTP Basic or form -> bearer token, 5 minutes
GET  /v1/problems        ?page_size=200&after=<cursor>&updated_since=<instant>
                         -> {"items": [...], "next": "<cursor>" | null, "total": n}; ETag, If-None-Match -> 304
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from hub.clock import BEIJING

TOKEN_SECONDS = 300
LARGEST_PAGE = 500


class Clients:
    """The one registered client, and the tokens given to it."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client = (client_id, client_secret)
        self._tokens: dict[str, float] = {}

    def grant(self, client_id: str, client_secret: str) -> str | None:
        """A fresh token, or None where id or secret is wrong."""
        known = hmac.compare_digest(client_id.encode(), self._client[0].encode())
        right = hmac.compare_digest(client_secret.encode(), self._client[1].encode())
        if not (known and right):
            return None
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + TOKEN_SECONDS
        return token

    def admits(self, authorization: str | None) -> bool:
        """Whether the header carries a token that was given out and has not run out."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and self._tokens.get(token, 0.0) > time.monotonic()


def application(records: Sequence[dict[str, Any]], clients: Clients, *, updated: str, overloads: int = 1) -> FastAPI:
    """The API over these records, which are in the order of their field `updated`.

    The first `overloads` page requests with a token are answered by 503 and Retry-After: 1.
    """
    api = FastAPI(title="inspection office", docs_url=None, redoc_url=None, openapi_url=None)
    left = [overloads]

    @api.post("/oauth/token")
    async def token(
        grant_type: Annotated[str, Form()],
        client_id: Annotated[str, Form()] = "",
        client_secret: Annotated[str, Form()] = "",
        authorization: Annotated[str | None, Header()] = None,
    ) -> Response:
        given = _basic(authorization) or (client_id, client_secret)
        # Errors and answers have the form of RFC 6749 §5: members of the document itself.
        if grant_type != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        granted = clients.grant(*given)
        if granted is None:
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        answer = {"access_token": granted, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @api.get("/v1/problems")
    async def problems(
        request: Request,
        page_size: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 200,
        after: Annotated[int, Query(ge=0)] = 0,
        updated_since: datetime | None = None,
    ) -> Response:
        if not clients.admits(request.headers.get("authorization")):
            raise HTTPException(401, {"error": "invalid_token"}, {"WWW-Authenticate": "Bearer"})
        if left[0] > 0:
            left[0] -= 1
            raise HTTPException(503, {"error": "busy"}, {"Retry-After": "1"})
        due = [one for one in records if updated_since is None or _instant(one[updated]) >= _zoned(updated_since)]
        page = due[after : after + page_size]
        further = after + len(page)
        body = {"items": page, "next": str(further) if further < len(due) else None, "total": len(due)}
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        tag = f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(raw, media_type="application/json", headers={"ETag": tag})

    return api


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _zoned(moment: datetime) -> datetime:
    """A time without a zone is the office's own."""
    return moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
