"""APIs: every paging style, cursors, tags, tokens, patience; and servers that stall, lie, redirect, loop and explode."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connectors.base import Delivery, Window
from connectors.errors import (
    CredentialsRefused,
    CursorUnusable,
    HeaderUnusable,
    HttpElsewhere,
    HttpRefused,
    HttpUnavailable,
    PagingLoop,
    ResponseInvalid,
    ResponseTooLarge,
)
from connectors.http import client as client_module
from connectors.http import tokens
from connectors.http.records import Shape, parsed, written
from connectors.places import OAuth2, Place
from connectors.registry import option_problems
from contracts.model import FieldSpec
from hub import clock
from hub.errors import HubException
from hub.ids import PlaceId
from tests.connectors.making import all_numbers, contract, opened, read
from tests.connectors.serving import Asked, Route, serving

SECRET = "client-secret-71c"
TOKEN = "granted-token-55a"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Back-off takes no time here, but what a server asks for is waited for."""
    monkeypatch.setattr(client_module.random, "random", lambda: -1.0)
    tokens._granted.clear()
    yield
    tokens._granted.clear()


def spec(fields: Any = ("id", "name"), **more: Any) -> Any:
    options = {"path": "/v1/things", "records": "items", "attempts": 3, **more.pop("options", {})}
    return contract(fields, connector="http_json", options=options, **more)


def place(url: str, **more: Any) -> Place:
    return Place(id=PlaceId("somewhere"), base_url=url, **more)


def pull(
    url: str, window: Window | None = None, page_rows: int = 1000, **more: Any
) -> tuple[list[Any], Delivery | None]:
    where = place(url, **more.pop("place", {}))
    deliveries = list(opened(spec(**more), where, page_rows).deliveries(window or Window()))
    if not deliveries:
        return [], None
    (delivery,) = deliveries
    rows, _, pages = read(delivery)
    numbers = all_numbers(pages)
    assert numbers == list(range(1, len(numbers) + 1))
    return rows, delivery


def fails(route: Route, error: type[HubException], **more: Any) -> HubException:
    with serving(route) as server, pytest.raises(error) as caught:
        pull(server.url, **more)
    return caught.value


THINGS = [{"id": number, "name": f"n{number}"} for number in range(1, 8)]


def by_page(asked: Asked) -> None:
    page = int(asked.query["page"])
    asked.answer({"items": THINGS[(page - 1) * 3 : page * 3]})


def by_offset(asked: Asked) -> None:
    start = int(asked.query["offset"])
    asked.answer({"items": THINGS[start : start + 2]})  # fewer than the asked-for 5: not the end


def by_offset_from_one(asked: Asked) -> None:
    start = int(asked.query["offset"]) - 1
    asked.answer({"items": THINGS[start : start + 2] if start >= 0 else []})


def by_cursor(asked: Asked) -> None:
    start = int(asked.query.get("after", "0"))
    following = start + 3
    asked.answer({"items": THINGS[start:following], "meta": {"next": str(following) if following < 7 else None}})


def by_url(asked: Asked) -> None:
    start = int(asked.query.get("s", "0"))
    asked.answer({"items": THINGS[start : start + 3], "next": f"things?s={start + 3}" if start < 6 else ""})


def by_link(asked: Asked) -> None:
    start = int(asked.query.get("s", "0"))
    link = f'</first>; rel="first", </v1/things?s={start + 3}>; title="a, b"; rel="last next"' if start < 6 else ""
    asked.answer({"items": THINGS[start : start + 3]}, Link=link)


@pytest.mark.parametrize(
    ("route", "paging"),
    [
        (by_page, {"style": "page"}),
        (by_offset, {"style": "offset", "size": 5}),
        (by_offset_from_one, {"style": "offset", "size": 5, "start": 1}),
        (by_cursor, {"style": "cursor", "param": "after", "next": "meta.next", "size": 3, "size_param": "n"}),
        (by_url, {"style": "next_url"}),
        (by_link, {"style": "link"}),
    ],
)
@pytest.mark.parametrize("page_rows", [2, 1000])
def test_every_style_of_paging_gives_every_record(route: Route, paging: dict[str, Any], page_rows: int) -> None:
    with serving(route) as server:
        rows, delivery = pull(server.url, page_rows=page_rows, options={"paging": paging})
    assert [row["name"] for row in rows] == [thing["name"] for thing in THINGS]
    assert delivery is not None and delivery.sha256 and delivery.size


