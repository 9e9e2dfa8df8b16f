"""`hub relay serve` as a process: woken by the ring, new lanes while it runs, the database lost, a polite end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from exchange.brokers.cluster import Cluster
from exchange.errors import PublicationLate
from exchange.relay import publication, rebase, status
from exchange.relay.position import Position
from exchange.relay.serve import Backoff
from hub.settings import Settings
from tests.exchange.conftest import Bench

pytestmark = pytest.mark.stack


@pytest.fixture
def server(migrated: Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "relay", "serve"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "HUB_LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def published(bench: Bench) -> bool:
    return bench.sql("select count(*) as n from hub.outbox where published_at is null")[0].n == 0


def test_it_serves_lanes_old_and_new_and_ends_politely(
    migrated: Settings, cluster: Cluster, unique: str, server: subprocess.Popen[bytes], admin_url: str
) -> None:
    first = Bench(migrated, cluster, f"hub.test.s{unique}a.v1")
    first.make()
    batch = first.load([f"K{n % 7}" for n in range(300)])
    assert publication.wait([batch], 60).events == 300
    second = Bench(migrated, cluster, f"hub.test.s{unique}b.v1")
    second.make()
    second.event("K", "new lane")
    until(lambda: published(second))
    # A warm lane is rung, not polled: well below the timer of a second, even on a busy machine, at least once.
    fastest = 9.0
    for number in range(5):
        started = time.monotonic()
        second.event("K", f"ring {number}")
        until(lambda: published(second))
        fastest = min(fastest, time.monotonic() - started)
    assert fastest < 0.7
    held = {lane.lane: lane for lane in status.lanes(cluster)}
    assert f"hub relay {server.pid}@" in (held[first.lane].holder or "")
    # The database throws everybody out: the relay comes back by itself.
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
        )

    def load_again() -> bool:
        try:
            first.event("K1", "after the loss")
        except Exception:  # noqa: BLE001  # this test's own pooled connection was thrown out too
            return False
        return True

    until(load_again)
    until(lambda: published(first))
    first.agrees()
    second.agrees()
    # A rebase asks the holder to let go, and the lane goes on after it.
    plan = rebase.plan(cluster, second.lane, "1:0")
    rebase.apply(cluster, plan, "demo-operator", "test")
    until(lambda: published(second))
    second_ids = [event_id for _, event_id in second.seen()]
    assert second_ids == [event_id for _, event_id in second.loaded] * 2
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    assert all(lane.holder is None for lane in status.lanes(cluster))


def test_what_is_not_published_is_late(bench: Bench) -> None:
    batch = bench.load(["K"] * 3)
    with pytest.raises(PublicationLate) as caught:
        publication.wait([batch], 0.2)
    assert caught.value.facts["waiting"] == 1
    bench.relay()
    assert publication.wait([batch], 5).events == 3
    assert publication.wait([], 1).entries == 0


def test_status_tells_lag_and_who_is_waiting(bench: Bench) -> None:
    bench.load(["K"] * 30)
    bench.event("K", "e")
    (lane,) = status.lanes(bench.cluster)
    assert (lane.state, lane.lag_entries, lane.lag_events, lane.holder) == ("waiting", 2, 31, None)
    assert lane.lag_seconds >= 0
    bench.relay()
    (lane,) = status.lanes(bench.cluster)
    assert (lane.state, lane.lag_events, lane.position) == ("idle", 0, "2:1")
    assert lane.topics == (bench.topic,)


def test_status_without_brokers_still_tells_what_the_database_knows(bench: Bench) -> None:
    bench.load(["K"] * 3)
    bench.relay()
    bench.load(["K"] * 2)
    with Cluster(bench.now.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})) as nobody:
        (lane,) = status.lanes(nobody)
    assert (lane.state, lane.lag_events, lane.position) == ("unknown", 2, "1:3")
    assert lane.error is not None
    assert lane.error.code == "HUB-EXC-040"


def test_waiting_times_grow_with_jitter_and_start_over() -> None:
    backoff = Backoff(2.0)
    times = [backoff.seconds() for _ in range(8)]
    assert times[0] < 0.2 < times[4] <= 2.6
    assert len(set(times)) == 8
    backoff.reset()
    assert backoff.seconds() < 0.2
    assert str(Position(3, 4, "x")) == "3:4"
