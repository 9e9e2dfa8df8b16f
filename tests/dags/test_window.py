"""Which runs read what is new, and which read a past interval again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dags.errors import RunRequestInvalid
from dags.window import asked

DAY = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
NONE = (None, None)


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered", "operator_triggered"])
def test_a_live_run_asks_for_what_is_new_whatever_its_data_interval(run_type: str) -> None:
    request = asked(run_type, DAY, {})
    assert not request.backfill
    assert (request.start, request.end, request.source) == (None, None, None)


def test_a_backfill_asks_for_its_data_interval() -> None:
    request = asked("backfill", DAY, {"interval_start": "2020-01-01T00:00:00Z", "interval_end": "2020-01-02T00:00:00Z"})
    assert (request.start, request.end) == DAY
    assert request.backfill


def test_a_person_may_ask_for_an_interval_and_a_source() -> None:
    request = asked(
        "manual",
        NONE,
        {"interval_start": "2026-03-01T08:00:00+08:00", "interval_end": "2026-03-02T00:00:00Z", "source": "one"},
    )
    assert (request.start, request.end) == DAY
    assert request.source == "one"


@pytest.mark.parametrize(
    ("run_type", "interval", "params", "blamed"),
    [
        ("backfill", NONE, {}, "data interval"),
        ("manual", NONE, {"interval_start": "2026-03-01T00:00:00Z"}, "interval_end"),
        ("manual", NONE, {"interval_end": "2026-03-01T00:00:00Z"}, "interval_start"),
        ("manual", NONE, {"interval_start": "yesterday", "interval_end": "2026-03-01T00:00:00Z"}, "interval_start"),
        (
            "manual",
            NONE,
            {"interval_start": "2026-03-01T00:00:00", "interval_end": "2026-03-02T00:00:00Z"},
            "interval_start",
        ),
        (
            "manual",
            NONE,
            {"interval_start": "2026-03-02T00:00:00Z", "interval_end": "2026-03-02T00:00:00Z"},
            "interval_end",
        ),
        ("manual", NONE, {"source": ["a"]}, "source"),
        ("manual", NONE, {"source": "x" * 500}, "source"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(run_type: str, interval: tuple, params: dict, blamed: str) -> None:
    with pytest.raises(RunRequestInvalid) as raised:
        asked(run_type, interval, params)
    assert raised.value.facts["parameter"] == blamed
