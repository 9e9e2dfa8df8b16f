"""What a takedown may not leave behind: hashes to guess from, documents, copies under other batches, an order half forgotten."""

from __future__ import annotations

import hashlib
import html
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from contracts.model import FieldSpec
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import tail
from exchange.desk import dead_cases, takedown
from hub.settings import settings
from tests.crash.forking import in_child
from tests.exchange.sentence import SENTENCE, feed, in_database, in_files, relayed, sent_again
from tests.warehouse.feeds import BY, HEADERS, drop, row
from warehouse import engine, way
from warehouse.event_schema import schema
from warehouse.store import store
from warehouse.takedown import standing

pytestmark = pytest.mark.stack
KEY = "V000001"


def sql(statement: str) -> list[Any]:
    with engine.transaction() as conn:
        result = conn.exec_driver_sql(statement)
        return [tuple(one) for one in result] if result.returns_rows else []


def test_no_hash_no_document_no_other_batch_tells_what_it_was(agency: Path, unique: str, database_url: str) -> None:
    one = feed(unique)
    note = f"{SENTENCE} <&>"
    drop(agency, "a.csv", [row(1, note=note), row(2)])
    drop(agency, "b.csv", [row(3)])
    first, second = (done.batch_id for done in way.run_feed(one))
    relayed(one)
    docs = settings().data_docs_dir / one.id
    docs.mkdir(parents=True, exist_ok=True)
    (docs / f"{first}.html").write_text(f"<td>{html.escape(note)}</td>", encoding="utf-8")
    (docs / f"{second}.html").write_text("<td>V000003</td>", encoding="utf-8")
    # The same bytes are kept for another batch too, as of a delivery that makes several.
    sql(
        "insert into hub.landed_object (batch_id, kind, ordinal, path, sha256, bytes, rows)"
        f" select '{second}', kind, 99, path, sha256, bytes, rows from hub.landed_object"
        f" where batch_id = '{first}' and kind = 'original'"
    )
    query = f"select hub_hash from core.sample_vouchers where hub_key = '{KEY}'"
    ((was,),) = sql(query)
    done, _ = takedown.take_down(one, KEY, **BY, cut=False)
    assert in_files(settings().var) == [] and in_database(database_url) == []
    assert (done.documents, [path.name for path in docs.iterdir()]) == (1, [f"{second}.html"]), "others stay"
    ((now,),) = sql(query)
    told = {event.data["record_hash"] for event in tail(one.topic.name, 9) if event.type.endswith(".withdrawn")}
    guessed = {bytes(was).hex(), hashlib.sha256(bytes(was)).hexdigest()}
    assert len(told) == 1 and not guessed & {bytes(now).hex(), *told}, "of a short record the hash tells what it was"
    kept = sql("select path from hub.landed_object where kind = 'original' and purged_at is null")
    assert len(kept) == 1 and all(store().path(path).is_file() for (path,) in kept)
    versions = sql(f"select version from hub.receipt where batch_id = '{first}' order by version")
    assert versions == [(1,), (2,)] and done.receipts == 0, "a receipt that quotes nothing stays"


def test_a_record_that_its_source_withdrew_goes_too(agency: Path, unique: str, database_url: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1), row(2)])
    drop(agency, "b.csv", [row(1, note=SENTENCE, version=2, status="void")])
    way.run_feed(one)
    relayed(one)
    assert sql("select hub_withdrawn from core.sample_vouchers where note is not null order by hub_key")[0] == (True,)
    takedown.take_down(one, KEY, **BY, cut=False)
    assert in_files(settings().var) == [] and in_database(database_url) == []


def test_the_withdrawal_of_a_reference_says_where_to_ask(agency: Path, unique: str) -> None:
    one = replace(feed(unique), publish="reference")
    drop(agency, "a.csv", [row(1), row(2)])
    way.run_feed(one)
    relayed(one)
    takedown.take_down(one, KEY, **BY, cut=False)
    told = [event.data for event in tail(one.topic.name, 10) if event.subject == KEY]
    assert [data["change"] for data in told] == ["recorded", "withdrawn"]
    for data in told:
        Draft7Validator(schema(one, data["change"])).validate(data)
    assert {data["ask"] for data in told} == {f"/v1/feeds/sample_vouchers/records/{KEY}"}


