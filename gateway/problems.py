"""Errors as problem documents (RFC 9457): the hub's code, on which side the fault is, the sentence and the remedy in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from hub.errors import AgencyError, HubException, TransientError

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499
"""No status of HTTP's own: nobody is there to read it, it stands in the access log."""
RETRY_SECONDS = 5
"""When to come again, where an error that may pass by itself says nothing else."""


def status_of(kind: type[HubException]) -> int:
    """What HTTP says of an error: its own `status`; else 422 for the sender's side, 503 for what may pass, 500 for ours."""
    own: int | None = getattr(kind, "status", None)
    if own is not None:
        return own
    if issubclass(kind, TransientError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.UNPROCESSABLE_ENTITY if issubclass(kind, AgencyError) else HTTPStatus.INTERNAL_SERVER_ERROR


def document(error: HubException, request_id: str, **more: Any) -> dict[str, Any]:
    """The problem document of an error. Of the hub's own faults the facts stay inside: they are no caller's business."""
    status = status_of(type(error))
    shape = error.as_dict()
    # What the door says of itself is for callers; what a part behind it says may name hosts and users.
    theirs = error.side == "agency" or error.code.startswith(("HUB-GTW-", "HUB-DLV-"))
    return {
        "type": f"/v1/codes/{error.code}",
        "title": "Client Closed Request" if status == CLIENT_GONE else HTTPStatus(status).phrase,
        "status": status,
        "detail": error.sentence()
        if theirs
        else "the hub could not do this; its operators can find it by the request's id",
        "detail_zh": error.sentence("zh") if theirs else "枢纽一侧未能完成；运维人员可凭请求编号查找",
        "instance": f"urn:uuid:{request_id}",
        "code": error.code,
        "side": error.side,
        "remedy": error.remedy() if theirs else "try again later, and name the request's id to the hub's operators",
        "remedy_zh": error.remedy("zh") if theirs else "请稍后重试，并向枢纽运维人员提供请求编号",
        **({"facts": shape["facts"]} if theirs and shape.get("facts") else {}),
        **more,
    }


def answer(
    error: HubException,
    request: Request,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """The response for an error; remembers its code for the access log."""
    request.state.code = error.code
    sent = {**(headers or {}), "Content-Language": "en, zh-CN", "Cache-Control": "no-store"}
    retry = error.facts.get("retry_after", RETRY_SECONDS if isinstance(error, TransientError) else None)
    if retry is not None:
        sent["Retry-After"] = str(retry)
    if status_of(type(error)) == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = 'Signature realm="supervision-hub"'
    body = document(error, request.state.request_id, **more)
    if status is not None:
        body |= {"status": status, "title": HTTPStatus(status).phrase}
    return JSONResponse(body, status_code=body["status"], media_type=MEDIA_TYPE, headers=sent)
