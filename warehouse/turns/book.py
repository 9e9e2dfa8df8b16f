"""The book of turns: which feeds the worker takes, when each is due, and how its turns went.

A row is a feed whose contract says `hub.latency: frequent` or `immediate`. Who takes a turn holds the feed's lock (`warehouse.engine.holding`),
the same that a run of Airflow or of the command line holds: the lock is the lease. It ends with its process, so that what
a killed one had begun is due for the next at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.catalogue import BrokenContract
from contracts.due import next_due
from contracts.errors import ContractInvalid, FeedUnknown
from contracts.model import SUFFIX, FeedContract
from hub import clock
from hub.errors import HubException
from hub.ids import FeedId
from hub.settings import settings
from warehouse.tables import feed_turn
from warehouse.turns.errors import TurnDied, TurnTooLong

CHANNEL = "hub_turn"
"""NOTIFY with a feed's id: it is due now."""

DEATHS = 2
"""After so many turns in a row that did not end, the next one waits."""

_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 900.0
_CONTRACT_AWAY = frozenset({ContractInvalid.code, FeedUnknown.code})
_NOW = sa.func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Turn:
    """How a feed stands with the worker."""

    feed: str
    schedule: str | None
    served: bool
    due_at: datetime | None
    began_at: datetime | None
    ended_at: datetime | None
    holder: str | None
    turns: int
    failed: int
    failures: int
    seconds: float | None
    error: Mapping[str, Any] | None

    @property
    def under_way(self) -> bool:
        """Whether its newest turn has not ended; nobody may be working on it any more."""
        return self.began_at is not None and self.ended_at is None

    def late(self, now: datetime) -> float:
        """Seconds since it is due; 0 where it is not, or is not served."""
        if not self.served or self.due_at is None:
            return 0.0
        return max(0.0, (now - self.due_at).total_seconds())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def frequent(contract: FeedContract) -> bool:
    """Whether the worker takes a feed."""
    return contract.latency in ("frequent", "immediate")


def sync(
    conn: sa.Connection,
    contracts: Iterable[FeedContract],
    *,
    broken: Iterable[BrokenContract] = (),
    serve_all: bool = False,
) -> None:
    """Makes the book agree with the contracts; what agrees is not written. In a transaction.

    A new feed is not served until its DAG is on, unless `serve_all`. One whose contract is `broken` stays as it is: its
    turns fail and say why, and it is due at once when the contract is mended.
    """
    wanted = {contract.id: contract.sla.schedule for contract in contracts if frequent(contract)}
    there = {turn.feed: turn for turn in listed(conn)}
    now = clock.now()
    for feed, schedule in wanted.items():
        known = there.get(feed)
        mended = known is not None and _failed_by_contract(known) and known.late(now) == 0.0
        if known is not None and known.schedule == schedule and (known.served or not serve_all) and not mended:
            continue
        values: dict[str, Any] = {"schedule": schedule}
        if mended:
            values["due_at"] = _NOW
        elif known is None or known.schedule != schedule:
            values["due_at"] = next_due(schedule, now) if schedule else None
        if serve_all:
            values["served"] = True
        statement = insert(feed_turn).values(feed=feed, **values)
        conn.execute(statement.on_conflict_do_update(index_elements=["feed"], set_=values))
    unread = list(broken)
    gone = sorted(feed for feed in there.keys() - wanted.keys() if not any(_of(feed, one) for one in unread))
    if gone:
        conn.execute(sa.delete(feed_turn).where(feed_turn.c.feed.in_(gone)))


def _of(feed: str, broken: BrokenContract) -> bool:
    """Whether that is the feed's contract; a folder that can't be read holds those of its whole domain."""
    if broken.path.endswith(SUFFIX):
        return broken.id == feed
    return feed.startswith(f"{broken.id}_")


def _failed_by_contract(turn: Turn) -> bool:
    return turn.failures > 0 and turn.error is not None and turn.error.get("code") in _CONTRACT_AWAY


def serve(conn: sa.Connection, wanted: Mapping[str, bool]) -> list[str]:
    """Says of feeds whether they are served; one that is from now on is due at once. Returns those that changed."""
    changed: list[str] = []
    for served in (True, False):
        feeds = [feed for feed, said in wanted.items() if said is served]
        values = {"served": served} | ({"due_at": _NOW} if served else {})
        update = sa.update(feed_turn).where(feed_turn.c.feed.in_(feeds), feed_turn.c.served != served).values(values)
        changed += conn.execute(update.returning(feed_turn.c.feed)).scalars().all()
    return changed


def ring(conn: sa.Connection, feed: FeedId) -> bool:
    """Makes a feed due now and wakes the workers when the transaction commits; False where no worker takes it.

    Rung while its turn is under way, it has another one after that.
    """
    done = conn.execute(sa.update(feed_turn).where(feed_turn.c.feed == feed).values(due_at=_NOW))
    if done.rowcount:
        conn.execute(sa.select(sa.func.pg_notify(CHANNEL, feed)))
    return bool(done.rowcount)


