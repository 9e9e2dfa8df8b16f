"""APIs: patience, and servers that stall, lie, redirect, loop and explode."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors.errors import (
    HeaderUnusable,
    HttpElsewhere,
    HttpRefused,
    HttpUnavailable,
    PagingLoop,
    ResponseInvalid,
    ResponseTooLarge,
)
from connectors.http import client as client_module
from connectors.http.records import Shape
from hub import clock
from hub.errors import HubException
from tests.connectors.api import THINGS, fails, pull
from tests.connectors.serving import Asked, Route, serving

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("²", 0), ("\u0663", 0), ("12", 12), (" 12 ", 12), ("soon", 0), ("-3", 0), ("1.5", 0), ("", 0), (None, 0),
     ("Fri, 01 Mar 2024 00:01:30 GMT", 90), ("Fri, 01 Mar 2024 00:01:30", 0), ("Fri, 01 Mar 99999 00:00:00 GMT", 0)],
)  # fmt: skip
def test_what_a_server_asks_to_wait(header: str | None, seconds: float) -> None:
    with clock.at(datetime(2024, 3, 1, tzinfo=UTC)):
        assert client_module._retry_after(header) == seconds


@pytest.mark.parametrize("status", [400, 404, 410, 501])
def test_errors_that_last_are_not_tried_again(status: int) -> None:
    with serving(lambda asked: asked.answer(status=status)) as server, pytest.raises(HttpRefused, match=str(status)):
        pull(server.url)
    assert len(server.asked) == 1


def failing(times: int, then: Route, fail: Route) -> Route:
    left = [times]

    def route(asked: Asked) -> None:
        left[0] -= 1
        (fail if left[0] >= 0 else then)(asked)

    return route


def reset(asked: Asked) -> None:
    asked.handler.close_connection = True
    asked.handler.connection.close()


def short(asked: Asked) -> None:
    asked.answer(b'{"items": [', Content_Length="5000")
    asked.handler.close_connection = True


def cut_gzip(asked: Asked) -> None:
    asked.answer(gzip.compress(json.dumps({"items": THINGS}).encode())[:-9], Content_Encoding="gzip")


@pytest.mark.parametrize(
    "fail",
    [lambda asked: asked.answer(status=503), lambda asked: asked.answer(status=429), reset, short, cut_gzip],
    ids=["503", "429", "reset", "short", "cut gzip"],
)
def test_what_may_pass_is_tried_again(fail: Route) -> None:
    with serving(failing(2, lambda asked: asked.answer({"items": THINGS}), fail)) as server:
        rows, _ = pull(server.url)
        assert len(rows) == 7
        assert len(server.asked) == 3
    error = fails(fail, HttpUnavailable)
    assert "?" not in str(error)


def test_retry_after_is_waited_for() -> None:
    def busy(asked: Asked) -> None:
        asked.answer(status=503, Retry_After="1")

    with serving(failing(1, lambda asked: asked.answer({"items": THINGS}), busy)) as server:
        started = time.monotonic()
        pull(server.url)
        assert time.monotonic() - started >= 1


def test_retry_after_reads_dates_and_nonsense() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < client_module._retry_after(soon) <= 60
    for text in (None, "", "soon", "-5", "Fri, 01 Mar 2024 00:00:00 GMT", "1e9"):
        assert client_module._retry_after(text) == 0


def test_a_long_retry_after_ends_the_pull_at_once() -> None:
    with serving(lambda asked: asked.answer(status=503, Retry_After="86400")) as server:
        started = time.monotonic()
        with pytest.raises(HttpUnavailable):
            pull(server.url)
        assert time.monotonic() - started < 5
        assert len(server.asked) == 1


def test_redirects_are_not_followed() -> None:
    with serving(lambda asked: asked.answer({"items": THINGS})) as target:
        for status in (301, 302, 303, 307, 308):
            error = fails(
                lambda asked, s=status: asked.answer(status=s, Location=f"{target.url}/v1/things"), HttpElsewhere
            )
            assert error.facts["target"] == "127.0.0.1"
        assert target.asked == []


@pytest.mark.parametrize(
    "link",
    [
        "//evil.example/x",
        "https://127.0.0.1/x",
        "http://127.0.0.1:1/x",
        "http://user:pw@{host}/x",
        "file:///etc/passwd",
        "http://[::1",
        "http://evil.example\\@{host}/",
    ],
)
def test_links_that_lead_elsewhere_are_refused(link: str) -> None:
    def route(asked: Asked) -> None:
        asked.answer({"items": THINGS, "next": link.replace("{host}", asked.headers["host"])})

    fails(route, HttpElsewhere, options={"paging": {"style": "next_url"}})


@pytest.mark.parametrize(
    ("route", "paging"),
    [
        (lambda asked: asked.answer({"items": THINGS, "next": "same"}), {"style": "cursor"}),
        (lambda asked: asked.answer({"items": THINGS}), {"style": "page"}),
        (lambda asked: asked.answer({"items": THINGS}), {"style": "offset", "size": 7}),
        (
            lambda asked: asked.answer({"items": [{"id": time.monotonic_ns()}], "next": str(time.monotonic_ns())}),
            {"style": "cursor", "max_pages": 20},
        ),
        (
            lambda asked: asked.answer(
                {"items": [{"id": time.monotonic_ns()}]}, Link=f'<{asked.handler.path}>; rel="next"'
            ),
            {"style": "link"},
        ),
        (lambda asked: asked.answer({"items": [], "next": "x" * 10_000}), {"style": "cursor"}),
    ],
)
def test_pages_that_never_end(route: Route, paging: dict[str, Any]) -> None:
    fails(route, PagingLoop, options={"paging": paging})


def test_a_gzip_bomb_is_cut_off() -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000, 9)
    assert len(bomb) < 60_000
    fails(lambda asked: asked.answer(bomb, Content_Encoding="gzip"), ResponseTooLarge, options={"max_bytes": 1_000_000})


def test_an_endless_response_is_cut_off() -> None:
    def endless(asked: Asked) -> None:
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Type", "application/json")
        asked.handler.end_headers()
        asked.handler.close_connection = True
        while True:
            asked.handler.wfile.write(b" " * 65_536)

    fails(endless, ResponseTooLarge, options={"max_bytes": 1_000_000})


def test_a_slow_response_is_given_up() -> None:
    def silent(asked: Asked) -> None:
        time.sleep(2)

    def dripping(asked: Asked) -> None:
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Type", "application/json")
        asked.handler.send_header("Content-Length", "100000")
        asked.handler.end_headers()
        for _ in range(100):
            asked.handler.wfile.write(b" ")
            time.sleep(0.05)

    for route in (silent, dripping):
        started = time.monotonic()
        fails(route, HttpUnavailable, options={"timeout_seconds": 0.3, "total_seconds": 0.5, "attempts": 1})
        assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("body", "headers", "word"),
    [
        (b"<html>", {"Content_Type": "text/html"}, "content type"),
        (b'{"items": []}', {"Content_Type": "application/json; charset=gbk"}, "gbk"),
        (b"{", {}, "no JSON"),
        (b'{"items": {}}', {}, "no list"),
        (b"[]", {}, "no list"),
        (b'{"items": [NaN]}', {}, "NaN"),
        (b'{"items": [{"a": 1, "a": 2}]}', {}, "twice"),
        (b'{"items": ["\xff"]}', {}, "UTF-8"),
        (b'{"items": ' + b"[" * 200_000, {}, "deep"),
        (b'{"items": [{"id": ' + b"[" * 200 + b"]" * 200 + b"}]}", {}, "deep"),
        (b"x", {"Content_Encoding": "br"}, "packed"),
        (b"x", {"Content_Encoding": "gzip, gzip"}, "packed"),
        (b"not gzip at all", {"Content_Encoding": "gzip"}, "gzip"),
    ],
)
def test_responses_that_are_not_what_was_agreed(body: bytes, headers: dict[str, str], word: str) -> None:
    error = fails(lambda asked: asked.answer(body, **headers), ResponseInvalid)
    assert word in str(error)


def test_gzip_of_several_members() -> None:
    text = json.dumps({"items": THINGS}).encode()
    body = gzip.compress(text[:40]) + gzip.compress(text[40:])
    with serving(lambda asked: asked.answer(body, Content_Encoding="gzip")) as server:
        assert len(pull(server.url)[0]) == 7


def test_the_announced_total_must_be_met() -> None:
    fails(lambda asked: asked.answer({"items": THINGS, "total": 8}), HttpUnavailable, options={"total": "total"})
    fails(lambda asked: asked.answer({"items": THINGS, "total": "7"}), ResponseInvalid, options={"total": "total"})
    with serving(lambda asked: asked.answer({"items": THINGS, "total": 7})) as server:
        assert len(pull(server.url, options={"total": "total"})[0]) == 7


def test_too_many_members() -> None:
    with pytest.raises(HubException, match="2001 columns"):
        Shape({}, ()).table("u", [{f"m{index}": 1 for index in range(2_001)}])
    with pytest.raises(HeaderUnusable):
        Shape({"f": ("a.b",)}, ()).table("u", [{"a": {"b": 1}, "a.b": 2}])
