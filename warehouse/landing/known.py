"""Deliveries that were taken before: the same again is no new batch, and an empty pull makes none."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from connectors.base import Delivery
from contracts.model import FeedContract
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.batches import FROM_OUTSIDE, Batch
from warehouse.tables import WAITING, batch, cursor, source_look

_TAKEN = ("landed", "checked", "loading", "loaded", "held", "released", "rejected")
_PLACE = sa.func.coalesce(batch.c.order_no, batch.c.batch_no)
_VEIL = "hmac:"
_APPEARED = batch.c.appearance.is_not(None)
_DECIDED = batch.c.appearance.between(_VEIL, "hmac;")  # a range, so that the index serves


class TakenBefore:
    """What a connector that keeps files asks of a source: looked up by an index, never the whole history.

    Refused files were not taken. Those that could not be read are read again, since the contract may have been corrected;
    those that the gate refused are refused for good (`refused_for_good`). `conn` has no transaction open when asked.
    """

    def __init__(self, conn: sa.Connection, feed: FeedId, source: str) -> None:
        self._conn, self._feed, self._source = conn, feed, source
        self._any = False

    def empty(self) -> bool:
        """Whether nothing of the source was ever taken."""
        if not self._any:
            query = sa.select(batch.c.batch_id).where(*_taken(self._feed, self._source), _APPEARED).limit(1)
            with self._conn.begin():
                self._any = self._conn.scalar(query) is not None
        return not self._any

    def among(self, appearances: Iterable[str]) -> frozenset[str]:
        """Which of these appearances were taken."""
        asked = list(appearances)
        if not asked:
            return frozenset()
        met = batch.c.appearance == sa.func.any(sa.literal(asked, ARRAY(sa.Text)))
        query = sa.select(batch.c.appearance).where(*_taken(self._feed, self._source), met)
        with self._conn.begin():
            return frozenset(self._conn.execute(query).scalars())

    def latest(self) -> str | None:
        """Appearance of what the source brought last, by the order of loads; None where `last_word` knows none."""
        with self._conn.begin():
            found = last_word(self._conn, self._feed, self._source)
        return None if found is None else found.appearance


def last_word(conn: sa.Connection, feed: FeedId, source: str) -> Batch | None:
    """The batch of the delivery that a source brought last, by the order of loads, or None.

    None also where a file came since that could not be read and may be one day: after it the same again says something,
    and must be there to be told from the file when that is read. What the gate refused said nothing and never will.
    """
    place = _PLACE.desc()
    found = conn.execute(
        sa.select(batch.c.batch_id, _PLACE).where(*_taken(feed, source)).order_by(place).limit(1)
    ).first()
    if found is None:
        return None
    since = sa.select(batch.c.batch_no).where(*_waits(feed, source), found[1] < _PLACE).limit(1)
    return batches.get(conn, BatchId(found[0])) if conn.scalar(since) is None else None


def already_taken(conn: sa.Connection, here: Batch, delivery: Delivery) -> Batch | None:
    """The batch that took the same delivery before, or None.

    A delivery is the same when it equals the one before it: a source that goes from A to B and back to A says something
    new each time. In a backfill also a file that was taken in its time.
    """
    if delivery.sha256 is None:
        return None
    if here.kind == "backfill" and delivery.appearance is not None:
        met = sa.select(batch.c.batch_id).where(
            *_taken(here.feed, here.source), batch.c.appearance == delivery.appearance
        )
        found = conn.scalar(met.limit(1))
        if found is not None:
            return batches.get(conn, BatchId(found))
    latest = last_word(conn, here.feed, here.source)
    return latest if latest is not None and latest.delivery_sha256 == delivery.sha256 else None


def _taken(feed: FeedId, source: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (batch.c.feed == feed, batch.c.source == source, batch.c.state.in_(_TAKEN), batch.c.kind.in_(FROM_OUTSIDE))


def _waits(feed: FeedId, source: str) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """Files that could not be read and have not been read since. What the gate refused doesn't wait: it was decided."""
    # As literals: the index of what waits is used only where the planner sees its condition.
    return (batch.c.feed == feed, batch.c.source == source, batch.c.state == "refused", sa.text(WAITING))


def veiled(appearance: str, key: bytes) -> str:
    """An appearance as it is kept of what the gate refused: whoever has the file can't look for its hash."""
    return f"{_VEIL}{hmac.digest(key, f'appearance:{appearance}'.encode(), 'sha256').hex()}"


def refused_for_good(conn: sa.Connection, feed: FeedId, source: str, delivery: Delivery, key: bytes) -> Batch | None:
    """The batch in which the gate refused this very file, or None. `conn` has no transaction open.

    A gate that was relaxed since doesn't let in by itself what was turned away at it: the sender delivers anew.
    """
    query = sa.select(batch.c.batch_id).where(
        batch.c.feed == feed, batch.c.source == source, batch.c.state == "refused", _DECIDED
    )
    with conn.begin():
        if conn.scalar(query.limit(1)) is None:  # the rule: nothing needs to be hashed
            return None
    _, met_as = delivery.identity()
    if met_as is None:
        return None
    with conn.begin():
        found = conn.scalar(query.where(batch.c.appearance == veiled(met_as, key)).limit(1))
        return None if found is None else batches.get(conn, BatchId(found))


