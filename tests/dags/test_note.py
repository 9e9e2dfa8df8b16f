"""A run's note: what it tells of a run, and what it never tells."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import FileEmpty, PlaceUnknown
from contracts.page import BatchVerdict
from dags import account, note
from dags.carry import passing
from dags.errors import AirflowSilent, DeliveriesUnreadable, TaskTooLong
from exchange.errors import PublicationLate
from hub.errors import HubException
from hub.ids import BatchId, FeedId, RuleId, new_batch_id
from hub.said import Said
from warehouse.batches import BatchOutcome

PERSON, CITIZEN = "张三的来信", "11010519491231002X"
LOADED = BatchOutcome(
    batch_id=new_batch_id(),
    feed=FeedId("testing_records"),
    state="loaded",
    rows_in=1200,
    loaded=1190,
    unchanged=3,
    quarantined=5,
    refused=2,
    quarantined_by_rule={RuleId("amount.range"): 1, RuleId("unit.uscc"): 4},
    events=1190,
    source="monthly_csv",
    delivery=f"{PERSON}{CITIZEN}.csv",
)
VOLUME = BatchVerdict(RuleId("batch.rows"), "row_count", False, True, "error", "2", "5")
HELD = replace(LOADED, batch_id=new_batch_id(), state="held", loaded=0, quarantined=1198, verdicts=(VOLUME,))
CLEAN = replace(LOADED, batch_id=new_batch_id(), quarantined=0, quarantined_by_rule={}, loaded=1195)
UNREADABLE = replace(
    LOADED,
    batch_id=new_batch_id(),
    state="refused",
    error={"code": "HUB-CON-004", "error": f"{PERSON} can't be read", "error_zh": PERSON},
)


def told(*outcomes: BatchOutcome, error: HubException | None = None, again: bool = False) -> str:
    return note.of_run(outcomes, error, again)


def test_a_loaded_run_tells_its_counts_the_rules_broken_and_the_receipt() -> None:
    text = told(CLEAN, LOADED)
    assert text.startswith("**loaded 已入库**")
    for count in ("rows 行 2,400", "loaded 入库 2,385", "unchanged 未变 6", "quarantined 隔离 5", "refused 拒收 4"):
        assert count in text
    assert "`unit.uscc` 4, `amount.range` 1" in text, "the rule of most rows comes first"
    assert f"`hub quarantine list --batch {LOADED.batch_id}`" in text
    assert text.index(str(LOADED.batch_id)) < text.index(str(CLEAN.batch_id)), "what needs somebody comes first"
    for one in (LOADED, CLEAN):
        assert f"`hub batch receipt {one.batch_id}`" in text


def test_a_held_run_says_that_a_person_decides_and_by_which_rule() -> None:
    text = told(HELD)
    assert text.startswith("**held 已挂起**")
    assert "`batch.rows`" in text and f"`hub batch show {HELD.batch_id}`" in text


def test_a_failed_run_says_code_sentence_and_remedy_in_both_languages() -> None:
    error = PlaceUnknown(place="county_drop", feed="testing_records", source="monthly_csv")
    text = told(LOADED, error=error)
    assert text.startswith(f"**failed 失败** `{error.code} [{error.side}]`")
    for said in (error.sentence(), error.sentence("zh")):
        assert said[:90] in text
    assert "loaded 入库 1,190" in text, "and what came in before it failed"
    assert told(error=AirflowSilent(address="a", reason="b"), again=True).startswith("**tried again 将重试**")


def test_a_run_that_was_loaded_and_not_published_says_both() -> None:
    figures = {"batches": [str(LOADED.batch_id)], "rows_in": 1200, "loaded": 1190, "events": 1190}
    text = note.of_figures(figures, PublicationLate(waiting=1, batches=1, seconds=120), again=False)
    assert PublicationLate.code in text and "loaded 入库 1,190" in text
    assert f"`hub batch show {LOADED.batch_id}`" in text


def test_nothing_new_is_said_so() -> None:
    assert told().startswith("**nothing new 没有新数据**")
    assert note.of_run([], None, paused=True).startswith("**paused 已暂停**")
    assert told(replace(CLEAN, repeated=True)) == "**nothing new 没有新数据** (1 met before 此前已接收)"


def test_no_name_of_a_delivery_stands_in_it() -> None:
    first = Said(f"{PERSON}{CITIZEN}.csv: HUB-CON-004 can't be read", f"{PERSON}: HUB-CON-004")
    error = DeliveriesUnreadable(source="monthly_csv", count=2, first=first, first_code="HUB-CON-004")
    text = told(LOADED, HELD, UNREADABLE, error=error)
    assert "HUB-CON-004" in text and DeliveriesUnreadable.code in text
    assert PERSON not in text and CITIZEN not in text
    empty = FileEmpty(file=f"{PERSON}.csv")
    assert PERSON not in told(error=empty) and FileEmpty.code in told(error=empty)


@given(st.text(max_size=400), st.lists(st.text(max_size=80), max_size=12), st.integers(0, 10**12))
def test_airflow_takes_it_and_shows_what_came_from_elsewhere_as_it_is(text: str, rules: list[str], rows: int) -> None:
    hostile = f"[click](https://evil.example) **x** {text}"
    by_rule = {RuleId(f"{rule} `](x)"): rows for rule in rules}
    many = [
        replace(LOADED, batch_id=BatchId(f"b{number}"), source=hostile, quarantined_by_rule=by_rule, rows_in=rows)
        for number in range(9)
    ]
    for made in (told(*many, error=PlaceUnknown(place=hostile, feed=hostile, source=hostile)), told(*many)):
        assert len(made) <= note.MOST
        assert made.count("`") % 2 == 0
        outside = "".join(made.split("`")[::2])
        assert "](" not in outside and "evil" not in outside
        assert "more 另有" in made, "what finds no room is counted"


def test_a_passing_error_is_tried_again_while_tries_are_left() -> None:
    def run(number: int) -> Any:
        return {"ti": SimpleNamespace(try_number=number, max_tries=2)}

    late = TaskTooLong(task="carry")
    assert [passing(run(number), late) for number in (1, 2, 3)] == [True, True, False]
    assert not passing(run(1), PlaceUnknown(place="x", feed="y", source="z")) and not passing(run(1), None)


def test_whatever_goes_wrong_with_a_note_does_not_reach_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise ValueError(PERSON)

    class Session:
        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def put_note(self, *_: str) -> None:
            raise AirflowSilent(address="http://x", reason="ConnectError")

    run = {"dag_run": SimpleNamespace(dag_id="d", run_id="r")}
    monkeypatch.setattr(account, "airflow", Session)
    note.put(run, lambda: "x")
    assert AirflowSilent.code in caplog.text
    note.put(run, broken)
    note.put({}, lambda: "x")
    assert "ValueError" in caplog.text and PERSON not in caplog.text
    monkeypatch.setattr(account, "airflow", lambda: None)
    note.put(run, broken)