def test_raw_pages_are_the_bytes_as_they_came() -> None:
    import hashlib

    with serving(by_page) as server:
        (delivery,) = opened(spec(options={"paging": {"style": "page"}}), place(server.url), 2).deliveries(Window())
        _, _, pages = read(delivery)
    raw = b"".join(page.raw for page in pages if page.raw)
    assert hashlib.sha256(raw).hexdigest() == delivery.sha256
    assert [thing for page in pages if page.raw for thing in json.loads(page.raw)["items"]] == THINGS


def test_values_become_text_without_losing_a_digit() -> None:
    body = (
        b'{"items": [{"id": 12345678901234567890, "amount": 1234567890.12345678901, "ok": true, "none": null, '
        b'"deep": {"a": "x", "rest": {"z": 1.10, "y": [1, {"b": null}]}}, "other": {"k": [1.0]}, "text": "1.0"}]}'
    )
    with serving(lambda asked: asked.answer(body)) as server:
        rows, _ = pull(server.url, fields=("id", "amount", "ok", "none", "deep.a", "other", "text", "absent"))
    (row,) = rows
    assert {name: value for name, value in row.items() if not name.startswith("_")} == {
        "id": "12345678901234567890",
        "amount": "1234567890.12345678901",
        "ok": "true",
        "none": None,
        "deep.a": "x",
        "deep.rest": '{"y":[1,{"b":null}],"z":1.10}',
        "other": '{"k":[1.0]}',
        "text": "1.0",
        "absent": None,
    }


@examples(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=12,
    )
)
def test_nested_json_is_written_canonically(value: Any) -> None:
    text = json.dumps(value)
    again = written("u", parsed("u", text.encode()))
    assert json.loads(again) == value
    assert written("u", parsed("u", json.dumps(value, sort_keys=True, indent=1).encode())) == again


def test_records_that_are_no_records_are_malformed_rows() -> None:
    items = [{"id": 1, "name": "a"}, 7, {"id": 2, "name": "nul\x00"}, {"id": 3, "name": "\ud800"}, [], {"id": 4}]
    with serving(lambda asked: asked.answer(json.dumps({"items": items}).encode())) as server:
        (delivery,) = opened(spec(), place(server.url)).deliveries(Window())
        rows, malformed, _ = read(delivery)
    assert [(row["_row"], row["_line"], row["id"]) for row in rows] == [(1, 1, "1"), (6, 6, "4")]
    assert [(bad.row, bad.source_row, bad.reason.split()[-1]) for bad in malformed] == [
        (2, 2, "object"),
        (3, 3, "character"),
        (4, 4, "surrogate)"),
        (5, 5, "object"),
    ]


def test_a_member_with_an_underscore_is_refused_or_ignored() -> None:
    def route(asked: Asked) -> None:
        asked.answer({"items": [{"_id": "x", "id": 1, "name": "a"}]})

    fails(route, HeaderUnusable)
    with serving(route) as server:
        rows, _ = pull(server.url, ignored=("_id",))
    assert "_id" not in rows[0]


def test_a_member_in_other_case_is_the_field_not_one_more_column() -> None:
    def route(asked: Asked) -> None:
        asked.answer({"items": [{"id": 1, "Unit": {"CODE": "x"}, "_Tag": "t", "seen": "2026-01-01T00:00:00Z"}]})

    fields = tuple(FieldSpec(name, "", "", "string") for name in ("ID", "unit.code"))
    fields = (*fields, FieldSpec("Seen", "", "", "timestamp"))
    with serving(route) as server:
        rows, delivery = pull(server.url, fields=fields, ignored=("_tag",), cursor="Seen")
    (row,) = [{name: value for name, value in row.items() if name[0] != "_"} for row in rows]
    assert row == {"id": "1", "Unit.CODE": "x", "seen": "2026-01-01T00:00:00Z"}
    assert delivery is not None and delivery.cursor_after == {"value": "2026-01-01T00:00:00Z"}


MOMENTS = (
    FieldSpec("id", "", "", "integer"),
    FieldSpec("name", "", "", "string"),
    FieldSpec("updated", "", "", "timestamp"),
)


