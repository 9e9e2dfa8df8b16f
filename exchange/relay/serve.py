"""All lanes in one process: woken by LISTEN, with a timer behind it; a thread for each lane that has work.

An idle lane costs nothing but its row. A lane that had work keeps its session warm for a while, so that the next
event is on its topic in milliseconds. Losing PostgreSQL or the brokers means waiting, a little longer each time;
a HubError stops the lane, loudly, until an operator acted; it is looked at again when something happens.
"""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, field

import psycopg

from exchange.brokers.cluster import Cluster
from exchange.errors import LaneBusy
from exchange.relay import seen
from exchange.relay.lane import BULK_EVENTS, Session, application, open_session
from exchange.relay.position import waiting_lanes
from exchange.relay.slots import Slot, Slots
from hub import failure
from hub.errors import HubError, HubException, TransientError
from hub.log import get
from hub.settings import Settings, settings
from warehouse.arrow import memory
from warehouse.engine import connection, translated
from warehouse.errors import DatabaseUnavailable
from warehouse.listening import conninfo
from warehouse.outbox import CHANNEL

log = get("exchange.relay.serve")

RELEASE_CHANNEL = "hub_relay_release"
"""NOTIFY with a lane's name asks whoever holds the lane to let go of it for a moment (`hub relay rebase` does)."""

TIMER_SECONDS = 1.0
WARM_SECONDS = 300.0
RELEASED_SECONDS = 5.0
STOPPED_SECONDS = 15.0
MOST_WARM = 32
"""How many lanes may have a session; those that were idle longest give theirs back first."""

BULK_LANES = 2
"""How many lanes may hold a bulk transaction at once; what bounds memory when all have a backlog."""

BULK_SECONDS = 2.0
"""How long a lane goes on with its backlog before another one has its turn."""


class Backoff:
    """Waiting times that double from 0.1 s to `most`, each with jitter."""

    def __init__(self, most: float = 10.0) -> None:
        self._most = most
        self._next = 0.1

    def reset(self) -> None:
        """Starts over after a success."""
        self._next = 0.1

    def seconds(self) -> float:
        """How long to wait now."""
        now, self._next = self._next, min(self._most, self._next * 2)
        return now * random.uniform(0.7, 1.3)  # noqa: S311  # jitter is no secret


class Lane(threading.Thread):
    """One lane's thread: opens a session, sends while something waits, waits for the ring, gives up when idle."""

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name=f"relay {name}", daemon=True)
        self.lane = name
        self.server = server
        self.ring = threading.Event()
        self.release = threading.Event()
        self.leave = threading.Event()
        self.idle = False
        self.used = time.monotonic()
        self.stopped_by: str | None = None

    def run(self) -> None:
        """Until the lane is idle or the server stops."""
        backoff = Backoff()
        while not self.server.stopping.is_set():
            self.release.clear()  # there is nothing to let go of; whoever asks will ask again
            try:
                with open_session(self.lane, self.server.cluster, self.server.now) as session:
                    self.stopped_by = None
                    log.info("lane open", lane=self.lane, position=str(session.position))
                    again = self._serve(session, backoff)
                # Rung while it closed: it goes on, or the event would wait for the timer.
                if not again and not self.ring.is_set():
                    return
            except LaneBusy as error:
                # The thread ends: a relay that stands by costs no more than its timer, which starts it again.
                log.debug("lane held elsewhere", lane=self.lane, holder=error.facts["holder"])
                self._wait(TIMER_SECONDS * random.uniform(0.8, 1.5), ring=False)  # noqa: S311
                return
            except TransientError as error:
                seconds = backoff.seconds()
                log.warning("lane interrupted", lane=self.lane, error=error, again_in=round(seconds, 2))
                self.server.cluster.close()
                self._wait(seconds, ring=False)
            except HubException as error:
                self._stopped(error)
                self._wait(STOPPED_SECONDS)
            except Exception as error:  # noqa: BLE001  # a bug must not end the other lanes, nor go unseen
                log.error("lane failed", lane=self.lane, kind=failure.kind(error), frames=failure.frames(error))
                self._wait(STOPPED_SECONDS)

    def _serve(self, session: Session, backoff: Backoff) -> bool:
        """Sends until told otherwise. True: open again. False: the thread is done."""
        self.leave.clear()
        slot = Slot(self.server.bulk, BULK_SECONDS)
        try:
            while not self.server.stopping.is_set():
                if self.release.is_set():
                    session.close()
                    log.info("lane released", lane=self.lane)
                    self._wait(RELEASED_SECONDS, ring=False)
                    return True
                self.ring.clear()
                # Whether it is a bulk turn is known before anything is read for it: the place comes first, then the memory.
                if session.waits() < BULK_EVENTS:
                    self._give(slot, session)
                elif not slot.take(self._told):
                    continue
                turn = session.turn(looked=True)
                if turn is not None:
                    backoff.reset()
                    self.leave.clear()
                    self.used = time.monotonic()
                    log.debug("sent", lane=self.lane, events=turn.events, position=str(turn.position))
                    if slot.due:
                        self._give(slot, session)
                elif self.leave.is_set() or not self._idle():
                    log.info("lane idle", lane=self.lane)
                    return False
            return False
        finally:
            self._give(slot, session)

    def _give(self, slot: Slot, session: Session) -> None:
        if slot.held:
            session.forget_ahead()
            memory.give_back()  # what libraries freed would stay with this process, lane by lane
            slot.give()

    def _told(self) -> bool:
        return self.release.is_set() or self.server.stopping.is_set()

    def _idle(self) -> bool:
        """Waits with a warm session; False when nothing came."""
        self.idle = True
        rang = self._wait(WARM_SECONDS)
        self.idle = False
        return rang

    def _wait(self, seconds: float, *, ring: bool = True) -> bool:
        """Waits for the ring (or only the time, unless the server stops); False when nothing happened."""
        return self.ring.wait(seconds) if ring else self.server.stopping.wait(seconds)

    def _stopped(self, error: HubException) -> None:
        if self.stopped_by != error.sentence():
            log.error("lane stopped", lane=self.lane, error=error)
            self.stopped_by = error.sentence()


