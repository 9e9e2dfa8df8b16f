"""Turns of frequent feeds: the book, one turn, the worker that is killed, hangs and loses its database."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from contracts import catalogue
from contracts.catalogue import BrokenContract
from contracts.due import next_due
from hub import clock, crash
from hub.cli import shell
from hub.ids import FeedId
from hub.settings import settings
from tests.subscribers.contract_file import HEADER, line
from tests.warehouse import frequent
from tests.warehouse.conftest import Hub
from tests.warehouse.frequent import Feeds, hands, started, stopped, until
from warehouse.engine import connection, holding, transaction
from warehouse.errors import FeedBusy
from warehouse.feeds import pausing
from warehouse.turns import book, taking
from warehouse.turns.book import Turn

pytestmark = pytest.mark.stack


@pytest.fixture
def make(hub: Hub, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Feeds]:
    def made(count: int, **changed: str) -> Feeds:
        found = frequent.feeds(tmp_path / "contracts", hub.drop, unique, count, **changed)
        monkeypatch.setenv("HUB_CONTRACTS", str(tmp_path / "contracts"))
        settings.cache_clear()
        return found

    return made


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str, **environment: str) -> subprocess.Popen[bytes]:
        running.append(started(*words, **environment))
        return running[-1]

    yield begin
    for process in running:
        stopped(process)


def sync(*, serve_all: bool = True) -> None:
    found = catalogue.load()
    with transaction() as conn:
        book.sync(conn, found.feeds.values(), broken=found.broken, serve_all=serve_all)


def turn(feed: str) -> Turn:
    with connection() as conn:
        found = {one.feed: one for one in book.listed(conn)}
    return found[feed]


def ring(feed: str) -> None:
    with transaction() as conn:
        assert book.ring(conn, feed)  # type: ignore[arg-type]


def loaded(hub: Hub, feed: str) -> int:
    """Rows of a feed; 0 before its first."""
    if hub.value("select to_regclass(:name)", name=f"core.{feed}") is None:
        return 0
    return int(hub.value(f"select count(*) from core.{feed}"))


def test_the_book_follows_the_contracts(make: Callable[..., Feeds], hub: Hub, tmp_path: Path) -> None:
    one, two = make(2).ids
    sync(serve_all=False)
    before = turn(one)
    assert (before.schedule, before.served, before.turns, before.late(clock.now())) == ("* * * * *", False, 0, 0.0)
    assert before.due_at is not None and before.due_at > clock.now()
    with transaction() as conn:
        assert book.due(conn) == [] and not book.any_served(conn)
        assert book.serve(conn, {one: True, two: False}) == [one]
        assert book.serve(conn, {one: True, two: False}) == []
        assert book.due(conn) == [one] and book.any_served(conn), "what was switched on is due at once"
    sync(serve_all=False)
    assert turn(one).served, "a book that agrees is left alone"
    path = tmp_path / "contracts" / "feeds" / "audit" / f"{one}.odcs.yaml"
    path.write_text(path.read_text().replace("* * * * *", "7 3 * * *"))
    (path.parent / f"{two}.odcs.yaml").write_text(
        (path.parent / f"{two}.odcs.yaml").read_text().replace("value: frequent", "value: scheduled")
    )
    sync(serve_all=False)
    changed = turn(one)
    assert changed.due_at is not None and changed.due_at.astimezone(clock.BEIJING).strftime("%H:%M") == "03:07"
    assert hub.value("select count(*) from hub.feed_turn") == 1
    with transaction() as conn:
        assert book.serve(conn, {one: False}) == [one]
        assert book.due(conn) == []


def test_a_turn_takes_what_is_due_once(make: Callable[..., Feeds], hub: Hub) -> None:
    found = make(1)
    (feed,) = found.ids
    sync()
    assert taking.take(feed, "me") is None, "it is not due"
    found.send(feed)
    ring(feed)
    taken = taking.take(feed, "me")
    assert taken is not None and (taken.batches, taken.rows, taken.error) == (1, 5, None)
    assert loaded(hub, feed) == 5
    after = turn(feed)
    assert (after.turns, after.failed, after.failures, after.holder, after.under_way) == (1, 0, 0, "me", False)
    assert after.due_at is not None and after.began_at is not None and after.due_at > after.began_at
    assert taking.take(feed, "me") is None
    # Whoever works on the feed otherwise has it: a run of Airflow, a command.
    ring(feed)
    with holding("feed", feed), pytest.raises(FeedBusy):
        taking.take(feed, "me")
    pausing.pause(feed, operator="A Person", reason="test")
    found.send(feed)
    paused = taking.take(feed, "me")
    assert paused is not None and (paused.batches, paused.error) == (0, None), "a person's word is no failure"
    pausing.resume(feed, operator="A Person", reason="test")
    assert CliRunner().invoke(shell, ["worker", "status"]).exit_code == 0
    (told,) = json.loads(CliRunner().invoke(shell, ["worker", "status", "--json"]).stdout)
    assert (told["feed"], told["turns"], told["failures"]) == (feed, 2, 0)


SECOND = """- server: more
  type: custom
  description: Further files
  format: csv
  customProperties:
  - {property: hub.connector, value: file_drop}
  - {property: hub.place, value: PLACE}
  - {property: hub.options, value: {glob: "*/*.txt", encoding: utf-8, stable_seconds: 0}}
