"""The deadline of a run: from which promise it comes, of which runs it is told, and what becomes of a callback that fails."""

from __future__ import annotations

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


class Asked:
    """An Airflow that knows these runs."""

    def __init__(self, states: dict[str, str] | None) -> None:
        self.states = states

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def find(self, dag_id: str, run_id: str) -> Run | None:
        if self.states is None:
            raise AirflowSilent(address="http://x", reason="ConnectError")
        state = self.states.get(run_id)
        return Run(dag_id, run_id, "scheduled", state) if state else None


def test_alarms_of_runs_that_are_done_or_unknown_are_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    over: list[int] = []
    waiting = [
        deadlines.OpenDeadline(number, FeedId(FEED), run) for number, run in enumerate(("hung", "bad", "done", "gone"))
    ]
    monkeypatch.setattr(deadlines, "open_ones", lambda: waiting)
    monkeypatch.setattr(book, "over", lambda number: over.append(number) or [None])
    asked = Asked({"hung": "running", "bad": "failed", "done": "success"})
    monkeypatch.setattr("dags.account.airflow", lambda: asked)
    assert deadline.settle() == 2 and over == [2, 3]
    for silent in (Asked(None), None):
        monkeypatch.setattr("dags.account.airflow", lambda silent=silent: silent)
        assert deadline.settle() == 0, "nobody can be asked: they stay"
    assert AirflowSilent.code in caplog.text
