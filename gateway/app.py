"""The application: routes found on disk, errors as problem documents, a line in the access log for every crossing."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

import hub
from gateway import problems
from gateway.caller import Caller
from gateway.crossing import Crossing
from gateway.errors import NoSuchThing, RequestInvalid
from gateway.landing import Landings
from hub.errors import HubException
from hub.said import Said

ROUTES = Path(__file__).parent / "routes"

Authenticate = Callable[[Request], Awaitable[Caller]]
"""Says who calls. Raises what `gateway.auth` raises."""


def route_modules() -> list[str]:
    """Modules with a `router`, sorted."""
    return [f"gateway.routes.{path.stem}" for path in sorted(ROUTES.glob("[a-z]*.py"))]


def create(authenticate: Authenticate) -> FastAPI:
    """The application; `authenticate` says who calls."""
    app = FastAPI(
        title="Supervision data-sharing hub 监督数据共享枢纽",
        version=hub.__version__,
        docs_url=None,
        redoc_url=None,
    )
    app.state.authenticate = authenticate
    app.state.landings = Landings()
    app.add_exception_handler(HubException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_middleware(Crossing)
    for name in route_modules():
        app.include_router(importlib.import_module(name).router)
    return app


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubException)
    return problems.answer(error, request)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])[:100]
    said = str(first["msg"])[:200]
    return problems.answer(RequestInvalid(where=where, reason=Said(said, said)), request)


async def _plain(request: Request, error: Exception) -> Response:
    """What the framework says by itself: no such path, no such method."""
    assert isinstance(error, HTTPException)
    told = NoSuchThing(what=Said("address", "地址"), name=request.url.path[:100])
    return problems.answer(told, request, status=error.status_code, headers=error.headers)
