"""What upkeep looks at: every layer as its contract says, nothing of a feed without one, and only what is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts import catalogue
from contracts.lint.promises import LAYERS
from contracts.model import FeedContract
from hub import clock
from hub.settings import ROOT
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, row, rows
from tests.warehouse.keeping import NOTHING, after, execute, kept, publish, run
from warehouse import engine
from warehouse.store import store
from warehouse.upkeep import upkeep

pytestmark = pytest.mark.stack


def test_every_layer_that_lint_demands_goes_after_the_days_of_a_contract_on_disk(hub: Hub, tmp_path: Path) -> None:
    read = catalogue.load(ROOT / "contracts", tmp_path / "cache").feeds
    days = {feed: dict(read[feed].sla.retention_days) for feed in read}
    assert days and all(set(found) == set(LAYERS) for found in days.values())
    sla = max((read[feed].sla for feed in read), key=lambda found: found.retention_days["landing"])
    one, keep = contract(sla=sla), sla.retention_days
    assert keep["outbox"] > 8
    assert keep["outbox"] < keep["quarantine"] < keep["landing"] < keep["core"]
    run(hub, "a.csv", [row(1), row(2, amount="-1")], one)
    run(hub, "b.csv", [row(1, payee="P2", version="2")], one)
    publish()
    assert after(8, one) == NOTHING, "`rebase --to first` still finds every change set"
    assert after(keep["outbox"] + 1, one).changes == 2
    assert store().list("changes") == []
    assert after(keep["quarantine"] - 1, one).quarantined == 0
    assert after(keep["quarantine"] + 1, one).quarantined == 1
    assert hub.value("select count(*) from hub.quarantine") == 0
    assert after(keep["landing"] - 1, one).landed == 0
    assert after(keep["landing"] + 1, one).landed == 2
    assert {path.rpartition("/")[2] for path in store().list("landing")} == {"hashes.arrow", "manifest.json"}
    done = after(max(keep["core"], keep["receipts"]) + 1, one)
    assert (done.revisions, done.emptied, done.receipts) == (1, 1, 2)
    assert store().list("") == []
    assert hub.value("select count(*) from hub.receipt") == 0
    # The months that the access log had then are past by now.
    assert replace(after(100_000, one), log_months=0) == NOTHING, "nothing is found twice"
    assert hub.value("select count(*) from hub.batch where state = 'loaded' and rows_in is not null") == 2


def test_nothing_of_a_feed_goes_that_no_contract_speaks_for(hub: Hub) -> None:
    run(hub, "a.csv", [row(1), row(2, amount="-1")])
    publish()
    with clock.at(datetime.now(UTC) + timedelta(days=100_000)):
        assert upkeep([]) == upkeep([kept({}, feed="other_feed")]) == NOTHING


def test_upkeep_asks_for_what_is_due_alone(hub: Hub) -> None:
    """A thousand batches that ended and were purged long ago cost it nothing."""
    one = kept({"landing": 1, "outbox": 1, "quarantine": 1, "receipts": 1, "core": 1})
    run(hub, "a.csv", rows(3))
    publish()
    asked = [_statements(one)]
    execute(
        "insert into hub.batch (batch_id, feed, contract_version, contract_sha256, kind, source, delivery, state,"
        " rows_in, rows_loaded, rows_unchanged, rows_quarantined, rows_refused, landed_at, loaded_at)"
        " select 'old-' || n, 'sample_vouchers', '1', 's', 'pull', 's', 'd', 'loaded', 0, 0, 0, 0, 0, now(), now()"
        " from generate_series(1, 1000) n"
    )
    asked.append(_statements(one))
    assert asked[1] <= asked[0]


def _statements(one: FeedContract) -> int:
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sa.event.listen(engine.engine(), "before_cursor_execute", counted)
    try:
        after(10, one)
    finally:
        sa.event.remove(engine.engine(), "before_cursor_execute", counted)
    return count
