"""The whole way of a small feed, on real parts."""

from __future__ import annotations

import json

import pytest

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows
from warehouse import way

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
