"""A takedown stands against what is sent later until it is lifted; one that was killed is gone on with, and tells until then."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.checks import explain
from exchange.alarms import book
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import tail
from exchange.commands import takedown as command
from exchange.desk import takedown
from hub import crash, log
from hub.settings import settings
from tests.crash.forking import in_child
from tests.exchange.firing import on_disk
from tests.exchange.sentence import SENTENCE, feed, in_database, in_files, relayed
from tests.warehouse.feeds import BY, drop, row, rows
from warehouse import engine, refusals, way
from warehouse.errors import FixInvalid, TakedownNotStanding
from warehouse.quarantine import fixing, replay
from warehouse.takedown import standing, taking

pytestmark = pytest.mark.stack
KEY = "V000001"


def sql(statement: str) -> list[Any]:
    with engine.connection() as conn:
        return [tuple(one) for one in conn.exec_driver_sql(statement)]


def test_what_is_sent_again_is_refused_until_it_is_lifted(agency: Path, unique: str, database_url: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    takedown.take_down(one, KEY, **BY, cut=False)
    again = drop(
        agency, "b.csv", [row(3), row(1, note=SENTENCE, amount="-1"), row(1, note=SENTENCE, version=9), row(4)]
    )
    (done,) = way.run_feed(one)
    again.unlink()
    assert (done.rows_in, done.loaded, done.quarantined, done.refused) == (4, 2, 0, 2)
    assert in_files(settings().var) == [] and in_database(database_url) == [], "nothing of it lies anywhere"
    with engine.connection() as conn:
        found = refusals.of_batch(conn, done.batch_id)
    assert [(each["row"], each["rule"]) for each in found] == [(2, "_takedown.1"), (3, "_takedown.1")]
    assert sql("select hub_withdrawn, note from core.sample_vouchers where hub_key = 'V000001'") == [(True, None)]
    for lang, word in (("en", "takedown 1"), ("zh", "撤下编号 1")):
        assert word in explain(one, "_takedown.1", lang).sentence  # type: ignore[arg-type]
    assert standing.lift(one.id, KEY, **BY) == [1]
    with pytest.raises(TakedownNotStanding):
        standing.lift(one.id, KEY, **BY)
    drop(agency, "c.csv", [row(1, note="clean")])
    assert way.run_feed(one)[0].loaded == 1, "the version it had is no reason to keep it out"
    assert sql("select operator, reason from hub.act where action = 'lift'") == [tuple(BY.values())]


def test_a_row_that_can_not_be_split_is_known_by_its_text(agency: Path, unique: str, database_url: str) -> None:
    one = feed(unique)

    def sent(name: str, *more: str) -> Path:
        path = drop(agency, name, [row(1, note=SENTENCE), row(2)] if name == "a.csv" else [row(3)])
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in more))
        return path

    # What came before goes with the order, also where its page is gone; another record's row stays.
    sent("a.csv", f"V000001,P1,1,2,3,4,5,6,{SENTENCE}", "V000002,P1,1,2,3,4,5,6,another")
    (first,) = way.run_feed(one)
    assert first.quarantined == 2
    relayed(one)
    takedown.take_down(one, KEY, **BY, cut=False)
    assert in_files(settings().var) == [] and in_database(database_url) == []
    assert [tuple(each) for each in sql("select row_no, state from hub.quarantine")] == [(4, "open")]
    again = sent(
        "b.csv", f"x,Ｖ０００ ００１,{SENTENCE},4,5,6,7,8", f"V0000010,{SENTENCE[:4]},3,4,5,6,7,8,9", "only,three,cells"
    )
    (done,) = way.run_feed(one)
    again.unlink()
    assert (done.rows_in, done.loaded, done.quarantined, done.refused) == (4, 1, 2, 1)
    assert in_files(settings().var) == [] and in_database(database_url) == [], "nothing of it lies anywhere"
    with engine.connection() as conn:
        found = refusals.of_batch(conn, done.batch_id)
    assert [(each["row"], each["rule"]) for each in found] == [(2, "_takedown.1")]


def test_no_correction_and_no_rerun_brings_it_back(agency: Path, unique: str, tmp_path: Path) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1), row(2, amount="-2")])
    batch = way.run_feed(one)[0].batch_id
    relayed(one)
    takedown.take_down(one, KEY, **BY, cut=False)
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    lines[0] |= {"number": KEY, "amount": "2"}
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    with pytest.raises(FixInvalid, match=r"_takedown\.1"):
        fixing.fix(one, batch, sheet, editor="Ed", reason="told by the sender")
    assert replay.rerun(one, batch, **BY).refused == 0, "what landed no longer holds it"


def test_a_feed_without_takedowns_reads_no_key_twice(
    agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = feed(unique)
    monkeypatch.setattr(standing.Standing, "refused", lambda *_: pytest.fail("looked at rows"))
    drop(agency, "a.csv", rows(3))
    assert way.run_feed(one)[0].loaded == 3


@pytest.mark.crash
@pytest.mark.parametrize("point", crash.TAKEDOWN_POINTS)
def test_one_that_was_killed_tells_and_is_gone_on_with(agency: Path, unique: str, point: str) -> None:
    """SIGKILL at each step: an alarm says so, the record is refused meanwhile, and upkeep ends it with the topic as it was."""
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    (done,) = way.run_feed(one)
    relayed(one)
    page = settings().data_docs_dir / one.id / f"{done.batch_id}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<td>{SENTENCE}</td>", encoding="utf-8")

    def order() -> None:
        takedown.take_down(one, KEY, **BY, cut=True)

    engine.dispose()
    assert in_child(order, crash_at=point) == -signal.SIGKILL
    with Cluster() as cluster:
        rolls = point in ("takedown.rolling", "takedown.cut")
        assert (cluster.config(one.topic.name).get("segment.ms") == "1") is rolls
        told = [notice for notice in book.look(on_disk(one)) if notice.kind == "takedown"]
        assert [(notice.object, notice.change) for notice in told] == [(one.id, "raised")]
        drop(agency, "b.csv", [row(1, note=SENTENCE, version=2)])
        assert way.run_feed(one)[0].refused == 1, "it stands from the first step on"
        (agency / "b.csv").unlink()
        with pytest.raises(TakedownNotStanding):
            standing.lift(one.id, KEY, **BY)
        with engine.holding("takedown", one.id):
            assert takedown.take_up([one]) == [], "where somebody is at it nobody else goes on"
            assert book.look(on_disk(one))[0].change == "cleared", "and nothing is amiss"
        assert takedown.take_up([one]) == [1]
        assert "segment.ms" not in cluster.config(one.topic.name)
    assert sql("select state, operator, (facts ->> 'event_id') is not null from hub.takedown") == [
        ("done", BY["operator"], True)
    ]
    assert in_files(settings().var) == []
    mine = [event for event in tail(one.topic.name, 9) if event.subject == KEY]
    assert [event.type.rpartition(".")[2] for event in mine] == ["withdrawn"], (
        "cut as ordered; the withdrawal is told once"
    )
    assert book.look(on_disk(one)) == [] and takedown.take_up([one]) == []


def test_to_cut_the_topic_later_leaves_the_withdrawal(agency: Path, unique: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    first, _ = takedown.take_down(one, KEY, **BY, cut=False)
    _, on_topic = takedown.take_down(one, KEY, **BY, cut=True)
    mine = [event for event in tail(one.topic.name, 9) if event.subject == KEY]
    assert on_topic.cut and [event.id for event in mine] == [first.event_id] == [taking.withdrawal_of(one, KEY)]


def test_the_commands(agency: Path, unique: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    takedown.take_down(one, KEY, **BY, cut=False)
    log.configure("error")

    def told(*words: str) -> Any:
        result = CliRunner().invoke(command.app, [*words, "--json"])
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    (listed,) = told("list")
    assert (listed["key"], listed["state"], listed["operator"]) == (KEY, "done", BY["operator"])
    assert told("list", "--feed", "other") == []
    assert told("lift", one.id, KEY, "--operator", "Op Two", "--reason", "asked for")["lifted"] == [1]
    assert told("list") == []
    assert "Op Two: asked for" in told("list", "--all")[0]["lifted"]
