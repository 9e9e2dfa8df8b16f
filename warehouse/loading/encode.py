"""A chunk's rows made ready for both ends at once: CSV for PostgreSQL and events for the change set.

The fields are turned into text once; both ends use that. Pure column work, run beside the COPY of the chunk before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FeedContract
from warehouse.arrow.columns import flat, has_nul, repeated, texts
from warehouse.arrow.copying import csv_of
from warehouse.changeset import SCHEMA, event_ids
from warehouse.feeds.tables import HUB_COLUMNS
from warehouse.loading.event_data import EventEncoder
from warehouse.loading.unfit import EVENT_SIZE, KEY_SIZE, TEXT_NUL, Unfit

COPIED = tuple(name for name in HUB_COLUMNS if name != "hub_loaded_at")  # that one is the transaction's time

MAX_KEY_BYTES = 2_000  # a B-tree entry must stay under 2,704


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a chunk becomes."""

    rows: int
    csv: pa.Buffer
    replaced: pa.StringArray  # keys whose row in the table goes to history first
    events: pa.Table  # columns of changeset.SCHEMA
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
        if has_nul(column):
            _note(bad, chunk, pc.match_substring(column, "\0").fill_null(False), TEXT_NUL)
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
    fields = texts(load, contract.fields)
    data = _data(encoder, load, fields)
    large = pc.greater(pc.binary_length(data), max_event_bytes)
    unfit: list[Unfit] = []
    if pc.any(large).as_py():
        bad: dict[int, Unfit] = {}
        _note(bad, load, large, EVENT_SIZE)
        unfit = [bad[at] for at in sorted(bad)]
        keep = pc.invert(large)
        load, data = load.filter(keep).combine_chunks(), data.filter(keep)
        fields = {name: column.filter(keep) for name, column in fields.items()}
    return Encoded(
        rows=load.num_rows,
        csv=csv_of({**fields, **_hub_columns(load, batch_no)}),
        replaced=flat(load.column("_key")).filter(flat(load.column("_existed"))),
        events=_events(contract, encoder, load, data),
        unfit=tuple(unfit),
    )


def withdrawals(contract: FeedContract, encoder: EventEncoder, gone: pa.Table) -> pa.Table:
    """Events of records that a snapshot no longer has. `gone`: _key _subject _revision _hex, in the order to send."""
    count = gone.num_rows
    gone = gone.append_column("_change", repeated("withdrawn", count)).append_column(
        "_row", pa.nulls(count, pa.int64())
    )
    return _event_table(contract, gone, encoder.encode(_plain(gone), None))


def _data(encoder: EventEncoder, load: pa.Table, fields: Mapping[str, pa.StringArray]) -> pa.ChunkedArray:
    """The JSON of each row's own event; withdrawals have no record."""
    withdrawn = pc.equal(flat(load.column("_change")), "withdrawn")
    if not pc.any(withdrawn).as_py():
        return encoder.encode(_plain(load), fields)
    kept = pc.invert(withdrawn)
    full = encoder.encode(_plain(load.filter(kept)), {name: column.filter(kept) for name, column in fields.items()})
    bare = encoder.encode(_plain(load.filter(withdrawn)), None)
    order = np.argsort(
        np.concatenate([np.flatnonzero(kept.to_numpy(False)), np.flatnonzero(withdrawn.to_numpy(False))])
    )
    return pa.chunked_array([*full.chunks, *bare.chunks], pa.large_binary()).take(pa.array(order))


def _events(contract: FeedContract, encoder: EventEncoder, load: pa.Table, data: pa.ChunkedArray) -> pa.Table:
    events = _event_table(contract, load, data)
    moved = flat(load.column("_moved"))
    if not pc.any(moved).as_py():
        return events
    # The old Kafka key hears first that its record went elsewhere; the new key's event follows at once.
    left = load.filter(moved).combine_chunks()
    count = left.num_rows
    left = left.set_column(
        left.schema.get_field_index("_revision"),
        "_revision",
        pc.subtract(flat(left.column("_revision")), pa.scalar(1, pa.int32())),
    )
    left = left.set_column(left.schema.get_field_index("_change"), "_change", repeated("withdrawn", count))
    plain = _plain(left).drop_columns("moved_from").append_column("moved_to", flat(left.column("_subject")))
    left = left.set_column(left.schema.get_field_index("_subject"), "_subject", flat(left.column("_old_subject")))
    before = _event_table(contract, left, encoder.encode(plain, None))
    where = np.concatenate([np.arange(load.num_rows) * 2 + 1, np.flatnonzero(moved.to_numpy(False)) * 2])
    return pa.concat_tables([events, before]).combine_chunks().take(pa.array(np.argsort(where)))


def _plain(load: pa.Table) -> pa.Table:
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


def _event_table(contract: FeedContract, load: pa.Table, data: pa.ChunkedArray) -> pa.Table:
    keys = flat(load.column("_key"))
    revisions = flat(load.column("_revision"))
    return pa.table(
        {
            "key": flat(load.column("_subject")),
            "event_id": event_ids(contract.id, keys, revisions),
            "record_key": keys,
            "revision": revisions,
            "change": flat(load.column("_change")).dictionary_encode().cast(SCHEMA.field("change").type),
            "data": data,
        }
    )


def _hub_columns(load: pa.Table, batch_no: int) -> dict[str, pa.StringArray]:
    def text(name: str) -> pa.StringArray:
        column = flat(load.column(name))
        return column if pa.types.is_string(column.type) else column.cast(pa.string())

    return {
        "hub_key": text("_key"),
        "hub_revision": text("_revision"),
        "hub_hash": pc.binary_join_element_wise(pa.scalar("\\x"), flat(load.column("_hex")), ""),
        "hub_subject": text("_subject"),
        "hub_version": text("_version"),
        "hub_batch_no": repeated(str(batch_no), load.num_rows),
        "hub_row": text("_row"),
        "hub_changes": text("_changes"),
        "hub_withdrawn": text("_withdrawn"),
    }


def _note(bad: dict[int, Unfit], rows: pa.Table, mask: pa.BooleanArray | pa.ChunkedArray, rule: str) -> None:
    for at in pc.indices_nonzero(flat(mask)).to_pylist():
        key = str(rows.column("_key")[at].as_py())[:200]
        bad.setdefault(at, Unfit(int(rows.column("_row")[at].as_py()), key, rule))
