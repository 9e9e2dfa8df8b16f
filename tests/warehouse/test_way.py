"""The whole way of a small feed, on real parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows
from warehouse import way
from warehouse.quarantine import replay

pytestmark = pytest.mark.stack


def test_a_file_goes_the_whole_way(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [*rows(2500), row(9001, amount="-1"), row(9002, amount="x"), row(9003, note="秘密")])
    done = way.run_feed(contract())
    assert len(done) == 1
    outcome = done[0]
    assert (outcome.state, outcome.rows_in, outcome.loaded) == ("loaded", 2503, 2500)
    assert (outcome.unchanged, outcome.quarantined, outcome.refused, outcome.events) == (0, 2, 1, 2500)
    assert outcome.quarantined_by_rule == {"amount.range": 1, "amount.type": 1}
    assert hub.value("select count(*) from core.sample_vouchers") == 2500
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000007'") == "7.50"
    events = hub.events()
    assert [event["event_id"] for event in events[:2]] == ["sample_vouchers:V000001:1", "sample_vouchers:V000002:1"]
    assert len({event["event_id"] for event in events}) == 2500
    data = json.loads(events[0]["data"])
    assert data["record"]["amount"] == "1.50" and data["record"]["paid_on"] == "2026-01-31"
    assert data["change"] == "recorded" and data["revision"] == 1 and data["row"] == 1
    assert events[0]["key"] == "P1"
    # The same folder again: the file is known, so nothing happens.
    assert way.run_feed(contract()) == []
    assert hub.value("select count(*) from hub.batch") == 1


def test_a_look_is_noted_also_where_nothing_lies(hub: Hub) -> None:
    """ "Looked, nothing there" is not "never looked"; only what is new makes a feed fresh."""

    def looked() -> Any:
        return hub.one("select looked_at, found_at, empty_looks from hub.source_look")

    assert hub.all("select feed from hub.source_look") == []
    assert way.run_feed(contract()) == []
    first = looked()
    assert (first.found_at, first.empty_looks) == (None, 1)
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-1")])
    (done,) = way.run_feed(contract())
    found = looked()
    assert found.found_at is not None and (found.found_at, found.empty_looks) == (found.looked_at, 0)
    # The same file still lies there: nothing is new.
    way.run_feed(contract())
    again = looked()
    assert (again.found_at, again.empty_looks) == (found.found_at, 1) and again.looked_at > found.looked_at
    # Something lies there that can't be read: neither new nor empty. It was looked at.
    (hub.drop / "b.csv").write_bytes(b"")
    assert [one.state for one in way.run_feed(contract())] == ["refused"]
    refused = looked()
    assert (refused.found_at, refused.empty_looks) == (found.found_at, 1) and refused.looked_at > again.looked_at
    # What the hub holds already, judged anew, is nothing that its source said.
    replay.replay(contract(), done.batch_id, operator="Op", reason="r", every=True)
    assert looked() == refused
