"""A chunk's rows made ready for both ends at once: binary COPY data for PostgreSQL and events for the change set.

Both go by the same groups of columns, and both are made slice by slice while they are written: what is made is still in
the processor's cache, and memory is used again at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FeedContract
from contracts.normalise.assembly import RowBytes
from warehouse.arrow import binary_copy
from warehouse.arrow.columns import flat, has_nul, repeated
from warehouse.arrow.fields import Fields, decoded
from warehouse.changeset import Events, changes, event_ids
from warehouse.feeds.tables import HUB_COLUMNS
from warehouse.loading.event_data import EventEncoder
from warehouse.loading.unfit import EVENT_SIZE, KEY_SIZE, TEXT_NUL, Unfit

COPIED = tuple(
    name for name in HUB_COLUMNS if name != "hub_loaded_at"
)  # that one is the transaction's time, the others in this order

MAX_KEY_BYTES = 2_000  # a B-tree entry must stay under 2,704


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a chunk becomes."""

    rows: int
    copied: RowBytes  # binary COPY data, without the file's header and end
    replaced: pa.StringArray  # keys whose row in the table goes to history first
    events: Events
    unfit: tuple[Unfit, ...]


def fit(contract: FeedContract, chunk: pa.Table) -> tuple[pa.Table, list[Unfit]]:
    """Sorts out rows that PostgreSQL can't hold: a NUL in a text, a key too long for the index."""
    bad: dict[int, Unfit] = {}
    keys = flat(chunk.column("_key"))
    long = pc.greater(pc.binary_length(keys), MAX_KEY_BYTES)
    if pc.any(long).as_py():
        _note(bad, chunk, long, KEY_SIZE)
    for name in (*(spec.name for spec in contract.fields if spec.type == "string"), "_key", "_subject", "_version"):
        column = flat(chunk.column(name))
        if has_nul(column.dictionary if pa.types.is_dictionary(column.type) else column):
            _note(bad, chunk, pc.match_substring(decoded(column), "\0").fill_null(False), TEXT_NUL)
    if not bad:
        return chunk, []
    keep = np.ones(chunk.num_rows, np.bool_)
    keep[list(bad)] = False
    return chunk.filter(pa.array(keep)), [bad[at] for at in sorted(bad)]


def encode(
    contract: FeedContract, encoder: EventEncoder, load: pa.Table, batch_no: int, max_event_bytes: int
) -> Encoded:
    """Encodes the rows of `merge.Merged.load`. Rows whose event is too large come back as unfit and are left out."""
    load = load.combine_chunks()
    fields = Fields.of(load, contract.fields)
    events = _events(contract, encoder, load, fields)
    unfit: list[Unfit] = []
    large = _too_large(events, max_event_bytes)
    if large is not None:
        bad: dict[int, Unfit] = {}
        _note(bad, load, pc.is_in(flat(load.column("_key")), value_set=large), EVENT_SIZE)
        unfit = [bad[at] for at in sorted(bad)]
        chosen = np.ones(load.num_rows, dtype=np.bool_)
        chosen[list(bad)] = False
        keep = pa.array(chosen)
        load, fields = load.filter(keep).combine_chunks(), fields.filter(keep)
        events = _events(contract, encoder, load, fields)
    return Encoded(
        rows=load.num_rows,
        copied=_copied(load, fields, batch_no),
        replaced=flat(load.column("_key")).filter(flat(load.column("_existed"))),
        events=events,
        unfit=tuple(unfit),
    )


def withdrawals(contract: FeedContract, encoder: EventEncoder, gone: pa.Table) -> Events:
    """Events of records that a snapshot no longer has. `gone`: _key _subject _revision _hex, in the order to send."""
    count = gone.num_rows
    gone = gone.append_column("_change", repeated("withdrawn", count)).append_column(
        "_row", pa.nulls(count, pa.int64())
    )
    return Events(_event_table(contract, gone), encoder.encode(_plain(gone), None))


def _too_large(events: Events, most: int) -> pa.StringArray | None:
    """Keys of records with an event of more than `most` bytes, or None."""
    large = events.data.lengths() > most
    return flat(events.facts.column("record_key")).filter(pa.array(large)) if large.any() else None