@pytest.mark.parametrize(
    ("written", "since"),
    [("20240301080000", "20240301073000"), ("20240301T080000Z", "20240301T073000Z"), ("2024/03/01", "2024/02/29")],
)
def test_a_cursor_is_kept_in_the_form_that_the_source_writes(written: str, since: str) -> None:
    more: dict[str, Any] = {
        "fields": MOMENTS,
        "cursor": "updated",
        "cursor_overlap": "PT30M",
        "options": {"cursor_param": "since"},
    }
    with serving(lambda asked: asked.answer({"items": [{"id": 1, "name": "x", "updated": written}]})) as server:
        _, first = pull(server.url, **more)
        assert first is not None and first.cursor_after == {"value": written}
        pull(server.url, Window(cursor=first.cursor_after), **more)
    assert server.queries() == [{}, {"since": since}]


def test_a_cursor_that_no_value_moves_is_met_loudly() -> None:
    def route(asked: Asked) -> None:
        asked.answer({"items": [{"id": 1, "name": "x", "updated": "1 March 2024, 08:00"}]})

    fails(route, CursorUnusable, fields=MOMENTS, cursor="updated")


def test_a_cursor_asks_for_what_is_new_since_its_overlap() -> None:
    stamped = [{"id": n, "name": "x", "updated": f"2024-03-01T0{n}:00:00+08:00"} for n in (3, 1, 2)]
    more: dict[str, Any] = {
        "fields": MOMENTS,
        "cursor": "updated",
        "cursor_overlap": "PT30M",
        "options": {"cursor_param": "since", "until_param": "until", "params": {"kind": "all"}},
    }
    with serving(lambda asked: asked.answer({"items": stamped})) as server:
        _, first = pull(server.url, **more)
        assert first is not None and first.cursor_after == {"value": "2024-03-01T03:00:00+08:00"}
        pull(server.url, Window(cursor=first.cursor_after), **more)
        interval = {
            "interval_start": datetime(2024, 3, 1, tzinfo=UTC),
            "interval_end": datetime(2024, 3, 2, tzinfo=UTC),
        }
        _, backfill = pull(server.url, Window(cursor=first.cursor_after, **interval), **more)
        assert backfill is not None and backfill.cursor_after is None
    assert server.queries() == [
        {"kind": "all"},
        {"kind": "all", "since": "2024-03-01T02:30:00+08:00"},
        {"kind": "all", "since": "2024-03-01T00:00:00Z", "until": "2024-03-02T00:00:00Z"},
    ]


def test_a_304_is_no_delivery() -> None:
    def route(asked: Asked) -> None:
        if asked.headers.get("if-none-match") == '"v1"':
            asked.answer(status=304, ETag='"v1"')
        else:
            asked.answer({"items": THINGS}, ETag='"v1"', Last_Modified="Fri, 01 Mar 2024 00:00:00 GMT")

    with serving(route) as server:
        _, first = pull(server.url)
        assert first is not None and first.cursor_after is not None
        assert pull(server.url, Window(cursor=json.loads(json.dumps(first.cursor_after)))) == ([], None)
        assert server.asked[-1].headers["if-modified-since"] == "Fri, 01 Mar 2024 00:00:00 GMT"
        # Another question is not answered by this tag; nor is a backfill.
        assert pull(server.url, Window(cursor=first.cursor_after), options={"params": {"k": "v"}})[0]
        assert pull(server.url, Window(cursor=first.cursor_after, interval_start=datetime(2024, 1, 1, tzinfo=UTC)))[0]


def test_a_tag_of_one_page_does_not_speak_for_the_others() -> None:
    def route(asked: Asked) -> None:
        page = int(asked.query["page"])
        asked.answer({"items": THINGS[(page - 1) * 3 : page * 3]}, ETag=f'"p{page}"')

    with serving(route) as server:
        _, pages = pull(server.url, options={"paging": {"style": "page"}})
        _, covered = pull(server.url, options={"paging": {"style": "page"}, "etag_covers": "set"})
    assert pages is not None and pages.cursor_after is None
    assert covered is not None and covered.cursor_after is not None and covered.cursor_after["etag"] == '"p1"'


