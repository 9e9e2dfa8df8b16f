"""A page's rows beside the events that a restored database lost (`warehouse/lost.py`): which revision comes next.

Subscribers have those events, the table does not. A row that says what one of them said gets that event's revision, so
its event is known by its id. Any other comes after all of them, as a change of what the last one said. A row that
says just what the table says is no news while deliveries still come again in their order; once a person has settled
the lane it is, where subscribers were told something else last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from contracts.normalise.buffers import Mask, to_mask
from warehouse import lost
from warehouse.arrow.columns import agree, flat
from warehouse.arrow.copying import copy_out

Numbers = np.ndarray[tuple[int], np.dtype[np.int32]]

_EVENTS = pa.schema(
    [
        ("key", pa.string()),
        ("revision", pa.int32()),
        ("change", pa.string()),
        ("hash", pa.string()),
        ("subject", pa.string()),
        ("settled", pa.bool_()),
    ]
)
_NO_SUBJECT = "\0"  # no text in PostgreSQL holds it, so it is never a subject


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a page's rows before the lost events are looked at; all of the page's length."""

    keys: pa.StringArray
    hexes: pa.StringArray
    subjects: pa.StringArray
    withdraws: Mask
    revisions: Numbers  # of the table; 0 where it has no row
    same: Mask  # says what the table says; a withdrawal does where the table has no such record
    moved: Mask  # of what the table has
    old_subjects: pa.StringArray


@dataclass(frozen=True, slots=True)
class Beside:
    """What the lost events say of a page's rows."""

    given: Numbers  # the revision that a lost event with the same words has; 0: none
    change: pa.StringArray  # that event's
    subject: pa.StringArray  # that event's: a withdrawal that comes again goes under the key under which it went
    after: Mask  # rows that come after the last lost event, as changes of what it said
    top: Numbers  # the last lost event's revision, its subject and whether it withdrew
    top_subject: pa.StringArray
    top_withdrawn: Mask


@dataclass(frozen=True, slots=True)
class Lost:
    """The lost events of one feed: `events` by key and revision, with what came before each; `last` of each key."""

    events: pa.Table
    last: pa.Table

    def beside(self, rows: Row) -> Beside:
        """What the lost events say of these rows."""
        places = pc.index_in(rows.keys, value_set=flat(self.last.column("key")))
        last = {name: flat(self.last.column(name)).take(places) for name in _EVENTS.names}
        top: Numbers = last["revision"].fill_null(0).to_numpy(zero_copy_only=False).astype(np.int32)
        withdrawn = to_mask(pc.equal(last["change"], "withdrawn"))
        given, change, subject = self._given(rows, top > rows.revisions)
        other = withdrawn | ~to_mask(pc.equal(last["hash"], rows.hexes)) | ~agree(last["subject"], rows.subjects)
        told = np.where(rows.withdraws, ~withdrawn, other)
        news = to_mask(last["settled"]) & (top >= rows.revisions) & told
        after = np.where(rows.same, news, (top > rows.revisions) & (given == 0)).astype(np.bool_)
        return Beside(given, change, subject, after, top, last["subject"], withdrawn)

    def _given(self, rows: Row, open_: Mask) -> tuple[Numbers, pa.StringArray, pa.StringArray]:
        """The first lost event after the table's revision that says what the row says: its revision, change and subject."""
        count = len(rows.keys)
        given: Numbers = np.zeros(count, np.int32)
        at = np.flatnonzero(open_ & ~rows.same)
        if not len(at):
            return given, pa.nulls(count, pa.string()), pa.nulls(count, pa.string())
        mine = pa.table(
            {
                "key": rows.keys.take(at),
                "at": at,
                "mine_hash": rows.hexes.take(at),
                "mine_subject": rows.subjects.fill_null(_NO_SUBJECT).take(at),
                "old_subject": rows.old_subjects.fill_null(_NO_SUBJECT).take(at),
                "withdraws": rows.withdraws[at],
                "moved": rows.moved[at],
                "least": rows.revisions[at] + 1 + rows.moved[at],
            }
        )
        both = mine.join(self.events, "key", join_type="inner").combine_chunks()
        withdrawn = pc.equal(both.column("change"), "withdrawn")
        says = pc.and_(
            pc.is_in(both.column("change"), value_set=pa.array(["recorded", "corrected"])),
            pc.and_(
                pc.equal(both.column("hash"), both.column("mine_hash")).fill_null(False),
                pc.equal(both.column("subject"), both.column("mine_subject")),
            ),
        )
        # A move is two events. The row's own would be the two that end in this one only if the same move led to it.
        moves = pc.and_(
            pc.equal(both.column("before"), "moved"), pc.equal(both.column("left"), both.column("old_subject"))
        ).fill_null(False)
        # Once settled, an id of the past is no news to subscribers that were told something else since.
        open_yet = pc.or_(pc.invert(both.column("settled")), both.column("newest"))
        fits = pc.and_(
            pc.greater_equal(both.column("revision"), both.column("least")),
            pc.and_(
                pc.and_(pc.if_else(both.column("withdraws"), withdrawn, says), open_yet),
                pc.or_(pc.invert(both.column("moved")), moves),
            ),
        )
        hits = both.filter(fits).sort_by([("at", "ascending"), ("revision", "ascending")]).combine_chunks()
        places, first = np.unique(flat(hits.column("at")).to_numpy(zero_copy_only=False), return_index=True)
        given[places] = flat(hits.column("revision")).to_numpy(zero_copy_only=False)[first]
        chosen = np.full(count, -1, np.int64)
        chosen[places] = first
        at_hits, filled = pa.array(chosen, mask=chosen < 0), flat(hits.column("subject"))
        subject = pc.if_else(pc.equal(filled, _NO_SUBJECT), pa.scalar(None, pa.string()), filled)
        return given, flat(hits.column("change")).take(at_hits), subject.take(at_hits)


def of(conn: sa.Connection, contract: FeedContract) -> Lost | None:
    """The feed's lost events, or None, which is what nearly every load gets. In a transaction."""
    if not lost.any_of(conn, contract.id):
        return None
    query = sql.SQL(
        'select record_key, revision, change, hash, subject, settled from hub.lost_event where feed = {} order by record_key collate "C", revision'
    ).format(sql.Literal(contract.id))
    return made(copy_out(conn, query, _EVENTS))


def made(found: pa.Table) -> Lost:
    """`found`: columns key, revision, change, hash, subject, settled, in the order of key and revision."""
    found = found.combine_chunks()
    key, revision = flat(found.column("key")), flat(found.column("revision")).to_numpy(zero_copy_only=False)
    count = found.num_rows
    same_key = to_mask(pc.equal(key.slice(1), key.slice(0, max(count - 1, 0)))) if count else np.zeros(0, np.bool_)
    last = np.append(~same_key, True)[:count]
    follows = np.insert(same_key & (np.diff(revision) == 1), 0, False)[:count]
    filled = flat(found.column("subject")).fill_null(_NO_SUBJECT)
    events = found.set_column(4, "subject", filled).append_column("newest", pa.array(last))
    for name, source in (("before", flat(found.column("change"))), ("left", filled)):
        shifted = pa.concat_arrays([pa.nulls(1, pa.string()), source.slice(0, max(count - 1, 0))]).slice(0, count)
        events = events.append_column(name, pc.if_else(pa.array(follows), shifted, pa.scalar(None, pa.string())))
    return Lost(events, found.filter(pa.array(last)).combine_chunks())
