"""The deadline of a run: from which promise it comes, of which runs it is told, and what becomes of a callback that fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.model import Sla
from dags import deadline
from dags.client import Run
from dags.errors import AirflowSilent
from exchange.alarms import book, deadlines
from hub.ids import FeedId

FEED = "testing_records"
PERSON = "张三的来信"


@pytest.mark.parametrize(
    ("sla", "minutes"),
    [
        (Sla(latency_minutes=30, freshness_hours=48), 30),
        (Sla(latency_minutes=180, freshness_hours=2), 120),
        (Sla(freshness_hours=1), 60),
        (Sla(freshness_hours=24 * 60), 12 * 60),
        (Sla(), 12 * 60),
    ],
)
def test_it_is_the_shortest_promise_and_no_more_than_a_task_may_take(sla: Sla, minutes: float) -> None:
    assert deadline.time_of(sla).total_seconds() == minutes * 60
    made = deadline.alert(FeedId(FEED), sla)
    assert made.callback.kwargs == {"feed": FEED, "minutes": minutes}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[deadlines.Late]:
    found: list[deadlines.Late] = []
    monkeypatch.setattr(deadlines, "tell", found.append)
    return found


def missed(**run: Any) -> None:
    deadline.missed({"dag_run": {"dag_run_id": "r", "run_type": "scheduled", "state": "running", **run}}, FEED, 30)


def test_runs_that_hang_wait_or_failed_are_told_and_no_others(told: list[deadlines.Late]) -> None:
    for state in ("running", "queued", "failed"):
        missed(state=state)
    assert [one.state for one in told] == ["running", "queued", "failed"]
    told.clear()
    missed(state="success")
    missed(run_type="backfill")
    missed(run_type="manual", conf={"interval_start": "2026-03-01T00:00:00+08:00"})
    assert told == [], "done meanwhile, or past days, of which nothing is promised"
    missed(run_type="manual", conf={"source": "drop"})
    assert told == [deadlines.Late(FeedId(FEED), "r", 30, "running")]


def test_what_goes_wrong_is_told_by_its_code_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: deadlines.Late) -> None:
        raise ValueError(PERSON)

    monkeypatch.setattr(deadlines, "tell", broken)
    with pytest.raises(RuntimeError) as raised:
        missed()
    assert str(raised.value) == "HUB-BUG-001" and "HUB-BUG-001" in caplog.text
    assert raised.value.__cause__ is None and raised.value.__context__ is None
    assert PERSON not in caplog.text


FIRST, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)


class Asked:
    """An Airflow that knows these runs; None: it does not answer."""

    def __init__(self, *runs: Run, silent: bool = False) -> None:
        self.known = {run.run_id: run for run in runs}
        self.silent = silent

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def find(self, _: str, run_id: str) -> Run | None:
        if self.silent:
            raise AirflowSilent(address="http://x", reason="ConnectError")
        return self.known.get(run_id)

    def runs(self, *_: object) -> list[Run]:
        return list(self.known.values())


def run_of(run_id: str, state: str, start: datetime = FIRST, run_type: str = "scheduled") -> Run:
    return Run("feed_x", run_id, run_type, state, start)


@pytest.mark.parametrize(
    ("airflow", "is_over"),
    [
        (Asked(run_of("mine", "running")), False),
        (Asked(run_of("mine", "failed"), run_of("before", "success")), False),
        (Asked(run_of("mine", "failed"), run_of("past", "success", LATER, "backfill")), False),
        (Asked(run_of("mine", "failed"), run_of("next", "failed", LATER)), False),
        (Asked(run_of("mine", "failed"), run_of("next", "success", LATER)), True),
        (Asked(run_of("mine", "success")), True),
        (Asked(run_of("other", "running")), True),
        (Asked(silent=True), False),
        (None, False),
    ],
    ids=["hangs", "failed", "backfill", "fails on", "next", "done", "gone", "silent", "no account"],
)
def test_an_alarm_is_over_once_airflow_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, airflow: Asked | None, is_over: bool
) -> None:
    over: list[int] = []
    monkeypatch.setattr(deadlines, "open_ones", lambda: [deadlines.OpenDeadline(7, FeedId(FEED), "mine")])
    monkeypatch.setattr(book, "over", lambda number: over.append(number) or [None])
    monkeypatch.setattr("dags.account.airflow", lambda: airflow)
    assert deadline.settle() == len(over) == int(is_over)
    assert (AirflowSilent.code in caplog.text) == bool(airflow and airflow.silent)