def test_nothing_new_is_no_delivery_unless_the_feed_is_a_snapshot() -> None:
    with serving(lambda asked: asked.answer({"items": []})) as server:
        assert pull(server.url) == ([], None)
        rows, delivery = pull(server.url, completeness="snapshot")
    assert rows == [] and delivery is not None


def test_an_empty_page_may_have_a_next_one() -> None:
    def route(asked: Asked) -> None:
        at = asked.query.get("cursor")
        asked.answer({"items": [] if at in (None, "b") else THINGS, "next": {None: "a", "a": "b", "b": None}[at]})

    with serving(route) as server:
        assert len(pull(server.url, options={"paging": {"style": "cursor"}})[0]) == 7


def granting(asked: Asked, lasts: Any = 300) -> bool:
    if asked.path != "/token":
        return False
    form = dict(parse_qsl(asked.body.decode()))
    assert form["grant_type"] == "client_credentials"
    asked.answer({"access_token": TOKEN, "token_type": "Bearer", "expires_in": lasts})
    return True


def oauth(url: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    return {"oauth2": OAuth2(token_url=f"{url}/token", client_id="hub", client_secret_env="CLIENT_SECRET", **more)}


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_a_token_is_asked_for_once_and_again_when_it_is_refused(monkeypatch: pytest.MonkeyPatch, auth: str) -> None:
    revoked = [False]

    def route(asked: Asked) -> None:
        if granting(asked):
            revoked[0] = False
        elif asked.headers.get("authorization") != f"Bearer {TOKEN}" or revoked[0]:
            asked.answer(status=401)
        else:
            asked.answer({"items": THINGS})

    with serving(route) as server:
        given = oauth(server.url, monkeypatch, auth=auth, scope="read")
        pull(server.url, place=given)
        pull(server.url, place=given)
        assert [one.method for one in server.asked] == ["POST", "GET", "GET"]
        form = dict(parse_qsl(server.asked[0].body.decode()))
        assert form["scope"] == "read"
        assert ("client_secret" in form) == (auth == "post")
        revoked[0] = True
        pull(server.url, place=given)
        assert [one.method for one in server.asked[3:]] == ["GET", "POST", "GET"]


def test_a_token_that_runs_out_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda asked: granting(asked, lasts=1) or asked.answer({"items": THINGS})) as server:
        given = oauth(server.url, monkeypatch)
        pull(server.url, place=given)
        time.sleep(0.6)
        pull(server.url, place=given)
        assert [one.method for one in server.asked] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            lambda asked: asked.answer({"error": "invalid_client", "error_description": SECRET}, status=401),
            CredentialsRefused,
        ),
        (lambda asked: asked.answer({"error": SECRET}, status=400), CredentialsRefused),
        (lambda asked: asked.answer({"token": SECRET}), ResponseInvalid),
        (lambda asked: asked.answer({"access_token": "a\r\nX-Evil: 1", "token_type": "bearer"}), ResponseInvalid),
        (lambda asked: asked.answer({"access_token": TOKEN, "token_type": "mac"}), ResponseInvalid),
        (lambda asked: asked.answer(b"x" * 100_000), ResponseInvalid),
        (lambda asked: asked.answer(status=302, Location="http://127.0.0.1:1/"), HttpUnavailable),
        (lambda asked: asked.answer(status=500), HttpUnavailable),
    ],
)
def test_a_token_service_that_misbehaves(
    monkeypatch: pytest.MonkeyPatch, answer: Route, error: type[HubException], capfd: Any
) -> None:
    with serving(answer) as server, pytest.raises(error) as caught:
        pull(server.url, place=oauth(server.url, monkeypatch))
    shown = str(caught.value.as_dict()) + repr(caught.value) + str(caught.value.__cause__) + "".join(capfd.readouterr())
    assert SECRET not in shown and TOKEN not in shown


def test_a_token_service_that_trickles_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def route(asked: Asked) -> None:
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Length", "1000")
        asked.handler.end_headers()
        for _ in range(1_000):
            asked.handler.wfile.write(b" ")
            asked.handler.wfile.flush()
            time.sleep(0.05)

    started = time.monotonic()
    with serving(route) as server, pytest.raises(HttpUnavailable, match="not complete"):
        pull(server.url, options={"total_seconds": 1, "attempts": 1}, place=oauth(server.url, monkeypatch))
    assert time.monotonic() - started < 5