def settle(conn: sa.Connection, here: Batch, delivery: Delivery) -> int:
    """Ends the waiting of a file that is taken now; returns its place in the order of loads: where it first came.

    A file that couldn't be read and can be since the contract was corrected comes after newer ones, and is older; so is
    one that was touched meanwhile. Once the file was read, the same put back later is news: the batches that waited for
    it no longer bear its appearance.
    """
    if delivery.appearance is None:
        return here.order_no
    same = batch.c.appearance == delivery.appearance
    if here.delivery == delivery.name and delivery.sha256 is not None:
        same |= _touched(here.feed, here.source, here.delivery, delivery.sha256)
    waiting = sa.update(batch).where(*_waits(here.feed, here.source), same).values(appearance=None).returning(_PLACE)
    first = min(conn.execute(waiting).scalars(), default=here.order_no)
    return int(first) if here.kind == "pull" else here.order_no


def _touched(feed: FeedId, source: str, name: str, sha256: str) -> sa.ColumnElement[bool]:
    """Batches of that name and those bytes, where nothing else came under the name since."""
    since = batch.alias()
    other = sa.exists().where(
        since.c.feed == feed,
        since.c.source == source,
        since.c.delivery == name,
        since.c.batch_no > batch.c.batch_no,
        since.c.delivery_sha256 != sha256,
    )
    return sa.and_(batch.c.delivery == name, batch.c.delivery_sha256 == sha256, ~other)


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery that is refused, or can't be read."""

    source: str
    identity: str | None  # SHA-256; of what the gate refused an HMAC that only the same file under the same name has
    appearance: str | None  # as it is kept
    name: str | None  # None where it had to be masked: nobody can say that two such are the same


def refused_before(conn: sa.Connection, contract: FeedContract, now: Refused) -> Batch | None:
    """The batch in which the same delivery was refused under the same contract, or None.

    Bytes that could not be read and are sent again, with a new name and a new time or after something else came under
    their name, are another delivery: should they be read one day, they have a place of their own in the order of loads.
    """
    if now.identity is None:
        return None
    query = sa.select(batch.c.batch_id).where(
        batch.c.feed == contract.id,
        batch.c.source == now.source,
        batch.c.state == "refused",
        batch.c.contract_sha256 == contract.sha256,
        batch.c.delivery_sha256 == now.identity,
    )
    decided = now.identity.startswith(_VEIL)
    if not decided:
        same = batch.c.appearance.is_not_distinct_from(now.appearance)
        if now.name is not None and now.appearance is not None:
            same |= _APPEARED & _touched(contract.id, now.source, now.name, now.identity)
        query = query.where(same)
    found = conn.scalar(query.order_by(batch.c.batch_no.desc()).limit(1))
    if found is None:
        return None
    if decided and now.appearance is not None:  # touched: refused for good as it lies there now
        conn.execute(sa.update(batch).where(batch.c.batch_id == found).values(appearance=now.appearance))
    return batches.get(conn, BatchId(found))


def stop_waiting(
    conn: sa.Connection, feed: FeedId, source: str, *, met: Iterable[BatchId], pending: Iterable[str]
) -> int:
    """Ends the waiting of files that no longer lie at their source; returns how many. After a whole visit.

    They can't be read any more, and while a delivery waits every load notes what it confirmed. `met` are the batches of
    what was met again and still can't be read, `pending` the names, as stored, of files that didn't rest yet.
    """
    still = sa.select(batch.c.delivery_sha256).where(
        batch.c.batch_id.in_(list(met)), batch.c.delivery_sha256.is_not(None)
    )
    gone = (
        sa.update(batch)
        .where(
            *_waits(feed, source),
            sa.or_(batch.c.delivery_sha256.is_(None), batch.c.delivery_sha256.not_in(still)),
            batch.c.delivery.not_in(list(pending)),
        )
        .values(appearance=None)
    )
    return conn.execute(gone).rowcount


def cursor_of(conn: sa.Connection, feed: FeedId, source: str) -> Mapping[str, Any] | None:
    """Where the next pull of a source starts; None before the first."""
    value = conn.scalar(sa.select(cursor.c.value).where(cursor.c.feed == feed, cursor.c.source == source))
    return None if value is None else dict(value)


def note_look(
    conn: sa.Connection, feed: FeedId, source: str, cursor_after: Mapping[str, Any] | None, *, found: bool | None
) -> None:
    """Notes that a source was looked at. Where nothing was found there is no batch to move the cursor, so it moves here.

    `found` is None where something lay there of which nothing landed: it is neither new nor empty.
    """
    now = sa.func.now()
    values: dict[str, Any] = {"looked_at": now, "empty_looks": 0} if found else {"looked_at": now}
    if found:
        values["found_at"] = now
    empty = found is False
    statement = insert(source_look).values(feed=feed, source=source, **{"empty_looks": int(empty), **values})
    update = {**values, "empty_looks": source_look.c.empty_looks + 1} if empty else dict(values)
    conn.execute(statement.on_conflict_do_update(index_elements=["feed", "source"], set_=update))
    if not found and cursor_after is not None:
        keep_cursor(conn, feed, source, cursor_after)


def keep_cursor(conn: sa.Connection, feed: FeedId, source: str, value: Mapping[str, Any]) -> None:
    """Saves what a source knows where no batch moves its cursor."""
    moved = {"value": dict(value), "moved_at": sa.func.now()}
    conn.execute(
        insert(cursor)
        .values(feed=feed, source=source, batch_id="", **moved)
        .on_conflict_do_update(index_elements=["feed", "source"], set_=moved)
    )
