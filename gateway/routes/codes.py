"""Error codes, for everybody: what each means, on which side the fault is, what to do; in Chinese and English."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import HTMLResponse, JSONResponse, Response

from gateway.errors import NoSuchThing
from gateway.problems import status_of
from hub.reference import every_error
from hub.said import Said

router = APIRouter(tags=["codes 错误代码"])

SIDES = {
    "agency": ("the sender", "报送方"),
    "hub": ("the hub", "枢纽"),
    "transient": ("nobody yet: try again", "可重试"),
}


@lru_cache(maxsize=1)
def _codes() -> dict[str, dict[str, Any]]:
    return {
        error.code: {
            "code": error.code,
            "side": error.side,
            "status": status_of(error),
            "en": error.en,
            "zh": error.zh,
            "remedy_en": error.remedy_en,
            "remedy_zh": error.remedy_zh,
        }
        for error in every_error()
    }


@router.get("/v1/codes", summary="Every error code 全部错误代码")
def list_codes(accept: Annotated[str, Header()] = "*/*") -> Response:
    """As a page; with `Accept: application/json`, as JSON."""
    if "json" in accept:
        return JSONResponse({"codes": list(_codes().values())})
    return _page(list(_codes().values()))


@router.get("/v1/codes/{code}", summary="One error code 单个错误代码")
def show_code(code: str, accept: Annotated[str, Header()] = "*/*") -> Response:
    """As a page; with `Accept: application/json`, as JSON. A problem document's `type` leads here."""
    found = _codes().get(code)
    if found is None:
        raise NoSuchThing(what=Said("error code", "错误代码"), name=code[:40])
    return JSONResponse(found) if "json" in accept else _page([found])


def _page(codes: list[dict[str, Any]]) -> HTMLResponse:
    rows = "".join(_row(one) for one in codes)
    head = "<th>代码 code</th><th>责任方 side</th><th>含义 meaning</th><th>处理 remedy</th>"
    style = (
        "body{font:15px/1.6 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
        "table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.4rem .6rem;text-align:left;"
        "vertical-align:top}code{white-space:nowrap}"
    )
    text = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>错误代码 Error codes</title><style>{style}</style><h1>错误代码 Error codes</h1>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"})


def _row(one: dict[str, Any]) -> str:
    side = " ".join(reversed(SIDES.get(one["side"], (one["side"], ""))))
    code, meaning = escape(one["code"]), f"{escape(one['zh'])}<br>{escape(one['en'])}"
    remedy = f"{escape(one['remedy_zh'])}<br>{escape(one['remedy_en'])}"
    return (
        f'<tr id="{code}"><td><code>{code}</code></td><td>{escape(side)}</td><td>{meaning}</td><td>{remedy}</td></tr>'
    )
