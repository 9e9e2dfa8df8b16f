"""The worker: forks hands that take turns, sees that each of them gets on, ends those that hang.

A feed that hangs keeps one hand busy; after `SLOW_SECONDS` another one takes its place, so that the others get on as before,
and after HUB_TURN_SECONDS it is killed, which gives the feed's lock back. What it had begun goes on in a later turn.
A hand is a process, because a thread that hangs in a library can't be ended, and because two cores are two interpreters.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from contracts import catalogue
from hub import log
from hub.ids import FeedId
from hub.said import Said
from hub.settings import Settings, settings
from warehouse.engine import transaction
from warehouse.errors import DatabaseUnavailable
from warehouse.listening import application, conninfo
from warehouse.turns import book

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""They ask for the end: of the worker, and of a hand after its turn."""

SLOW_SECONDS = 10.0
"""A turn that takes longer does not count against the hands that there should be."""

MORE_HANDS = 6
"""How many slow turns may be stood in for at once; what bounds memory when many sources hang."""

LOOK_SECONDS = 2.0
"""How often it is looked whether there is anything to take, while there is nothing."""

GRACE_SECONDS = 8.0
"""How long the hands may go on with their turns when the worker ends."""

_TICK = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE, _LIVED = 0.2, 10.0, 5.0

WARM: tuple[str, ...] = (
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "lxml.html",
    "jinja2.ext",
    "httpx",
    "warehouse.turns.hand",  # the whole way
    "contracts.suite.expectation",  # Great Expectations
)
"""Imported before the first fork, with the connectors, so that hands share it and start at once."""

_log = log.get("turns")


@dataclass(slots=True)
class _Hand:
    """A hand as the worker sees it."""

    pid: int
    heard: int  # where it says what it does
    born: float
    feed: str | None = None
    since: float = 0.0  # when the turn began, as heard
    rest: bytes = b""
    told_to_stop: bool = False

    def seconds(self, now: float) -> float:
        """How long its turn takes by now."""
        return now - self.since if self.feed is not None else 0.0


