"""Many lanes in one process: how many stay warm, who may hold memory, what an idle lane keeps alive, what a bug may tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kafka.structs import TopicPartition

from exchange.brokers.cluster import Cluster
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.relay import serve
from exchange.relay.lane import BULK_EVENTS, Session, Turn
from exchange.relay.position import group_of
from exchange.relay.serve import Server, drain
from exchange.relay.slots import Slot, Slots
from hub import log
from hub.settings import Settings, load_settings
from tests.exchange.conftest import Bench

pytestmark = pytest.mark.stack


@contextmanager
def serving(now: Settings) -> Iterator[Server]:
    server = Server(now)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(90)
        assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 60) -> float:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "it did not come to pass"
        time.sleep(0.02)
    return time.monotonic() - started


def published(bench: Bench) -> bool:
    query = "select count(*) as n from hub.outbox where published_at is null"
    return bench.sql(query + " and lane = :lane", lane=bench.lane)[0].n == 0


def benches(now: Settings, cluster: Cluster, unique: str, count: int) -> list[Bench]:
    made = [Bench(now, cluster, f"hub.test.m{unique}x{number}.v1", partitions=1) for number in range(count)]
    for bench in made:
        bench.make()
    return made


def test_few_lanes_stay_warm_and_the_coldest_still_sends(
    migrated: Settings, cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "MOST_WARM", 3)
    lanes = benches(migrated, cluster, unique, 6)
    with serving(migrated) as server:
        for bench in lanes:
            bench.event("K", "first")
        for bench in lanes:
            until(lambda bench=bench: published(bench))

        def warm() -> list[str]:
            return [lane.lane for lane in list(server._lanes.values()) if lane.is_alive()]

        until(lambda: len(warm()) == 3)
        kept = warm()
        time.sleep(2.5)  # beyond the timer: they stay, and nobody comes back for nothing
        assert warm() == kept
        # The one that was idle longest is rung: it sends at once, at its open session.
        coldest = min((server._lanes[name] for name in kept), key=lambda lane: lane.used)
        (bench,) = (bench for bench in lanes if bench.lane == coldest.lane)
        fastest = 9.0
        for number in range(4):
            bench.event("K", f"again {number}")
            fastest = min(fastest, until(lambda: published(bench)))
        assert fastest < 0.7
        assert coldest.is_alive()
        cold = next(bench for bench in lanes if bench.lane not in kept)
        cold.event("K", "last")
        until(lambda: published(cold))
        until(lambda: len(warm()) == 3)
    for bench in lanes:
        bench.agrees()


def test_backlogs_hold_memory_two_at_a_time(
    migrated: Settings, cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "BULK_SECONDS", 0.0)
    lanes = benches(migrated, cluster, unique, 6)
    for bench in lanes:
        for part in range(2):
            bench.load([f"K{n % 9}" for n in range(6_000)], part=part)
    alive: set[Session] = set()
    busy, most, lock = 0, 0, threading.Lock()
    take, opened = Session.turn, Session.open

    def open_noted(session: Session) -> None:
        opened(session)
        session._most = 2_000
        alive.add(session)

    def counted(session: Session, *, looked: bool = False) -> Turn | None:
        nonlocal busy, most
        if session.waits() < BULK_EVENTS:
            return take(session, looked=looked)
        with lock:
            # Who is in a turn, or holds what it prepared for its next one.
            holding = sum(other._ahead is not None for other in alive if other is not session)
            busy += 1
            most = max(most, busy, holding + 1)
        try:
            return take(session, looked=looked)
        finally:
            with lock:
                busy -= 1

    monkeypatch.setattr(Session, "open", open_noted)
    monkeypatch.setattr(Session, "turn", counted)
    with serving(migrated):
        for bench in lanes:
            until(lambda bench=bench: published(bench), 120)
    assert most <= serve.BULK_LANES
    for bench in lanes:
        bench.agrees()


def test_places_go_to_who_waits_longest() -> None:
    slots, order = Slots(1), []
    assert slots.take(lambda: False)
    threads = []

    def wait(number: int) -> None:
        assert slots.take(lambda: False)
        order.append(number)
        slots.give()

    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        until(lambda number=number: len(slots._queue) == number + 1)
    impatient = Slot(slots, 0.0)
    assert not impatient.take(lambda: True)
    assert slots.wanted
    slots.give()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]
    held = Slot(slots, 0.0)
    assert held.take(lambda: False)
    assert held.take(lambda: False)
    assert not held.due
    held.give()
    held.give()
    assert slots.take(lambda: True)


@pytest.mark.parametrize("producer", ["confluent", "kafka-python"])
def test_an_idle_lane_keeps_its_position_alive(bench: Bench, producer: str) -> None:
    bench.now = load_settings(producer=producer)
    bench.load(["K"] * 3)
    bench.relay()
    assert drain(timeout=30, now=bench.now) == []
    (before,) = bench.sql("select seq, record, entry_id from hub.relay_position")
    bench.sql("update hub.relay_position set noted_at = now() - interval '25 hours', rebased = true")
    # What the brokers hold shows that it was committed anew: it is taken away first.
    with bench.cluster.asked("forget") as admin:
        admin.delete_group_offsets(group_of(bench.lane), [TopicPartition(POSITIONS_TOPIC, 0)])
    assert [(one.lane, one.events, one.state) for one in drain(timeout=30, now=bench.now)] == [(bench.lane, 0, "sent")]
    # The brokers show what a transaction committed a little after its commit has returned.
    until = time.monotonic() + 20
    while (held := bench.cluster.positions([group_of(bench.lane)])[group_of(bench.lane)]) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert held[0] == before.seq
    (after,) = bench.sql(
        "select seq, record, entry_id, rebased, now() - noted_at < interval '1 minute' as fresh from hub.relay_position"
    )
    assert (after.seq, after.record, after.entry_id, after.rebased, after.fresh) == (*before, True, True)
    assert drain(timeout=30, now=bench.now) == []
    bench.event("K", "after")
    assert bench.relay() == 1
    bench.agrees()


def test_a_lane_is_not_kept_alive_while_it_has_work(bench: Bench) -> None:
    """What it sends is a commit already."""
    bench.event("K", "first")
    bench.relay()
    bench.sql("update hub.relay_position set noted_at = now() - interval '25 hours'")
    bench.event("K", "second")
    with serving(bench.now):
        until(lambda: published(bench))
    assert bench.sql("select now() - noted_at < interval '1 minute' as fresh from hub.relay_position")[0].fresh
    bench.agrees()


def test_an_unforeseen_error_tells_its_place_and_no_value(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("info", "json")
    take, failed = Session.turn, threading.Event()

    def fail_once(session: Session, *, looked: bool = False) -> Turn | None:
        if failed.is_set():
            return take(session, looked=looked)
        failed.set()
        raise ValueError("invalid literal: '110101199003070000'")

    monkeypatch.setattr(Session, "turn", fail_once)
    monkeypatch.setattr(serve, "STOPPED_SECONDS", 0.3)
    bench.event("K", "one")
    with serving(bench.now):
        until(lambda: published(bench))
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "fail_once" in said
    assert "110101199003070000" not in said
    assert "Traceback" not in said
    bench.agrees()