class Server:
    """The relay of all lanes. `run` returns when `stop` was called, each lane having finished its transaction."""

    def __init__(self, now: Settings | None = None) -> None:
        self.now = now or settings()
        self.cluster = Cluster(self.now)
        self.stopping = threading.Event()
        self.bulk = Slots(BULK_LANES)
        self._lanes: dict[str, Lane] = {}

    def stop(self) -> None:
        """Asks for the end; safe in a signal handler."""
        self.stopping.set()

    def run(self) -> None:
        """Serves until stopped; outlives restarts of PostgreSQL and the brokers."""
        memory.bound()
        backoff = Backoff()
        log.info("relay serves", producer=self.now.producer, process=os.getpid())
        while not self.stopping.is_set():
            try:
                self._listen(backoff)
            except DatabaseUnavailable as error:
                seconds = backoff.seconds()
                log.warning("database away", error=error, again_in=round(seconds, 2))
                self.stopping.wait(seconds)
        for lane in self._lanes.values():
            lane.ring.set()
        for lane in self._lanes.values():
            lane.join(60)
        self.cluster.close()
        log.info("relay ends")

    def _listen(self, backoff: Backoff) -> None:
        with translated(), psycopg.connect(conninfo(self.now, application()), autocommit=True) as conn:
            conn.execute(f"listen {CHANNEL}")
            conn.execute(f"listen {RELEASE_CHANNEL}")
            backoff.reset()
            # After LISTEN, so that nothing committed in between is missed.
            self._wake_waiting()
            looked, lags = time.monotonic(), seen.Lags()
            while not self.stopping.is_set():
                for notice in conn.notifies(timeout=TIMER_SECONDS, stop_after=1):
                    self._heard(notice.channel, notice.payload)
                if time.monotonic() - looked > TIMER_SECONDS:
                    self._wake_waiting()
                    self._thin()
                    lags.tell()
                    looked = time.monotonic()

    def _heard(self, channel: str, payload: str) -> None:
        if channel == CHANNEL:
            self._wake(payload)
        elif (lane := self._lanes.get(payload)) is not None:
            lane.release.set()
            lane.ring.set()

    def _wake_waiting(self) -> None:
        with connection() as conn:
            waiting = waiting_lanes(conn)
        for name in waiting:
            lane = self._lanes.get(name)
            # A stopped lane is left to its own slower timer.
            if lane is None or not lane.is_alive() or lane.stopped_by is None:
                self._wake(name)

    def _thin(self) -> None:
        """Asks the lanes that were idle longest to leave where more are warm than may be."""
        alive = [lane for lane in self._lanes.values() if lane.is_alive()]
        idle = sorted((lane for lane in alive if lane.idle), key=lambda lane: lane.used)
        for lane in idle[: max(0, len(alive) - MOST_WARM)]:
            lane.leave.set()
            lane.ring.set()

    def _wake(self, name: str) -> None:
        lane = self._lanes.get(name)
        if lane is None or not lane.is_alive():
            lane = self._lanes[name] = Lane(name, self)
            lane.start()
        lane.ring.set()


@dataclass(slots=True)
class Drained:
    """What `drain` did with a lane."""

    lane: str
    events: int = 0
    dead: int = 0
    state: str = "sent"  # sent | held (another process relays it) | stopped | late
    error: HubException | None = field(default=None)

    def as_dict(self) -> dict[str, object]:
        """JSON-able."""
        error = None if self.error is None else self.error.as_dict()
        return {"lane": self.lane, "events": self.events, "dead": self.dead, "state": self.state, "error": error}


def drain(lanes: list[str] | None = None, *, timeout: float = 120.0, now: Settings | None = None) -> list[Drained]:
    """Sends all that waits, in `lanes` or everywhere, in this process; a lane held elsewhere is left to its holder.

    Never raises for a lane: its state says what became of it. Transient errors are tried again until `timeout` s.
    """
    now = now or settings()
    if lanes is None:
        with connection() as conn:
            lanes = waiting_lanes(conn)
    until = time.monotonic() + timeout
    with Cluster(now) as cluster:
        return [_drain(lane, cluster, now, until) for lane in lanes]


def _drain(lane: str, cluster: Cluster, now: Settings, until: float) -> Drained:
    done, backoff = Drained(lane), Backoff(2.0)
    while True:
        try:
            with open_session(lane, cluster, now) as session:
                while (turn := session.turn()) is not None:
                    done.events += turn.events
                    done.dead += turn.dead
                    backoff.reset()
            done.state, done.error = "sent", None
            return done
        except LaneBusy as error:
            done.state, done.error = "held", error
            return done
        except TransientError as error:
            done.state, done.error = "late", error
            cluster.close()
            if time.monotonic() > until:
                return done
            time.sleep(backoff.seconds())
        except HubError as error:
            done.state, done.error = "stopped", error
            return done