@dataclass(slots=True)
class Worker:
    """Serves until `stop`. `serve_all`: also feeds whose DAG is off, for a hub without Airflow."""

    now: Settings = field(default_factory=settings)
    serve_all: bool = False
    warm: Callable[[], None] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    _hands: dict[int, _Hand] = field(default_factory=dict)
    _life: tuple[int, int] = (-1, -1)
    _pause: float = _FIRST_PAUSE
    _next_fork: float = 0.0
    _there: list[tuple[str, int, int]] = field(default_factory=list)

    def stop(self) -> None:
        """Asks for the end; safe in a signal handler."""
        self.stopping.set()

    def run(self) -> None:
        """Serves until stopped; outlives restarts of PostgreSQL and the end of any hand."""
        _log.info("worker serves", hands=self.now.worker_processes, process=os.getpid())
        self._life = os.pipe()
        pause = _FIRST_PAUSE
        while not self.stopping.is_set():
            try:
                with psycopg.connect(conninfo(self.now, application("worker")), autocommit=True) as conn:
                    pause = _FIRST_PAUSE
                    self._wait_for_work(conn)
                    self._serve(conn)
            except psycopg.Error:
                error = DatabaseUnavailable(reason=Said("the connection was lost", "连接已断开"))
                _log.warning("database away", error=error, again_in=round(pause, 2))
                self._tend(until=time.monotonic() + pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._end()
        _log.info("worker ends")

    def _wait_for_work(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        """Until there is something to take: a worker without work imports nothing and has no hands."""
        looked = -LOOK_SECONDS
        while not self.stopping.is_set() and not self._hands:
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                if self.serve_all:
                    self._sync()
                if _work(conn):
                    break
            self.stopping.wait(_TICK)

    def _sync(self) -> None:
        """Writes the book where nobody else does before there is a hand: no DAG switches a feed on."""
        found = there(self.now.contracts)
        if found != self._there:
            with suppress(DatabaseUnavailable), transaction() as conn:
                known = catalogue.load()
                book.sync(conn, known.feeds.values(), broken=known.broken, serve_all=True)
                self._there = found

    def _serve(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        if self.warm is None:
            _import()
            self.warm = _import
        looked = time.monotonic()
        while not self.stopping.is_set():
            self._tend(until=time.monotonic() + _TICK)
            if time.monotonic() - looked > LOOK_SECONDS:
                conn.execute("select 1")  # says to the database, and hears from it, that it is there
                looked = time.monotonic()

    def _tend(self, until: float) -> None:
        """Hears the hands, ends what hangs, makes up for what ended, until then."""
        while not self.stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._hear(min(_TICK, left))
            self._bury()
            self._end_what_hangs()
            if self.warm is not None:
                self._make_up()

    def _hear(self, seconds: float) -> None:
        by_pipe = {one.heard: one for one in self._hands.values()}
        if not by_pipe:
            self.stopping.wait(seconds)
            return
        for pipe in select.select(list(by_pipe), [], [], seconds)[0]:
            one = by_pipe[pipe]
            text = os.read(pipe, 65_536)
            if not text:
                self.stopping.wait(0.01)  # it is ending: `_bury` will see it
            *lines, one.rest = (one.rest + text).split(b"\n")
            for line in lines:
                one.feed = json.loads(line)["feed"]
                one.since = time.monotonic()

    def _bury(self) -> None:
        for pid in list(self._hands):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            one = self._hands.pop(pid)
            os.close(one.heard)
            code = os.waitstatus_to_exitcode(status)
            if code and not one.told_to_stop:
                _log.warning("hand ended", process=pid, code=code, feed=one.feed)
                quick = time.monotonic() - one.born < _LIVED
                self._pause = min(_LONGEST_PAUSE, self._pause * 2) if quick else _FIRST_PAUSE
                self._next_fork = time.monotonic() + self._pause

    def _end_what_hangs(self) -> None:
        now = time.monotonic()
        for one in self._hands.values():
            if one.seconds(now) > self.now.turn_seconds:
                _log.error("turn too long, its process is killed", process=one.pid, feed=one.feed)
                one.since = now  # killed once
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
                self._note(one)

    def _note(self, one: _Hand) -> None:
        """Notes the turn of a hand that was killed. Its session may live on at the server for a while, and the lock with it."""
        if one.feed is not None:
            with suppress(DatabaseUnavailable), transaction() as conn:
                book.cut(conn, FeedId(one.feed), application("turns", one.pid))

    def _make_up(self) -> None:
        """As many hands as there should be, slow ones not counted; too many where a slow one got on again."""
        now = time.monotonic()
        alive = [one for one in self._hands.values() if not one.told_to_stop]
        quick = [one for one in alive if one.seconds(now) <= SLOW_SECONDS]
        wanted = self.now.worker_processes
        if len(quick) < wanted and len(alive) < wanted + MORE_HANDS and now >= self._next_fork:
            self._fork()
        for one in quick[wanted:]:
            one.told_to_stop = True
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGTERM)

    def _fork(self) -> None:
        from warehouse.turns import hand  # noqa: PLC0415 - with all that a turn needs: only where there is one

        heard, say = os.pipe()
        # Until the hand has its own handlers, or it would take a signal for one of the worker's.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            os.close(heard)
            os.close(self._life[1])
            for one in self._hands.values():
                os.close(one.heard)
            hand.become(say, self._life[0], serve_all=self.serve_all)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(say)
        self._hands[pid] = _Hand(pid, heard, time.monotonic())

    def _end(self) -> None:
        """Lets the hands finish their turns, for a while; what is not finished goes on in a later one."""
        for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
            for one in self._hands.values():
                one.told_to_stop = True
                with suppress(ProcessLookupError):
                    os.kill(one.pid, number)
            until = time.monotonic() + seconds
            while self._hands and time.monotonic() < until:
                self._bury()
                time.sleep(0.02)
        for pipe in self._life:
            os.close(pipe)


def there(contracts: Path) -> list[tuple[str, int, int]]:
    """What tells whether contracts came, changed or went."""
    found = []
    for path in sorted((contracts / "feeds").glob("*/*")):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return found


def _work(conn: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = conn.execute("select exists(select 1 from hub.feed_turn where served)").fetchone()
    return bool(row and row[0])


def _import() -> None:
    """What a turn needs. No connection is opened and no thread of ours started: it is all to be inherited."""
    from connectors.registry import connectors_on_disk  # noqa: PLC0415 - while there is no work, nothing is imported

    began = time.process_time()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    for name in (*WARM, *(f"connectors.{one}" for one in connectors_on_disk())):
        importlib.import_module(name)
    _log.info("worker is warm", cpu_seconds=round(time.process_time() - began, 1))
