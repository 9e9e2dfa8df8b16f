"""Dead letters: listed, explained, sent again under their own id, or closed; each by a named person."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.model import Sla
from exchange.brokers.cluster import Cluster
from exchange.commands import topic
from exchange.desk import dead_cases
from exchange.errors import DeadLetterGone, DeadLetterSettled, DeadLetterUnknown
from exchange.relay import rebase
from exchange.relay.serve import drain
from hub import log
from tests.subscribers.conftest import Office
from tests.warehouse.feeds import row, rows
from tests.warehouse.keeping import after
from warehouse.engine import transaction
from warehouse.errors import OperatorMissing
from warehouse.outbox import ensure_topic
from warehouse.store import store

pytestmark = pytest.mark.stack

BY = ["--operator", "demo-operator", "--reason", "上限已调高"]
NOBODY = ("--operator", " ", "--reason", "x")
LARGE = "".join(random.Random(7).choices(string.ascii_letters, k=60_000))  # lz4 makes it no smaller


def limit(office: Office, most: int) -> None:
    """Sets the topic's largest record, as a changed contract does."""
    spec = replace(office.contract.topic, config={"max.message.bytes": str(most)})
    office.contract = replace(office.contract, topic=spec)
    with transaction() as conn:
        ensure_topic(conn, spec, None)


def ran(*words: str) -> Any:
    log.configure("warning")  # as the shell does: the log goes to stderr, never between the JSON
    result = CliRunner().invoke(topic.app, ["dead", *words, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refused(*words: str) -> BaseException | None:
    return CliRunner().invoke(topic.app, ["dead", *words]).exception


@pytest.fixture
def poisoned(office: Office) -> Office:
    """One record of the second delivery is larger than its topic takes; a later revision of it went out."""
    office.load(rows(30))
    limit(office, 10_000)
    office.relay()  # makes the topic, and sets it
    office.load([row(7, version="2", note=LARGE), row(8, version="2")])
    office.relay()
    office.load([row(7, version="3", note="small again"), row(9, version="2")])
    office.relay()
    return office


def test_a_dead_letter_is_listed_and_explained(poisoned: Office) -> None:
    (listed,) = ran("list", "--topic", poisoned.topic)
    assert (listed["event_id"], listed["state"]) == ("sample_vouchers:V000007:2", "open")
    assert (listed["revision"], listed["overtaken"]) == (2, 3)
    shown = ran("show", listed["event_id"])
    assert (shown["topic"], shown["record_key"], shown["feed"]) == (poisoned.topic, "V000007", "sample_vouchers")
    assert "TOO_LARGE" in shown["code"]
    assert "max.message.bytes" in shown["remedy_en"]
    assert "max.message.bytes" in shown["remedy_zh"]
    assert shown["delivery"].endswith("d00002.csv")
    assert (shown["bytes"] > 60_000, shown["lost"], shown["acts"]) == (True, None, [])
    assert "data" not in shown
    assert ran("show", listed["event_id"], "--data")["data"]["record"]["note"] == LARGE
    told = CliRunner().invoke(topic.app, ["dead", "show", listed["event_id"]]).output
    assert "记录大小" in told
    assert LARGE[:50] not in told
    assert isinstance(refused("show", "no:such:1"), DeadLetterUnknown)


def test_it_is_sent_again_under_its_own_id_and_closes_the_gap(poisoned: Office) -> None:
    event_id = "sample_vouchers:V000007:2"
    assert [event["revision"] for event in poisoned.read() if event["key"] == "V000007"] == [1, 3]
    assert isinstance(refused("replay", event_id, *NOBODY), OperatorMissing)
    # Not mended yet: refused again, open again.
    ran("replay", event_id, *BY)
    assert ran("list") == []
    poisoned.relay()
    (again,) = ran("list")
    assert (again["event_id"], again["state"]) == (event_id, "open")
    limit(poisoned, 1_000_000)
    before = len(poisoned.read())
    assert ran("replay", "--topic", poisoned.topic, *BY) == {"replayed": [event_id]}
    assert isinstance(refused("replay", event_id, *BY), DeadLetterSettled)
    poisoned.relay()
    events = poisoned.read()
    assert len(events) == before + 1
    (sent,) = [event for event in events if event["id"] == event_id]
    assert (sent["record"]["note"], sent["record"]["amount"], sent["change"]) == (LARGE, "7.50", "corrected")
    revisions = [event["revision"] for event in events if event["key"] == "V000007"]
    assert revisions == [1, 3, 2]
    assert ran("list") == []
    (settled,) = ran("list", "--all")
    assert settled["state"] == "replayed"
    acts = ran("show", event_id)["acts"]
    assert [(did["action"], did["operator"], did["reason"]) for did in acts] == [("replay", *BY[1::2])] * 2
    for words in ([], [event_id, "--topic", poisoned.topic]):
        assert CliRunner().invoke(topic.app, ["dead", "replay", *words, *BY]).exit_code == 2
    # What was handed to the outbox again goes with it, and nobody takes it for something that could still be sent.
    kept = replace(poisoned.contract, sla=Sla(retention_days={"outbox": 30}))
    assert (after(29, kept).events, after(31, kept).events, after(31, kept).events) == (0, 2, 0)
    with transaction() as conn:
        found = conn.exec_driver_sql("select seq, event from hub.outbox where kind = 'event' order by seq").all()
    assert [one.event for one in found] == [{"key": None, "headers": {"ce_id": event_id}, "data": None}] * 2
    with Cluster() as cluster:
        assert rebase.plan(cluster, poisoned.topic, "first").events == 0
        rebase.apply(cluster, rebase.plan(cluster, poisoned.topic, f"{found[1].seq}:0"), "demo-operator", "test")
    (stopped,) = drain([poisoned.topic], now=poisoned.now)
    assert stopped.error is not None and stopped.error.code == "HUB-EXC-025" and "retention" in str(stopped.error)


def test_one_that_nobody_needs_is_closed_and_one_that_is_gone_says_so(poisoned: Office) -> None:
    event_id = "sample_vouchers:V000007:2"
    with transaction() as conn:
        (path,) = conn.exec_driver_sql(
            "select o.path from hub.outbox o join hub.dead_letter d on o.lane = d.lane and o.seq = d.seq"
        ).one()
    store().delete(path)
    with pytest.raises(DeadLetterGone):
        dead_cases.event(event_id)
    assert "retention" in ran("show", event_id)["lost"]
    assert isinstance(refused("replay", event_id, *BY), DeadLetterGone)
    assert [one["state"] for one in ran("list")] == ["open"]
    assert isinstance(refused("close", event_id, *NOBODY), OperatorMissing)
    assert ran("close", event_id, *BY) == {"closed": event_id}
    assert ran("list") == []
    told = CliRunner().invoke(topic.app, ["dead", "list"]).stdout
    assert "no dead letter waits" in told and "没有待处理的死信" in told
    assert isinstance(refused("close", event_id, *BY), DeadLetterSettled)
    assert isinstance(refused("close", "no:such:1", *BY), DeadLetterUnknown)
    poisoned.relay()
    assert [event["revision"] for event in poisoned.read() if event["key"] == "V000007"] == [1, 3]