def test_what_waits_in_quarantine_is_found_where_its_page_is_gone(agency: Path, unique: str, database_url: str) -> None:
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE, amount="-1"), row(2)])
    way.run_feed(one)
    relayed(one)
    for (path,) in sql("update hub.landed_object set purged_at = now() where kind <> 'manifest' returning path"):
        store().delete(path)
    done, _ = takedown.take_down(one, KEY, **BY, cut=False)
    assert (done.quarantined, done.rows, in_database(database_url)) == (1, 1, [])


def test_pages_are_read_by_the_contract_of_their_time(agency: Path, unique: str) -> None:
    """Under today's, which expects another header, nobody could tell what stands in them."""
    base = feed(unique)
    then, now = (
        replace(
            base, version=version, sha256=version[0] * 64, fields=tuple(_headed(spec, header) for spec in base.fields)
        )
        for version, header in (("1.0.0", "编号"), ("2.0.0", "No."))
    )
    headers = ["编号", *HEADERS[1:]]
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)], headers)
    drop(agency, "b.csv", [row(1, note=SENTENCE), row(3)], headers)
    way.run_feed(then)
    relayed(then)
    done, _ = takedown.take_down(now, KEY, **BY, cut=False)
    assert (done.batches, in_files(settings().var)) == (2, []), "the second brought nothing new: only its page tells"


def _headed(spec: FieldSpec, header: str) -> FieldSpec:
    return replace(spec, source_name=header) if spec.name == "number" else spec


def test_a_dead_letter_that_is_being_sent_again_is_waited_for(
    agency: Path, unique: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event was read before it was emptied, and is handed over after it."""
    one = feed(unique)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    append, orders = dead_cases.append_event, list[threading.Thread]()

    def late(*given: Any, **more: Any) -> int:
        orders.append(threading.Thread(target=lambda: takedown.take_down(one, KEY, **BY, cut=False)))
        orders[0].start()
        blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while orders[0].is_alive() and not sql(blocked):
            orders[0].join(0.02)
        return append(*given, **more)

    monkeypatch.setattr(dead_cases, "append_event", late)
    sent_again(f"{one.id}:{KEY}:1", KEY)
    orders[0].join(60)
    assert not orders[0].is_alive() and in_database(database_url) == []
    changes = [event.type.rpartition(".")[2] for event in tail(one.topic.name, 9) if event.subject == KEY]
    assert changes == ["recorded", "withdrawn", "withdrawn"]


@pytest.mark.crash
def test_the_extent_of_an_order_outlives_whoever_goes_on_with_it(
    agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordered with a cut and killed, ordered again without and killed: it is cut, once its withdrawal lies on the topic."""
    base = feed(unique)
    one = replace(base, topic=replace(base.topic, config={"segment.ms": "600000"}))
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    relayed(one)
    for point, cut in (("takedown.begun", True), ("takedown.stored", False)):
        engine.dispose()
        assert in_child(lambda cut=cut: takedown.take_down(one, KEY, **BY, cut=cut), crash_at=point) == -signal.SIGKILL
    with monkeypatch.context() as hasty, engine.holding("relay", one.topic.name):
        hasty.setattr(takedown, "PATIENCE_SECONDS", 0.3)
        assert takedown.take_up([one]) == [], "nobody sent the withdrawal: it is not done"
        with engine.connection() as conn:
            assert [left.state for left in standing.unfinished(conn)] == ["stored"]
    assert takedown.take_up([one]) == [1]
    mine = [event.type.rpartition(".")[2] for event in tail(one.topic.name, 9) if event.subject == KEY]
    assert mine == ["withdrawn"]
    with Cluster() as cluster:
        assert cluster.config(one.topic.name)["segment.ms"] == "600000", "the contract's own"
