"""APIs: every paging style, values, cursors and tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connectors.base import Window
from connectors.errors import (
    CursorUnusable,
    HeaderUnusable,
)
from connectors.http.records import parsed, written
from connectors.registry import option_problems
from contracts.model import FieldSpec
from tests.connectors.api import THINGS, fails, place, pull, spec
from tests.connectors.making import opened, read
from tests.connectors.serving import Asked, Route, serving

pytestmark = pytest.mark.usefixtures("quick")


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


def test_a_record_dated_in_the_future_does_not_end_the_feed() -> None:
    stamped = [
        {"id": n, "name": "x", "updated": at}
        for n, at in enumerate(("2024-03-01T03:00:00Z", "2099-01-01T00:00:00Z", "soon", "2024-03-01T01:00:00Z"))
    ]
    more: dict[str, Any] = {"fields": MOMENTS, "cursor": "updated", "options": {"cursor_param": "since"}}
    with serving(lambda asked: asked.answer({"items": stamped})) as server:
        _, first = pull(server.url, **more)
        assert first is not None and first.cursor_after == {"value": "2024-03-01T03:00:00Z"}
        del stamped[0], stamped[1:]  # the future one alone
        _, second = pull(server.url, Window(cursor=first.cursor_after), **more)
        assert second is not None and second.cursor_after == first.cursor_after, "all in the future: it stays"
        with pytest.raises(CursorUnusable):
            pull(server.url, Window(cursor={"value": "2099-01-01T00:00:00Z"}), **more)


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


HIDDEN = (
    "/%2e%2e/%2e%2e/admin",
    "/%2E%2E/admin",
    "/a/%2e%2e%2fadmin",
    "/..;/admin",
    "/;/../x",
    "/a;b=1/x",
    "/%252e%252e/x",
)


@pytest.mark.parametrize("path", [*HIDDEN, "/%5c..%5cx", "/a%5Cb", "/%2fhost/x", "/a%00b", "/a%3fx"])
def test_a_path_that_leads_out_once_it_is_decoded_is_none(path: str) -> None:
    assert option_problems("http_json", {"path": path})


@pytest.mark.parametrize("path", ["/v1/things", "/v1/%E4%BA%8B%E9%A1%B9", "/a.b/..c/d", "/v1/中文"])
def test_a_path_that_stays_inside_is_one(path: str) -> None:
    assert not option_problems("http_json", {"path": path})