def contents(contract: FeedContract, rows: pa.Table) -> RowBytes:
    """Rows as binary COPY data of the contract's fields and the key, nothing else."""
    rows = rows.combine_chunks()
    fields = Fields.of(rows, contract.fields)
    written = [binary_copy.fragment(one.values, few=one.codes is not None) for one in fields.columns]
    made = RowBytes(rows.num_rows).word(binary_copy.row_start(len(fields.columns) + 1))
    made.columns(fields.groups, written)
    return made.column(*binary_copy.fragment(flat(rows.column("_key"))).bodies)


def _copied(load: pa.Table, fields: Fields, batch_no: int) -> RowBytes:
    """The rows as binary COPY data: the contract's fields, then the columns COPIED."""
    written = [binary_copy.fragment(one.values, few=one.codes is not None) for one in fields.columns]
    rows = RowBytes(load.num_rows).word(binary_copy.row_start(len(fields.columns) + len(COPIED)))
    rows.columns(fields.groups, written)
    for name in ("_key", "_revision", "_hash", "_subject", "_version"):
        rows.column(*binary_copy.fragment(flat(load.column(name))).bodies)
    rows.word(binary_copy.constant(batch_no.to_bytes(8, "big", signed=True)))
    for name in ("_row", "_changes", "_withdrawn"):
        rows.column(*binary_copy.fragment(flat(load.column(name))).bodies)
    return rows


def _events(contract: FeedContract, encoder: EventEncoder, load: pa.Table, fields: Fields) -> Events:
    """The rows' events. Withdrawals have no record; of a moved record the old Kafka key hears first that it went."""
    withdrawn = pc.equal(flat(load.column("_change")), "withdrawn")
    moved = flat(load.column("_moved"))
    if not pc.any(withdrawn).as_py() and not pc.any(moved).as_py():
        return Events(_event_table(contract, load), encoder.encode(_plain(load), fields))
    kept = pc.invert(withdrawn)
    places, parts = [], []
    for chosen, record in ((kept, True), (withdrawn, False)):
        some = load.filter(chosen).combine_chunks()
        data = encoder.encode(_plain(some), fields.filter(chosen) if record else None)
        parts.append(Events(_event_table(contract, some), data))
        places.append(np.flatnonzero(chosen.to_numpy(False)) * 2 + 1)
    left = load.filter(moved).combine_chunks()
    before = pc.subtract(flat(left.column("_revision")), pa.scalar(1, pa.int32()))
    left = left.set_column(left.schema.get_field_index("_revision"), "_revision", before)
    left = left.set_column(left.schema.get_field_index("_change"), "_change", repeated("withdrawn", left.num_rows))
    plain = _plain(left).drop_columns("moved_from").append_column("moved_to", flat(left.column("_subject")))
    left = left.set_column(left.schema.get_field_index("_subject"), "_subject", flat(left.column("_old_subject")))
    parts.append(Events(_event_table(contract, left), encoder.encode(plain, None)))
    places.append(np.flatnonzero(moved.to_numpy(False)) * 2)
    return Events.in_order(parts, np.argsort(np.concatenate(places)))


def _plain(load: pa.Table) -> pa.Table:
    """What an event says beside its record."""
    columns = {
        "record_key": load.column("_key"),
        "revision": load.column("_revision"),
        "change": load.column("_change"),
        "row": load.column("_row"),
        "hash": load.column("_hex"),
    }
    if "_moved" in load.column_names:
        old = flat(load.column("_old_subject"))
        columns["moved_from"] = pc.if_else(flat(load.column("_moved")), old, pa.scalar(None, pa.string()))
    return pa.table(columns)


def _event_table(contract: FeedContract, load: pa.Table) -> pa.Table:
    keys = flat(load.column("_key"))
    revisions = flat(load.column("_revision"))
    return pa.table(
        {
            "key": flat(load.column("_subject")),
            "event_id": event_ids(contract.id, keys, revisions),
            "record_key": keys,
            "revision": revisions,
            "change": changes(flat(load.column("_change"))),
        }
    )


def _note(bad: dict[int, Unfit], rows: pa.Table, mask: pa.BooleanArray | pa.ChunkedArray, rule: str) -> None:
    for at in pc.indices_nonzero(flat(mask)).to_pylist():
        key = str(rows.column("_key")[at].as_py())[:200]
        bad.setdefault(at, Unfit(int(rows.column("_row")[at].as_py()), key, rule))
