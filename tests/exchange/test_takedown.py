"""A sentence is planted in every store and on the topic; after the takedown it stands in none, and who took it down does."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from contracts import catalogue
from contracts.model import FeedContract
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import tail
from exchange.commands import takedown as command
from exchange.desk import takedown
from exchange.relay import rebase
from hub import log
from hub.settings import settings
from tests.conftest import TestStack
from tests.exchange.sentence import SENTENCE, feed, in_database, in_files, relayed, sent_again
from tests.warehouse.feeds import BY, drop, row
from warehouse import engine, receipt, way
from warehouse.errors import OperatorMissing, RecordUnknown, TakedownRefused
from warehouse.event_schema import schema
from warehouse.quarantine import fixing, replay
from warehouse.takedown import standing, taking

pytestmark = pytest.mark.stack


def planted(agency: Path, unique: str, tmp_path: Path) -> FeedContract:
    """The sentence as delivered, brought again unchanged, replaced, quarantined, corrected and replayed; all of it relayed."""
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    drop(agency, "b.csv", [row(1, note=SENTENCE), row(2), row(3)])
    way.run_feed(one)
    drop(agency, "c.csv", [row(1, note=f"{SENTENCE} again", version=2), row(1, note=SENTENCE, amount="-1", version=3)])
    drop(agency, "d.csv", [row(1, note="plain", amount=f"-{1}", version=4), row(5)])
    batches = [done.batch_id for done in way.run_feed(one)]
    sheet = tmp_path / "rows.csv"
    fixing.export(batches[-1], sheet)
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines
    for line in lines:
        line["amount"], line["note"] = "7.00", f"{SENTENCE} corrected"
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    fixing.fix(one, batches[-1], sheet, editor="Ed", reason="told by the sender")
    replay.replay(one, batches[-1], **BY)
    sheet.unlink()
    return one


def in_heaps(admin: str) -> list[str]:
    """Tables in whose files on the disk the sentence stands, dead rows too."""
    hits = []
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("checkpoint")
        found = conn.execute(
            "select n.nspname || '.' || c.relname, pg_relation_filepath(c.oid) from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 't')"
            " and (n.nspname in ('hub', 'core', 'history') or n.nspname = 'pg_toast' and c.relname !~ '^pg_toast_[0-9]{4}$')"
        ).fetchall()
        for name, path in found:
            (data,) = conn.execute("select pg_read_binary_file(%s, true)", (path,)).fetchone() or (b"",)
            if data and SENTENCE.encode() in data:
                hits.append(name)
    return hits


def in_segments(var: Path, topic: str) -> list[str]:
    # Walked, not globbed: folders of other topics come and go meanwhile, which a walk passes over.
    folders = [
        (folder, files) for folder, _, files in os.walk(var / "kafka") if Path(folder).name.startswith(f"{topic}-")
    ]
    logs = [Path(folder, name) for folder, files in folders for name in files if ".log" in name]
    return [str(path) for path in logs if path.exists() and SENTENCE.encode() in path.read_bytes()]


def test_a_record_goes_from_every_store_and_topic(
    agency: Path, unique: str, tmp_path: Path, stack: TestStack, database_url: str, admin_url: str
) -> None:
    one = planted(agency, unique, tmp_path)
    with pytest.raises(TakedownRefused, match="wait"):
        takedown.take_down(one, "V000001", **BY, cut=True)
    relayed(one)
    sent_again("sample_vouchers:V000001:1", "V000001")
    with pytest.raises(TakedownRefused, match="wait"):
        takedown.take_down(one, "V000001", **BY, cut=True)
    relayed(one)
    var = settings().var
    assert in_files(var) and in_segments(stack.var, one.topic.name)
    assert {
        "core.sample_vouchers",
        "history.sample_vouchers",
        "hub.fix",
        "hub.outbox",
        "hub.quarantine",
        "hub.receipt",
    } <= set(in_database(database_url))
    done, on_topic = takedown.take_down(one, "V000001", **BY, cut=True)
    taking.rewrite(one, full=True)
    assert (done.batches, done.event_id) == (5, f"sample_vouchers:V000001:{done.event_id.rpartition(':')[2]}")
    assert (done.events, in_files(var)) == (1, [])
    assert in_database(database_url) == []
    assert in_heaps(admin_url) == []
    events = list(tail(one.topic.name, 50))
    mine = [event for event in events if event.subject == "V000001"]
    assert [event.type.rpartition(".")[2] for event in mine] == ["withdrawn"] and "record" not in mine[0].data
    assert all(SENTENCE not in json.dumps(event.data, ensure_ascii=False) for event in events)
    assert on_topic.events >= 3 and on_topic.cut
    until = time.monotonic() + 60
    while (left := in_segments(stack.var, one.topic.name)) and time.monotonic() < until:
        time.sleep(1)
    assert left == [], "the log's files are gone from the brokers' disk"
    with engine.connection() as conn:
        noted = conn.exec_driver_sql("select operator, reason, state, feed, record_key from hub.takedown").one()
        assert noted == (*BY.values(), "done", "sample_vouchers", "V000001")
        batch = conn.exec_driver_sql("select batch_id from hub.batch order by batch_no limit 1").scalar_one()
        _, body, _ = receipt.read(conn, batch) or (0, b"", "")
        assert [act["action"] for act in json.loads(body)["acts"]] == ["takedown"]
    # All is sent anew, from the first entry on: what was taken out does not come back, and the lane goes on past it.
    with Cluster() as cluster:
        rebase.apply(cluster, rebase.plan(cluster, one.topic.name, "first"), **BY)
    relayed(one)
    again = list(tail(one.topic.name, 50))[len(events) :]
    mine = [event for event in again if event.subject == "V000001"]
    assert {event.type.rpartition(".")[2] for event in mine} == {"withdrawn"} and len(mine) == on_topic.events + 1
    assert len({event.subject for event in again}) == 4, "the others are sent as they were"
    assert all(SENTENCE not in json.dumps(event.data, ensure_ascii=False) for event in again)
    told = [event.id for event in mine if event.data.get("taken_down")]
    assert told == [done.event_id], "by it alone a restored database orders the takedown again, not where it was lifted"
    promised = Draft7Validator(schema(one, "withdrawn"))
    assert [list(promised.iter_errors(event.data)) for event in mine] == [[]] * len(mine)


def test_what_goes_on_after_it(agency: Path, unique: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2, note="stays")])
    batch = way.run_feed(one)[0].batch_id
    relayed(one)
    with pytest.raises(OperatorMissing):
        takedown.take_down(one, "V000001", operator=" ", reason="x", cut=False)
    with pytest.raises(RecordUnknown):
        takedown.take_down(one, "V999999", **BY, cut=False)
    done, on_topic = takedown.take_down(one, "V000001", **BY, cut=False)
    assert (done.rows, done.files, done.change_sets, done.revisions) == (1, 2, 1, 0)
    assert (on_topic.events, on_topic.cut) == (1, {}), "told that it stays on the topic for its retention"
    again, _ = takedown.take_down(one, "V000001", **BY, cut=False)
    assert (again.event_id, again.files) == (None, 0), "doing it twice changes nothing more"
    assert way.run_feed(one) == []
    rerun = replay.rerun(one, batch, **BY)
    assert (rerun.rows_in, rerun.unchanged, rerun.events) == (1, 1, 0), "what is left of the batch still goes the way"
    drop(agency, "b.csv", [row(1, note="clean", version=2)])
    assert standing.lift(one.id, "V000001", **BY) == [1, 2]
    assert way.run_feed(one)[0].loaded == 1, "a clean record of the key comes in as a later revision"
    relayed(one)
    changes = [event.type.rpartition(".")[2] for event in tail(one.topic.name, 9) if event.subject == "V000001"]
    assert changes[:2] == ["recorded", "withdrawn"] and len(changes) == 3


def test_one_that_died_half_way_is_done_again(agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)

    def dies(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(taking, "_core", dies)
        with pytest.raises(KeyboardInterrupt):
            takedown.take_down(one, "V000001", **BY, cut=False)
    done, _ = takedown.take_down(one, "V000001", **BY, cut=False)
    assert done.event_id is not None and in_files(settings().var) == []
    with engine.connection() as conn:
        assert conn.exec_driver_sql("select count(*), min(state) from hub.takedown").one() == (1, "done")
    assert replay.rerun(one, _only_batch(), **BY).unchanged == 1, "hashes on record are those of the files"


def _only_batch() -> Any:
    with engine.connection() as conn:
        return conn.exec_driver_sql("select batch_id from hub.batch").scalar_one()


def test_the_command(agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    monkeypatch.setattr(catalogue, "load_one", lambda _: one)
    log.configure("error")
    signed = ["--operator", BY["operator"], "--reason", BY["reason"], "--json"]
    result = CliRunner().invoke(command.app, ["order", "sample_vouchers", "V000001", *signed])
    assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    assert told["on_topic"]["events"] == 1 and SENTENCE not in result.output
