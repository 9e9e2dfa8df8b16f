"""The standard suite: every connector found on disk keeps the same promises, shown on a real source of its kind.

A connector brings a case, tests/connectors/cases/<its file's stem>.py; one without a case fails here.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import Window
from connectors.errors import PlaceIncomplete, PlaceUnknown
from connectors.registry import connectors_on_disk, open_connector, option_problems
from contracts.page import RawPage
from hub import log
from hub.errors import AgencyError, HubException
from hub.ids import PlaceId
from tests.connectors.cases.case import COLUMNS, Case, rows_from
from tests.connectors.making import Remembered, all_numbers, opened, read

RESERVED = {"_action", "_problems"}
BROUGHT = {"push": "nothing is fetched; what is brought is held in tests/pushing and tests/gateway"}
"""Connectors that the suite has nothing to ask, each with the reason."""
FETCHING = tuple(name for name in connectors_on_disk() if name not in BROUGHT)


def _cases() -> list[Any]:
    """A parameter for each connector; those that need the real parts carry the mark."""
    params = []
    for name in FETCHING:
        try:
            module = importlib.import_module(f"tests.connectors.cases.{name}")
        except ImportError:
            module = None
        params.append(pytest.param(name, marks=[pytest.mark.stack] if getattr(module, "stack", False) else [], id=name))
    return params


@pytest.fixture(params=_cases())
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    module = importlib.import_module(f"tests.connectors.cases.{request.param}")
    with module.case(request) as made:
        monkeypatch.setenv("CASE_SECRET", made.secret)
        yield made


@pytest.mark.parametrize("name", FETCHING)
def test_every_connector_brings_a_case(name: str) -> None:
    assert callable(importlib.import_module(f"tests.connectors.cases.{name}").case)


def pull(
    case: Case, window: Window | None = None, page_rows: int = 1000
) -> tuple[list[dict[str, Any]], list[Any], list[RawPage]]:
    """(rows, deliveries, pages) of everything that waits."""
    rows: list[dict[str, Any]] = []
    deliveries, pages = [], []
    for delivery in opened(case.contract, case.place, page_rows).deliveries(window or Window()):
        more, malformed, own = read(delivery)
        assert malformed == []
        assert all_numbers(own) == list(range(1, len(more) + 1))
        assert [page.ordinal for page in own] == list(range(len(own)))
        rows += more
        deliveries.append(delivery)
        pages += own
    return rows, deliveries, pages


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({name: row[name] for name in COLUMNS} for row in rows), key=lambda row: int(row["id"]))


def test_rows_arrive_as_they_are(case: Case) -> None:
    given = rows_from(1, 130)
    case.put(given)
    rows, _, pages = pull(case)
    assert plain(rows) == given
    for page in pages:
        assert set(COLUMNS) <= set(page.table.column_names)
        assert {name for name in page.table.column_names if name.startswith("_")} <= RESERVED
        assert all(column.type == pa.string() for column in page.table.columns)
        assert page.rows.type == page.source_rows.type == pa.int64()
        assert len(page.rows) == len(page.source_rows) == page.table.num_rows
        assert page.unit


@pytest.mark.parametrize("page_rows", [1, 7, 64])
def test_pages_are_bounded(case: Case, page_rows: int) -> None:
    case.put(rows_from(1, 65))
    rows, _, pages = pull(case, page_rows=page_rows)
    assert plain(rows) == rows_from(1, 65)
    assert max(page.rows_in for page in pages) <= page_rows


def test_a_restart_at_the_cursor_loses_nothing(case: Case) -> None:
    case.put(rows_from(100, 60))
    first, deliveries, _ = pull(case)
    taken = Remembered({str(delivery.appearance) for delivery in deliveries})
    cursor = deliveries[-1].cursor_after
    assert json.loads(json.dumps(cursor)) == cursor
    case.put(rows_from(160, 20))
    second, again, _ = pull(case, Window(cursor=cursor, taken=taken))
    seen = {row["id"] for row in second}
    assert {row["id"] for row in rows_from(160, 20)} <= seen
    # What comes again is what the overlap reaches, not everything.
    assert len(seen) < 60
    assert plain(first) == rows_from(100, 60)
    taken.take(*again)
    third, _, _ = pull(case, Window(cursor=again[-1].cursor_after, taken=taken))
    assert {row["id"] for row in third} <= seen


def test_every_delivery_states_its_bytes(case: Case) -> None:
    case.put(rows_from(1, 5))
    _, first, _ = pull(case)
    _, second, _ = pull(case, page_rows=2)
    for delivery in first:
        assert len(delivery.sha256) == 64
        assert delivery.size > 0
        assert delivery.name
        json.dumps(delivery.facts)
    assert [item.sha256 for item in first] == [item.sha256 for item in second]


def test_a_bad_delivery_hides_no_other(case: Case) -> None:
    if case.spoil is None:
        pytest.skip("a pull of this kind is one delivery")
    case.put(rows_from(1, 5))
    case.spoil()
    case.put(rows_from(6, 5))
    case.spoil()
    for known in (set[str](), {"0" * 64 + "@1"}):
        rows: list[dict[str, Any]] = []
        bad = []
        for delivery in opened(case.contract, case.place).deliveries(Window(taken=Remembered(known))):
            try:
                rows += read(delivery)[0]
            except AgencyError as error:
                bad.append((delivery.name, error.code))
        assert plain(rows) == rows_from(1, 10)
        assert len(bad) == 2
        assert all(code.startswith("HUB-SRC-") for _, code in bad)


def test_a_backfill_moves_no_cursor(case: Case) -> None:
    case.put(rows_from(1, 5))
    _, deliveries, _ = pull(
        case, Window(interval_start=datetime(2024, 1, 1, tzinfo=UTC), cursor={"value": "2030-01-01T00:00:00Z"})
    )
    assert deliveries
    assert all(delivery.cursor_after is None for delivery in deliveries)


def test_check_says_something_and_no_secret(case: Case) -> None:
    case.put(rows_from(1, 5))
    said = opened(case.contract, case.place).check()
    assert len(said) > 10
    assert case.secret not in said


def test_a_ruined_source_is_an_error_without_secret(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("debug", "json")
    case.put(rows_from(1, 5))
    connector = opened(case.contract, case.place)
    case.ruin()
    shown = repr(connector) + repr(vars(connector)) + repr(case.place) + str(case.place.model_dump())
    for attempt in (connector.check, lambda: pull(case)):
        with pytest.raises(HubException) as caught:
            attempt()
        shown += str(caught.value.as_dict()) + repr(caught.value) + repr(caught.value.__cause__)
    log.get("test").error("ruined", error=caught.value)
    shown += "".join(capfd.readouterr())
    assert case.secret not in shown
    assert caught.value.code.startswith("HUB-SRC-")


def test_a_place_that_is_not_listed_is_not_reached(case: Case) -> None:
    with pytest.raises(PlaceUnknown):
        open_connector(case.contract, case.contract.sources[0], {PlaceId("elsewhere"): case.place}, 1000)


def test_a_place_of_another_kind_is_refused(case: Case) -> None:
    with pytest.raises(PlaceIncomplete):
        opened(case.contract, case.wrong_place).check()


@pytest.mark.parametrize("name", FETCHING)
def test_options_name_no_address_and_no_secret(name: str) -> None:
    for key in ("host", "port", "url", "base_url", "root", "user", "password", "token", "query", "sql", "_x"):
        problems = option_problems(name, {key: "hunter2"})
        assert any(problem.startswith(f"{key}:") for problem in problems), key
        assert all("hunter2" not in problem for problem in problems)


def test_the_cases_options_are_fine(case: Case) -> None:
    source = case.contract.sources[0]
    assert option_problems(source.connector, source.options) == []


def test_a_delivery_may_be_given_up_and_closed_twice(case: Case) -> None:
    case.put(rows_from(1, 65))
    delivery = next(iter(opened(case.contract, case.place, 7).deliveries(Window())))
    next(delivery.pages())
    delivery.close()
    delivery.close()
    assert delivery.sha256 is None
    assert delivery.cursor_after is None