schema:
- name: voucher"""


@pytest.mark.parametrize("place", ["drop", "nowhere"])
def test_every_source_has_its_turn(make: Callable[..., Feeds], hub: Hub, place: str) -> None:
    """Whether the other one can be reached or not."""
    found = make(1, **{"schema:\n- name: voucher": SECOND.replace("PLACE", place)})
    (feed,) = found.ids
    sync()
    found.send(feed)
    (hub.drop / feed / "more.txt").write_text(f"{HEADER}\n{line(900)}\n", encoding="utf-8")
    ring(feed)
    taken = taking.take(feed, "me")
    assert taken is not None and (taken.error is None) is (place == "drop")
    assert loaded(hub, feed) == (6 if place == "drop" else 5)


def test_a_feed_that_fails_waits_longer_each_time(make: Callable[..., Feeds], hub: Hub) -> None:
    (feed,) = make(1, **{"value: drop}": "value: nowhere}"}).ids
    sync()
    pauses = []
    for number in range(1, 4):
        ring(feed)
        taken = taking.take(feed, "me")
        assert taken is not None and taken.error is not None
        after = turn(feed)
        assert (after.failures, after.failed, after.turns) == (number, number, number)
        assert after.error is not None and after.error["code"] == taken.error.code
        assert after.due_at is not None and after.ended_at is not None
        pauses.append((after.due_at - after.ended_at).total_seconds())
    assert pauses[2] > 39
    result = CliRunner().invoke(shell, ["worker", "run", "--once", "--json"])
    assert result.exit_code == 0, "it is not due, so nothing is taken"
    ring(feed)
    result = CliRunner().invoke(shell, ["worker", "run", "--once", "--json"])
    assert result.exit_code == taken.error.exit_code
    (told,) = json.loads(result.stdout)
    assert (told["feed"], told["batches"], told["error"]) == (feed, 0, taken.error.code)


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_contract_that_breaks_keeps_its_turns_and_goes_on_when_it_is_mended(
    make: Callable[..., Feeds], hub: Hub, tmp_path: Path, whole_folder: bool
) -> None:
    found = make(1)
    (feed,) = found.ids
    sync()
    ring(feed)
    taking.take(feed, "me")
    before, aside = turn(feed), tmp_path / "aside"
    path = tmp_path / "contracts" / "feeds" / "audit" / f"{feed}.odcs.yaml"
    whole = path.read_text(encoding="utf-8")
    if whole_folder:  # as a folder that can't be listed: its entry is broken
        path.parent.rename(aside)
        with transaction() as conn:
            book.sync(conn, [], broken=[BrokenContract(FeedId("audit"), "feeds/audit", ())], serve_all=True)
    else:
        path.write_text(whole.replace("apiVersion", "apiVersions"), encoding="utf-8")
        sync()
    assert turn(feed) == before, "its turns stand as they did"
    ring(feed)
    taking.take(feed, "me")
    told = turn(feed)
    assert told.error is not None and told.error["code"] == ("HUB-CON-102" if whole_folder else "HUB-CON-101")
    assert (told.turns, told.failures) == (2, 1) and told.due_at is not None and told.due_at > clock.now()
    if whole_folder:
        aside.rename(path.parent)
    path.write_text(whole, encoding="utf-8")
    found.send(feed)
    sync()
    taken = taking.take(feed, "me")
    assert taken is not None and (taken.batches, taken.error) == (1, None), "it is due at once"
    assert (turn(feed).turns, turn(feed).failures) == (3, 0)


def test_rung_within_its_turn_it_has_another_one(make: Callable[..., Feeds], hub: Hub) -> None:
    (feed,) = make(1).ids
    sync()
    ring(feed)
    with transaction() as conn:
        assert book.begin(conn, feed, "me")
    ring(feed)
    with transaction() as conn:
        book.end(conn, feed, 0.1, None)
        assert book.due(conn) == [feed]
        assert book.begin(conn, feed, "me")
        book.end(conn, feed, 0.1, None)
        assert book.due(conn) == []


def test_a_turn_that_kills_its_process_waits_after_the_second_time(make: Callable[..., Feeds], hub: Hub) -> None:
    found = make(2)
    sick, well = found.ids
    sync()
    ring(sick)
    with transaction() as conn:
        assert book.begin(conn, sick, "killed")
        assert book.due(conn) == [sick], "at once: a restart may have ended it"
        assert book.begin(conn, sick, "killed too")
        assert not book.begin(conn, sick, "the third")
        assert book.due(conn) == []
    after = turn(sick)
    assert (after.turns, after.failed, after.failures, after.under_way) == (2, 2, 2, False)
    assert after.error is not None and after.error["code"] == "HUB-TRN-001"
    assert not turn(well).failures


@pytest.mark.parametrize("point", crash.TURN_POINTS)
def test_killed_within_a_turn_nothing_is_lost_or_doubled(
    make: Callable[..., Feeds], hub: Hub, start: Callable[..., subprocess.Popen[bytes]], point: str
) -> None:
    found = make(1)
    (feed,) = found.ids
    sync()
    found.send(feed)
    ring(feed)
    assert start("run", "--once", **{crash.VARIABLE: point}).wait(60) == -signal.SIGKILL
    assert loaded(hub, feed) == (5 if point == "turn.carried" else 0)
    assert turn(feed).under_way
    (taken,) = taking.take_late("me", late_seconds=0, patience_seconds=60)
    assert (taken.feed, taken.error) == (feed, None)
    assert loaded(hub, feed) == 5
    assert hub.value("select sum(records) from hub.outbox") == 5
    assert (turn(feed).turns, turn(feed).failures, turn(feed).under_way) == (2, 0, False)


def test_the_worker_outlives_kills_of_its_hands_and_itself(
    make: Callable[..., Feeds], hub: Hub, start: Callable[..., subprocess.Popen[bytes]], admin_url: str
) -> None:
    found = make(3)
    worker = start()
    for wave in range(4):
        for feed in found.ids:
            found.send(feed)
        has_hands(worker, 2)
        until(lambda: hub.value("select count(*) from hub.feed_turn") == 3)
        for feed in found.ids:
            ring(feed)
        if wave == 1:  # a hand within a turn
            until(lambda: any(turn(feed).under_way for feed in found.ids) or not any_due(found))
            hands(worker)[0].kill()
        if wave == 2:  # the worker: its hands must not go on without it
            left = hands(worker)
            worker.kill()
            worker.wait()
            psutil.wait_procs(left, 10)
            assert not any(one.is_running() for one in left)
            worker = start()
        if wave == 3:  # all sessions
            with psycopg.connect(admin_url, autocommit=True) as conn:
                conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where pid <> pg_backend_pid() and datname = current_database() and application_name like 'hub %'"
                )
    until(lambda: all(settled(hub, found, feed) for feed in found.ids), 90)
    for feed in found.ids:
        assert hub.value("select count(*) from hub.batch where feed = :f and state = 'loaded'", f=feed) == 4
    assert hub.value("select sum(records) from hub.outbox") == 3 * 4 * 5, "each event once"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert hands(worker) == []


def has_hands(worker: subprocess.Popen[bytes], count: int) -> None:
    until(lambda: len(hands(worker)) >= count)


def any_due(found: Feeds) -> bool:
    with connection() as conn:
        return bool(set(book.due(conn)) & set(found.ids))


def settled(hub: Hub, found: Feeds, feed: str) -> bool:
    """Everything that was sent is loaded; what was dropped after its turn began is taken when it is rung again."""
    if loaded(hub, feed) == found.sent[feed]:
        return True
    if not turn(feed).under_way:
        ring(feed)
    return False


def test_a_feed_that_hangs_keeps_no_other_waiting(
    make: Callable[..., Feeds], hub: Hub, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    found = make(3)
    sick, *well = found.ids
    sync()
    for feed in found.ids:
        found.send(feed)
        ring(feed)
    assert len(taking.take_late("me", late_seconds=0, patience_seconds=60)) == 3
    with psycopg.connect(
        sa.make_url(settings().url()).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as blocker:
        blocker.execute(f"lock table core.{sick}")
        for feed in found.ids:
            found.send(feed)
            ring(feed)
        more = {"HUB_TEST_SLOW": "0.5", "HUB_TURN_SECONDS": "4", "HUB_WORKER_PROCESSES": "1"}
        worker = start(**more)
        # The one hand hangs with the sick feed, which is due first; another one stands in for it.
        until(lambda: all(settled(hub, found, feed) for feed in well), 120)
        until(lambda: turn(sick).failures > 0)
        noted = turn(sick)
        assert noted.error is not None and noted.error["code"] == "HUB-TRN-002"
        assert noted.due_at is not None and noted.due_at > datetime.now(UTC)
        for feed in well:
            found.send(feed)
            ring(feed)
        until(lambda: all(settled(hub, found, feed) for feed in well), 120)
        blocker.rollback()
    until(lambda: settled(hub, found, sick), 120)
    until(lambda: not turn(sick).failures)  # noted after what it loaded
    until(lambda: len(hands(worker)) == 1, 20)
    assert hub.value("select sum(records) from hub.outbox") == sum(found.sent.values())


def test_a_worker_without_work_has_no_hands(
    make: Callable[..., Feeds], hub: Hub, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    found = make(1)
    (feed,) = found.ids
    sync(serve_all=False)
    worker = start("serve")
    until(lambda: hub.value("select count(*) from pg_stat_activity where application_name like 'hub worker %'") == 1)
    found.send(feed)
    assert hands(worker) == []
    with transaction() as conn:
        assert book.serve(conn, {feed: True}) == [feed]
    until(lambda: loaded(hub, feed) == 5)
    with transaction() as conn:
        book.serve(conn, {feed: False})
    ring(feed)
    with connection() as conn:
        assert book.due(conn) == [], "switched off it is not taken, rung or not"


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("* * * * *", "2026-03-01T00:00:30Z", "2026-03-01T00:01:00Z"),
        ("*/5 * * * *", "2026-03-01T00:05:00Z", "2026-03-01T00:10:00Z"),
        ("0 2 * * *", "2026-03-01T00:00:00Z", "2026-03-01T18:00:00Z"),  # 02:00 in Beijing
        ("0 9 * * MON-FRI", "2026-02-28T00:00:00Z", "2026-03-02T01:00:00Z"),
    ],
)
def test_schedules_are_read_in_beijing(schedule: str, after: str, due: str) -> None:
    found = next_due(schedule, datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(due)
    assert found.utcoffset() == timedelta(0)
