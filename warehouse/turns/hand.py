"""A process that takes turns, one after another: forked from the worker, which sees what it does and ends it where it hangs."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time

import psycopg
from psycopg import sql

from contracts import catalogue
from hub import emitting, failure, log
from hub.ids import FeedId
from hub.settings import settings
from warehouse.arrow import memory
from warehouse.engine import dispose, transaction, translated
from warehouse.errors import DatabaseUnavailable, FeedBusy
from warehouse.listening import application, conninfo
from warehouse.turns import book, taking
from warehouse.turns.worker import SIGNALS, there

SYNC_SECONDS = 15.0
"""How often the book is held against the contracts on disk."""

LOOK_SECONDS = 1.0
"""How long it waits to be rung before it looks by itself."""

BUSY_SECONDS = 2.0
"""How long a feed that somebody else works on is left to them."""

MOST_TURNS = 5_000
"""Turns after which it makes room for a fresh one: what libraries keep does not add up for ever."""


class Hand:
    """Takes what is due until told to stop. `say` is where the worker reads what it does."""

    def __init__(self, say: int, *, serve_all: bool) -> None:
        self._say = say
        self._serve_all = serve_all
        self._name = application("turns")
        self._stop = threading.Event()
        self._busy: dict[FeedId, float] = {}
        self._synced = -SYNC_SECONDS
        self._there: list[tuple[str, int, int]] = []
        self._turns = 0

    def run(self) -> None:
        """Until it is told to stop or has taken its share; outlives restarts of PostgreSQL."""
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._stop.set())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        memory.bound()
        pause = 0.1
        while not self._ends():
            try:
                with translated(), psycopg.connect(conninfo(settings(), self._name), autocommit=True) as conn:
                    conn.execute(sql.SQL("listen {}").format(sql.Identifier(book.CHANNEL)))
                    pause = 0.1
                    self._serve(conn)
            except DatabaseUnavailable as error:
                log.get("turns").warning("database away", error=error, again_in=round(pause, 2))
                dispose()
                self._stop.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311  # jitter is no secret
                pause = min(10.0, pause * 2)
        emitting.flush()

    def _ends(self) -> bool:
        return self._stop.is_set() or self._turns >= MOST_TURNS

    def _serve(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        while not self._ends():
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
            if self._round() or self._ends():
                continue
            for _ in conn.notifies(timeout=LOOK_SECONDS, stop_after=1):
                break

    def _sync(self) -> None:
        now = there(settings().contracts)
        if now != self._there:  # to decode a thousand contracts takes seconds
            found = catalogue.load()
            with transaction() as conn:
                book.sync(conn, found.feeds.values(), broken=found.broken, serve_all=self._serve_all)
            self._there = now
        # Not all of them at the same moment.
        self._synced = time.monotonic() + random.uniform(0, SYNC_SECONDS / 3)  # noqa: S311

    def _round(self) -> bool:
        """Takes what is due now; whether there was anything to do."""
        with transaction() as conn:
            found = book.due(conn)
        did = False
        for feed in found:
            if self._ends():
                break
            if self._busy.get(feed, 0.0) > time.monotonic():
                continue
            did |= self._take(feed)
        return did

    def _take(self, feed: FeedId) -> bool:
        self._tell(feed)
        try:
            taken = taking.take(feed, self._name)
        except FeedBusy:
            self._busy[feed] = time.monotonic() + BUSY_SECONDS
            return False
        finally:
            self._tell(None)
        if taken is None:
            return False
        self._turns += 1
        return True

    def _tell(self, feed: FeedId | None) -> None:
        os.write(self._say, json.dumps({"feed": feed}).encode() + b"\n")


def become(say: int, life: int, *, serve_all: bool) -> None:
    """Makes this forked process a hand; never returns. `life` reads to its end when the worker is gone."""
    code = 1
    try:
        threading.Thread(target=_end_with_the_worker, args=(life,), daemon=True).start()
        Hand(say, serve_all=serve_all).run()
        code = 0
    except BrokenPipeError:
        code = 0  # the worker is gone
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's may run in this process
        log.get("turns").error("hand failed", kind=failure.kind(error), frames=failure.story(error))
    finally:
        os._exit(code)


def _end_with_the_worker(life: int) -> None:
    os.read(life, 1)
    # In the middle of whatever it is: that is what being killed is, and nothing is lost by it.
    os.kill(os.getpid(), signal.SIGKILL)
