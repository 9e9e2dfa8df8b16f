"""The application: routes found on disk, errors as problem documents, an id for every request."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import uuid6
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

import hub
from gateway import problems
from gateway.caller import Caller
from gateway.errors import RequestInvalid
from hub import failure, log
from hub.errors import HubException

ROUTES = Path(__file__).parent / "routes"

Authenticate = Callable[[Request], Awaitable[Caller]]

_log = log.get("gateway")


def route_modules() -> list[str]:
    """Modules with a `router`, sorted."""
    return [f"gateway.routes.{path.stem}" for path in sorted(ROUTES.glob("[a-z]*.py"))]


def create(authenticate: Authenticate) -> FastAPI:
    """The application; `authenticate` says who calls."""
    app = FastAPI(
        title="Supervision data-sharing hub 监督数据共享枢纽", version=hub.__version__, docs_url=None, redoc_url=None
    )
    app.state.authenticate = authenticate
    app.add_exception_handler(HubException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unforeseen)
    app.middleware("http")(_numbered)
    for name in route_modules():
        app.include_router(importlib.import_module(name).router)
    return app


async def _numbered(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    request.state.request_id = str(uuid6.uuid7())
    response = await proceed(request)
    response.headers["Hub-Request"] = request.state.request_id
    return response


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubException)
    return problems.answer(error, request)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])[:100]
    return problems.answer(RequestInvalid(where=where, reason=str(first["msg"])[:200]), request)


async def _unforeseen(request: Request, error: Exception) -> Response:
    _log.error("unforeseen", request=request.state.request_id, kind=failure.kind(error), frames=failure.story(error))
    return problems.answer(failure.told(error), request)
