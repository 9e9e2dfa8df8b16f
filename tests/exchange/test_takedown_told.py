"""What is told of a takedown: the order's own words, and the record's story with the withdrawal where subscribers find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts import catalogue
from exchange.commands import takedown as command
from exchange.commands import trace
from hub import clock, log
from tests.exchange.sentence import SENTENCE, feed, relayed, sent_again
from tests.warehouse.feeds import BY, drop, row
from warehouse import way
from warehouse.engine import connection
from warehouse.takedown import standing

pytestmark = pytest.mark.stack

KEY = "V000001"
SIGNED = ("--operator", BY["operator"], "--reason", BY["reason"])


def said(app: Any, *words: str) -> str:
    log.configure("error")
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)
    assert SENTENCE not in result.output
    return result.stdout


def test_a_takedown_tells_where_its_withdrawal_lies(agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = feed(unique)
    monkeypatch.setattr(catalogue, "load_one", lambda _: one)
    drop(agency, "a.csv", [row(1, note=SENTENCE), row(2)])
    way.run_feed(one)
    drop(agency, "b.csv", [row(1, note=f"{SENTENCE} again", version=2)])
    way.run_feed(one)
    relayed(one)
    sent_again(f"{one.id}:{KEY}:1", KEY)
    relayed(one)

    ordered = said(command.app, "order", one.id, KEY, *SIGNED)
    assert "withdrawal sent: event" in ordered and "撤回事件已发送" in ordered
    for name in ("old revisions", "events in outbox", "Data Docs", "隔离行"):
        assert name in ordered

    (story,) = json.loads(said(trace.app, KEY, "--json"))
    own = [event for event in story["events"] if event["takedown"] is not None]
    assert len(own) == 1 and own[0]["change"] == "withdrawn" and not own[0]["emptied"]
    place = f"{one.topic.name} partition {own[0]['partition']} offset {own[0]['offset']}"
    assert own[0]["offset"] is not None
    assert f"withdrawal sent: event {own[0]['event_id']} on {place}" in ordered, "both tell the same place"
    earlier = [event for event in story["events"] if event["takedown"] is None]
    told = [(event["revision"], event["change"], event["sent_again"], event["emptied"]) for event in earlier]
    assert (1, "recorded", True, True) in told and (2, "corrected", False, True) in told, told
    assert not [event for event in earlier if event["change"] == "withdrawn"], "what was recorded is not relabelled"

    lines = said(trace.app, KEY)
    (number,) = {event["takedown"] for event in own}
    assert f"event {own[0]['event_id']} (withdrawn: the withdrawal of takedown {number}) on {place}" in lines
    assert f"taken down by {BY['operator']}: takedown {number} ({BY['reason']})" in lines
    assert f"withdrawn, as revision {own[0]['revision']} by takedown {number}" in lines
    assert "(recorded" in lines and "emptied here by a takedown since" in lines

    listed = said(command.app, "list")
    (since,) = [entry.begun_at for entry in _all()]
    assert f"{clock.shown(since)}+08" in listed
    standing.lift(one.id, KEY, **BY)
    assert f"takedown {number} lifted by {BY['operator']} ({BY['reason']})" in said(trace.app, KEY)
    assert "+08 Op One: checked with the sender" in said(command.app, "list", "--all")


def test_a_record_that_never_was_loaded_is_withdrawn_from_nobody(
    agency: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = feed(unique)
    monkeypatch.setattr(catalogue, "load_one", lambda _: one)
    drop(agency, "a.csv", [row(1, note=SENTENCE, amount="-1"), row(2)])
    way.run_feed(one)
    relayed(one)
    ordered = said(command.app, "order", one.id, KEY, *SIGNED)
    assert "no withdrawal: the record was never loaded" in ordered and "无撤回事件" in ordered
    assert "taken down by" in said(trace.app, KEY)


def _all() -> list[standing.TakedownRow]:
    with connection() as conn:
        return standing.listed(conn, every=True)
