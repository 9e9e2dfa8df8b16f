"""Outbox entries as lists of records, ready for the producer: what the next transaction of a lane will send.

Bulk entries come from their change set, read from the record where the position stands, a record batch at a
time; single events from their payload. Nothing here speaks to a broker.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from exchange.envelope import ChangeSetEnvelopes, Headers, stored_headers, texts
from exchange.errors import ChangeSetWrong, OutboxGap
from exchange.relay.position import Position
from hub.said import Said
from warehouse.changeset import ChangeSet
from warehouse.errors import StoreCorrupt, StoreMissing
from warehouse.store import Store
from warehouse.tables import outbox

TRANSACTION_BYTES = 32 * 1024 * 1024
"""Data of one transaction; what bounds the relay's memory together with its number of events."""

_FETCH = 200  # entries read ahead


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the outbox."""

    seq: int
    entry_id: str
    kind: str
    topic: str
    batch_id: str | None
    path: str | None
    sha256: str | None
    records: int
    event: Any


@dataclass(frozen=True, slots=True)
class Piece:
    """Records of one entry for one topic, in order; `start` is the first one's number in the entry."""

    entry: Entry
    start: int
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]


@dataclass(slots=True)
class Plan:
    """What one transaction sends and where the lane stands after it."""

    pieces: list[Piece]
    end: Position
    events: int = 0

    @property
    def first(self) -> Piece:
        """The piece that holds the plan's first record."""
        return self.pieces[0]

    def largest(self) -> int:
        """Number within the plan of the record with the most data."""
        sizes = [len(value or b"") for piece in self.pieces for value in piece.values]
        return max(range(len(sizes)), key=sizes.__getitem__)


class Outbox:
    """A lane's waiting entries, in order, as plans for transactions."""

    def __init__(self, conn: sa.Connection, lane_id: str, store: Store) -> None:
        self._conn = conn
        self._lane = lane_id
        self._store = store
        self._ahead: dict[int, Entry] = {}
        self._ahead_of: Position | None = None
        self._open: tuple[Entry, ChangeSet, ChangeSetEnvelopes] | None = None

    def close(self) -> None:
        """Gives the open file back."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def fetch(self, position: Position) -> None:
        """Reads the entries that wait after `position`. Raises OutboxGap."""
        query = (
            sa.select(outbox)
            .where(outbox.c.lane == self._lane, outbox.c.seq >= position.seq)
            .order_by(outbox.c.seq)
            .limit(_FETCH)
        )
        with self._conn.begin():
            rows = self._conn.execute(query).all()
        entries = [
            Entry(
                row.seq, row.entry_id, row.kind, row.topic, row.batch_id, row.path, row.sha256, row.records, row.event
            )
            for row in rows
            if row.seq > position.seq or row.records > position.record
        ]
        due = position.seq if entries and entries[0].seq == position.seq else position.seq + 1
        for entry in entries:
            if entry.seq != due:
                raise OutboxGap(lane=self._lane, seq=due, found=f"{entry.seq}:0")
            due += 1
        self._ahead, self._ahead_of = {entry.seq: entry for entry in entries}, position

    def waits(self, position: Position) -> int:
        """How many events wait after `position`, among the entries that one query reads. Raises OutboxGap."""
        if self._next(position)[0] is None:
            self.fetch(position)
        after = (entry for entry in self._ahead.values() if entry.seq >= position.seq)
        return sum(entry.records - (position.record if entry.seq == position.seq else 0) for entry in after)

    def plan(self, position: Position, most: int, *, fetch: bool = True) -> Plan | None:
        """The next transaction after `position`, of at most `most` events; None when nothing waits.

        With `fetch` False only entries that were read before are used, so that no query is made.
        Raises OutboxGap, ChangeSetWrong.
        """
        plan = Plan([], position)
        room = TRANSACTION_BYTES
        while plan.events < most and room > 0:
            entry, start = self._next(plan.end)
            if entry is None and fetch and not plan.pieces:
                self.fetch(plan.end)
                entry, start = self._next(plan.end)
            if entry is None:
                break
            piece, size = self._piece(entry, start, most - plan.events, room)
            count = len(piece.values)
            room -= size
            plan.pieces.append(piece)
            plan.events += count
            plan.end = Position(entry.seq, start + count, entry.entry_id)
        return plan if plan.pieces else None

    def _next(self, position: Position) -> tuple[Entry | None, int]:
        """The entry that the record after `position` stands in, and its number there; None when it was not read.

        Nothing is taken out of what was read: a plan that was not sent is made again.
        """
        if self._ahead_of is None or position[:2] < self._ahead_of[:2]:
            return None, 0
        begun = self._ahead.get(position.seq)
        if begun is not None and position.record < begun.records:
            return begun, position.record
        return self._ahead.get(position.seq + 1), 0

    def _piece(self, entry: Entry, start: int, most: int, room: int) -> tuple[Piece, int]:
        """Records of an entry from `start` on, at least one, at most `most` and as fit into `room` bytes; and their size."""
        if entry.kind == "event":
            event = entry.event
            if event["data"] is None:
                reason = Said("its data is past its retention", "其数据已过保留期")
                raise ChangeSetWrong(path=entry.entry_id, lane=self._lane, seq=entry.seq, reason=reason)
            value = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
            key = None if event["key"] is None else str(event["key"]).encode()
            return Piece(entry, 0, [key], [value], [stored_headers(event["headers"])]), len(value)
        changes, envelopes = self._changes(entry)
        batch = next(iter(changes.batches(start)))
        # No Python number goes into a kernel here: pyarrow would load pandas for it, two seconds and 60 MB.
        sizes = pc.binary_length(batch.column("data").slice(0, most)).to_pylist()
        ends = list(accumulate(sizes))
        count = max(1, bisect_right(ends, room))
        events = batch.slice(0, count)
        piece = Piece(
            entry, start, texts(events.column("key")), texts(events.column("data")), envelopes.headers(events)
        )
        return piece, ends[count - 1]

    def _changes(self, entry: Entry) -> tuple[ChangeSet, ChangeSetEnvelopes]:
        if self._open is not None and self._open[0].entry_id == entry.entry_id:
            return self._open[1], self._open[2]
        self.close()
        try:
            # Once for each entry and session: a damaged file must not go out half.
            self._store.verify(entry.path or "", entry.sha256 or "")
            changes = ChangeSet(self._store, entry.path or "")
        except (StoreMissing, StoreCorrupt) as error:
            raise self._wrong(entry, error.sentence()) from error
        except (pa.ArrowInvalid, TypeError, OSError) as error:
            raise self._wrong(
                entry, Said(f"it can't be read ({type(error).__name__})", f"无法读取（{type(error).__name__}）")
            ) from error
        if changes.records != entry.records:
            found = changes.records
            changes.close()
            raise self._wrong(
                entry,
                Said(
                    f"it holds {found} records where the entry says {entry.records}",
                    f"含 {found} 条记录，而该项声明 {entry.records} 条",
                ),
            )
        self._open = (entry, changes, ChangeSetEnvelopes(changes.facts))
        return self._open[1], self._open[2]

    def _wrong(self, entry: Entry, reason: str) -> ChangeSetWrong:
        return ChangeSetWrong(path=entry.path, lane=self._lane, seq=entry.seq, reason=reason)