def listed(conn: sa.Connection) -> list[Turn]:
    """Every feed that the worker takes, by id."""
    return [Turn(**row) for row in conn.execute(sa.select(feed_turn).order_by(feed_turn.c.feed)).mappings()]


def of(conn: sa.Connection, feed: FeedId) -> Turn | None:
    """One feed's; None where the worker does not take it."""
    row = conn.execute(sa.select(feed_turn).where(feed_turn.c.feed == feed)).mappings().first()
    return None if row is None else Turn(**row)


def any_served(conn: sa.Connection) -> bool:
    """Whether there is anything to take at all."""
    return conn.scalar(sa.select(feed_turn.c.feed).where(feed_turn.c.served).limit(1)) is not None


def due(conn: sa.Connection, *, since: float = 0.0, limit: int = 50) -> list[FeedId]:
    """Feeds that are due for `since` seconds at least, those that wait longest first."""
    waits = feed_turn.c.served & (feed_turn.c.due_at <= _NOW - timedelta(seconds=since))
    query = sa.select(feed_turn.c.feed).where(waits).order_by(feed_turn.c.due_at, feed_turn.c.feed).limit(limit)
    return [FeedId(feed) for feed in conn.execute(query).scalars()]


def begin(conn: sa.Connection, feed: FeedId, holder: str) -> bool:
    """Begins a turn, or says False: it is not due any more, or it must wait. In a transaction, under the feed's lock.

    Where the turn before did not end, its process is gone (it would have the lock): that was a failure, and after the
    second one in a row the feed waits, so that what kills one process does not kill them all.
    """
    row = conn.execute(
        sa.select(feed_turn, (feed_turn.c.due_at <= _NOW).label("is_due"))
        .where(feed_turn.c.feed == feed, feed_turn.c.served)
        .with_for_update()
    ).first()
    if row is None or not row.is_due:
        return False
    mine = feed_turn.c.feed == feed
    changes: dict[str, Any] = {}
    if row.began_at is not None and row.ended_at is None:
        failures = row.failures + 1
        error = TurnDied(feed=feed, seconds=round((clock.now() - row.began_at).total_seconds()))
        changes = {"failures": failures, "failed": feed_turn.c.failed + 1, "error": error.as_dict()}
        if failures >= DEATHS:
            wait = _after(row.schedule, failures)
            conn.execute(sa.update(feed_turn).where(mine).values(**changes, ended_at=_NOW, due_at=wait))
            return False
    values = {**changes, "began_at": _NOW, "ended_at": None, "holder": holder, "turns": feed_turn.c.turns + 1}
    conn.execute(sa.update(feed_turn).where(mine).values(values))
    return True


def end(conn: sa.Connection, feed: FeedId, seconds: float, error: HubException | None) -> None:
    """Ends a turn. In a transaction; where it was rung meanwhile it stays due."""
    row = conn.execute(sa.select(feed_turn).where(feed_turn.c.feed == feed).with_for_update()).first()
    if row is None:
        return
    failures = row.failures + 1 if error is not None else 0
    after = _after(row.schedule, failures)
    rung = feed_turn.c.due_at > feed_turn.c.began_at
    values: dict[str, Any] = {
        "ended_at": _NOW,
        "seconds": round(seconds, 3),
        "failures": failures,
        "due_at": sa.case((rung, feed_turn.c.due_at), else_=sa.literal(after, sa.DateTime(timezone=True))),
    }
    if error is not None:
        values |= {"error": error.as_dict(), "failed": feed_turn.c.failed + 1}
    conn.execute(sa.update(feed_turn).where(feed_turn.c.feed == feed).values(values))


def cut(conn: sa.Connection, feed: FeedId, holder: str) -> bool:
    """Ends a turn whose process was killed because it took too long; False where it had ended by itself. In a transaction."""
    query = sa.select(feed_turn).where(feed_turn.c.feed == feed, feed_turn.c.holder == holder)
    row = conn.execute(query.where(feed_turn.c.ended_at.is_(None)).with_for_update()).first()
    if row is None or row.began_at is None:
        return False
    limit = settings().turn_seconds
    values = {
        "ended_at": _NOW,
        "seconds": limit,
        "failures": row.failures + 1,
        "failed": feed_turn.c.failed + 1,
        "error": TurnTooLong(feed=feed, limit=round(limit)).as_dict(),
        "due_at": _after(row.schedule, row.failures + 1),
    }
    conn.execute(sa.update(feed_turn).where(feed_turn.c.feed == feed).values(values))
    return True


def _after(schedule: str | None, failures: int) -> datetime | None:
    """When it is due again: by its schedule, and after a failure not before a pause that doubles."""
    now = clock.now()
    planned = next_due(schedule, now) if schedule else None
    if not failures:
        return planned
    pause = now + timedelta(seconds=min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10)))
    return pause if planned is None else max(planned, pause)