def test_a_slow_token_service_holds_no_other_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_slow, go_on = threading.Event(), threading.Event()

    def slow(asked: Asked) -> None:
        if asked.path == "/token":
            asked_slow.set()
            go_on.wait(20)
            asked.answer({"access_token": TOKEN, "token_type": "Bearer"})
        else:
            asked.answer({"items": THINGS})

    def quick(asked: Asked) -> None:
        grants = asked.path == "/token"
        asked.answer({"access_token": TOKEN, "token_type": "Bearer"} if grants else {"items": THINGS})

    with serving(slow) as stalled, serving(quick) as sound:
        given = [oauth(server.url, monkeypatch) for server in (stalled, sound)]
        slowly = [threading.Thread(target=pull, args=(stalled.url,), kwargs={"place": given[0]}) for _ in range(2)]
        try:
            for thread in slowly:
                thread.start()
            assert asked_slow.wait(10)
            found: list[Any] = []
            other = threading.Thread(target=lambda: found.extend(pull(sound.url, place=given[1])[0]), daemon=True)
            other.start()
            other.join(10)
            assert len(found) == len(THINGS)
            assert all(thread.is_alive() for thread in slowly)  # the first place waits still
        finally:
            go_on.set()
            for thread in slowly:
                thread.join(20)
        assert [one.path for one in stalled.asked].count("/token") == 1  # one asks, the others of the place wait


@pytest.mark.parametrize("lasts", ["²", "\u0663", "-1", 1e400, "9" * 400])
def test_a_token_with_a_strange_end_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch, lasts: Any) -> None:
    def route(asked: Asked) -> None:
        grant = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": lasts}
        asked.answer(grant if asked.path == "/token" else {"items": THINGS})

    with serving(route) as server:
        assert len(pull(server.url, place=oauth(server.url, monkeypatch))[0]) == len(THINGS)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("²", 0), ("\u0663", 0), ("12", 12), (" 12 ", 12), ("soon", 0), ("-3", 0), ("1.5", 0), ("", 0), (None, 0),
     ("Fri, 01 Mar 2024 00:01:30 GMT", 90), ("Fri, 01 Mar 2024 00:01:30", 0), ("Fri, 01 Mar 99999 00:00:00 GMT", 0)],
)  # fmt: skip
def test_what_a_server_asks_to_wait(header: str | None, seconds: float) -> None:
    with clock.at(datetime(2024, 3, 1, tzinfo=UTC)):
        assert client_module._retry_after(header) == seconds


def test_fixed_tokens_and_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_SECRET", SECRET)
    with serving(lambda asked: asked.answer({"items": THINGS})) as server:
        pull(server.url, place={"token_env": "API_SECRET"})
        pull(server.url, place={"user": "hub", "password_env": "API_SECRET"})
        pull(server.url)
    sent = [one.headers.get("authorization") for one in server.asked]
    assert sent[0] == f"Bearer {SECRET}"
    assert str(sent[1]).startswith("Basic ")
    assert sent[2] is None


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_tried_again(status: int) -> None:
    with serving(lambda asked: asked.answer(status=status)) as server, pytest.raises(CredentialsRefused):
        pull(server.url)
    assert len(server.asked) == 1


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


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"path": "http://evil.example/"}, "path"),
        ({"path": "//evil.example/"}, "path"),
        ({"path": "/a/../../b"}, "path"),
        ({"path": "/a?b=c"}, "path"),
        ({"path": "/a", "headers": {"Authorization": "x"}}, "headers"),
        ({"path": "/a", "paging": {"style": "guess"}}, "style"),
        ({"path": "/a", "params": {"a&b": "c"}}, "params"),
        ({}, "path"),
    ],
)
def test_options_that_a_contract_may_not_say(options: dict[str, Any], word: str) -> None:
    assert any(word in problem for problem in option_problems("http_json", options))


def test_check_says_what_is_there() -> None:
    with serving(lambda asked: asked.answer({"items": THINGS})) as server:
        assert opened(spec(), place(server.url)).check().endswith("/v1/things answers 200, 7 records on the first page")


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(lambda asked: asked.answer({"items": THINGS})) as server:
        assert len(pull(server.url)[0]) == 7
