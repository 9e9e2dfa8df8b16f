"""A rebase and upkeep at once: what is planned to be sent again is still there when it waits again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from exchange.brokers.cluster import Cluster
from exchange.relay import lane as relay
from exchange.relay import rebase
from exchange.relay.position import Position
from tests.exchange.conftest import Bench
from warehouse.engine import connection, try_lock_session

pytestmark = pytest.mark.stack


def test_upkeep_removes_nothing_between_a_rebase_s_plan_and_its_note(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.load(["k1"])
    bench.relay()
    real, upkeep_may = relay.move, []

    def move(held: sa.Connection, cluster: Cluster, lane: str, to: Position) -> None:
        with connection() as conn:  # as upkeep asks before it removes a change set
            upkeep_may.append(try_lock_session(conn, "lane", lane))
        real(held, cluster, lane, to)

    monkeypatch.setattr(relay, "move", move)
    plan = rebase.plan(bench.cluster, bench.lane, "first")
    rebase.apply(bench.cluster, plan, "demo-operator", "test")
    assert upkeep_may == [False]
    with connection() as conn:
        assert try_lock_session(conn, "lane", bench.lane)
    assert bench.sql("select published_at from hub.outbox")[0][0] is None
