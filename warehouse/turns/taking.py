"""One turn of one feed: what is due is taken the whole way, as a run of Airflow does it, and noted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from contracts import catalogue
from hub import crash, failure, log
from hub.errors import HubException, TransientError
from hub.ids import FeedId
from warehouse import way
from warehouse.batches import BatchOutcome
from warehouse.engine import holding, transaction
from warehouse.errors import DatabaseUnavailable, FeedBusy, FeedPaused
from warehouse.turns import book


@dataclass(frozen=True, slots=True)
class Taken:
    """What a turn brought."""

    feed: FeedId
    batches: int  # new ones
    rows: int  # that came with them
    seconds: float
    error: HubException | None  # the turn failed


def take(feed: FeedId, holder: str) -> Taken | None:
    """Takes a feed if it is due; None where it is not any more. What goes wrong with it is noted, not raised.

    Raises FeedBusy where somebody else works on it, DatabaseUnavailable.
    """
    with holding("feed", feed, wait=False) as conn:
        with conn.begin():
            if not book.begin(conn, feed, holder):
                return None
        crash.point("turn.begun")
        began = time.monotonic()
        found: list[BatchOutcome] = []
        error: HubException | None = None
        try:
            found, error = _carry(conn, feed)
        except DatabaseUnavailable:
            raise  # the lock is gone with it: whoever takes the next turn finds this one without an end
        except Exception as raised:  # noqa: BLE001 - whatever is wrong with one feed is no other feed's business
            error = failure.told(raised)
            if error is not raised:
                log.get("turns").error("unforeseen", feed=feed, frames=failure.story(raised))
        crash.point("turn.carried")
        seconds = time.monotonic() - began
        if conn.in_transaction():
            conn.rollback()
        with conn.begin():
            book.end(conn, feed, seconds, error)
    return _told(feed, found, seconds, error)


def take_late(holder: str, *, late_seconds: float, patience_seconds: float) -> list[Taken]:
    """Takes what is due for so long that no worker seems to serve it, one after another while there is time.

    A feed that somebody works on is left to them. Raises DatabaseUnavailable.
    """
    until = time.monotonic() + patience_seconds
    done: list[Taken] = []
    with transaction() as conn:
        late = book.due(conn, since=late_seconds, limit=1_000)
    for feed in late:
        if time.monotonic() > until:
            break
        try:
            taken = take(feed, holder)
        except FeedBusy:
            continue
        if taken is not None:
            done.append(taken)
    return done


def _carry(conn: sa.Connection, feed: FeedId) -> tuple[list[BatchOutcome], HubException | None]:
    contract = catalogue.load_one(feed)
    outcomes: list[BatchOutcome] = []
    errors: list[HubException] = []
    for source, found in way.each_source(contract, [source.id for source in contract.sources], held=conn):
        if isinstance(found, FeedPaused):
            break  # a person's word, no failure
        if isinstance(found, DatabaseUnavailable):
            raise found
        if isinstance(found, HubException):
            log.get("turns").warning("source not taken", feed=feed, source=source, error=found)
            errors.append(found)
        else:
            outcomes += found
    return outcomes, _first(errors)


def _first(errors: Iterable[HubException]) -> HubException | None:
    """The error that a turn is noted with: what somebody must act on before what may pass by itself."""
    listed = list(errors)
    return next((one for one in listed if not isinstance(one, TransientError)), listed[0] if listed else None)


def _told(feed: FeedId, found: list[BatchOutcome], seconds: float, error: HubException | None) -> Taken:
    fresh = [one for one in found if not one.repeated]
    say = log.get("turns")
    for one in fresh:
        facts = {"batch": one.batch_id, "state": one.state, "rows": one.rows_in, "events": one.events}
        (say.warning if one.error or one.state == "held" else say.info)("batch", feed=feed, **facts)
    if error is not None:
        say.error("turn failed", feed=feed, seconds=round(seconds, 2), error=error)
    return Taken(feed, len(fresh), sum(one.rows_in for one in fresh), seconds, error)
