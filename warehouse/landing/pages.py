"""Landed deliveries: every page of rows that passed the gate, exactly as it came, and a manifest over them all.

A page is an Arrow file: the delivered columns as text under "c:<name>" (so that no delivered name can pose as one of
ours), `_row`, `_source_row`, `_hmac`, and for rows that could not be split `_text` and `_reason`.

The hash of a row is SHA-256 of its values as a canonical JSON array in the order of delivery: `row_hashes` gives it
for every row of a page, whose own SHA-256 stands in the manifest. It is worked out when somebody asks, and for good
before a page is purged: on the way in it would cost a tenth of the whole way. Where the gate masked something, what
can be worked out later is not what came; there `_hmac` holds the HMAC of the row as it came, taken at the gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.gate.trace import Tracer
from contracts.page import GatedPage, MalformedRow, RawPage
from hub.canonical import canonical_bytes
from hub.ids import BatchId, FeedId
from warehouse.arrow.columns import flat, json_objects, json_quoted
from warehouse.store import Store, ipc_options

_COLUMN = "c:"
_JOIN_ROWS = 8_192
ROW_HASH = "SHA-256 of the canonical JSON array of the row's values; HMAC-SHA-256 where the gate masked one"


@dataclass(frozen=True, slots=True)
class LandedPage:
    """A page of rows in the store."""

    ordinal: int
    path: str
    sha256: str
    bytes: int
    rows: int  # malformed ones too
    unit: str
    first_row: int  # 0 where there is none
    last_row: int


def folder(feed: FeedId, batch_id: BatchId) -> str:
    """Where a batch's landed pages lie in the store."""
    return f"landing/{feed}/{batch_id}"


def landed_table(gated: GatedPage, came: RawPage, tracer: Tracer) -> pa.Table:
    """What lands of a page; `came` is the page before the gate, for its HMACs."""
    page = gated.page
    table = pa.table(
        [flat(column) for column in page.table.columns],
        names=[_COLUMN + name for name in page.table.column_names],
    )
    table = table.append_column("_row", page.rows).append_column("_source_row", page.source_rows)
    table = table.append_column("_hmac", _hmacs(gated, came, tracer))
    if page.malformed:
        table = pa.concat_tables([table, _malformed(page.malformed)], promote_options="default").sort_by("_row")
    return table.replace_schema_metadata({b"unit": page.unit.encode(), b"ordinal": str(page.ordinal).encode()})


def write_table(store: Store, where: str, table: pa.Table) -> LandedPage:
    """Writes and fsyncs what lands of a page into the folder `where`."""
    unit, ordinal = _standing(table)
    path = f"{where}/rows-{ordinal:05d}.arrow"
    with store.writer(path) as file, pa.ipc.new_file(file, table.schema, options=ipc_options()) as ipc:
        ipc.write_table(table)
    bounds = pc.min_max(table.column("_row")).as_py()
    return LandedPage(
        ordinal, path, file.sha256, file.size, table.num_rows, unit, bounds["min"] or 0, bounds["max"] or 0
    )


def read_page(store: Store, path: str) -> RawPage:
    """A landed page as it was let through. Raises StoreMissing."""
    return raw_page(_open(store, path))


def raw_page(table: pa.Table) -> RawPage:
    """The page that landed as a table."""
    unit, ordinal = _standing(table)
    malformed: tuple[MalformedRow, ...] = ()
    if "_text" in table.column_names:
        split = table.column("_text").is_null()
        broken = table.filter(pc.invert(split)).select(["_row", "_source_row", "_text", "_reason"])
        malformed = tuple(MalformedRow(*row.values()) for row in broken.to_pylist())
        table = table.filter(split)
    return RawPage(
        ordinal, unit, _delivered(table), flat(table.column("_row")), flat(table.column("_source_row")), malformed
    )


def page_path(feed: FeedId, batch_id: BatchId, ordinal: int) -> str:
    """Where a landed page lies in the store."""
    return f"{folder(feed, batch_id)}/rows-{ordinal:05d}.arrow"


def read_rows(store: Store, path: str, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    """Some rows of a landed page for the quarantine: _row · _source_row · _unit · _raw (JSON object of the values)."""
    # Mapped, not read: of a large page only the rows asked for are touched.
    with pa.memory_map(str(store.existing(path))) as source:
        table = pa.ipc.open_file(source).read_all()
        unit = table.schema.metadata[b"unit"].decode()
        table = table.filter(pc.is_in(table.column("_row"), pa.array(rows))).combine_chunks()
    names = numbered(_names(table))
    raw = json_objects({name: flat(column) for name, column in zip(names, _delivered(table).columns, strict=True)})
    return pa.table(
        {
            "_row": flat(table.column("_row")),
            "_source_row": flat(table.column("_source_row")),
            "_unit": pa.repeat(pa.scalar(unit), table.num_rows),
            "_raw": raw,
        }
    )


def row_hashes(store: Store, path: str) -> pa.Table:
    """The hash of every row of a landed page: `_row` int64, `_row_hash` fixed_size_binary(32), `_masked` bool."""
    table = _open(store, path)
    hashes = pa.array(_sha256s(_delivered(table)), pa.binary(32))
    if "_text" in table.column_names:
        text = flat(table.column("_text"))
        broken = [hashlib.sha256(value.encode()).digest() for value in text.drop_null().to_pylist()]
        hashes = pc.replace_with_mask(hashes, text.is_valid(), pa.array(broken, pa.binary(32)))
    masked = flat(table.column("_hmac"))
    hashes = pc.coalesce(masked, hashes)
    return pa.table({"_row": flat(table.column("_row")), "_row_hash": hashes, "_masked": masked.is_valid()})


def columns_of(store: Store, path: str) -> list[str]:
    """The delivered column names of a landed page, in order."""
    with pa.OSFile(str(store.existing(path))) as source:
        names = pa.ipc.open_file(source).schema.names
    return [name.removeprefix(_COLUMN) for name in names if name.startswith(_COLUMN)]


def numbered(headers: Sequence[str]) -> list[str]:
    """The headers as the names of a JSON object: one that repeats is numbered, as the checks do it."""
    names: list[str] = []
    for header in headers:
        name, number = header, 2
        while name in names:
            name, number = f"{header} ({number})", number + 1
        names.append(name)
    return names


def write_manifest(
    store: Store, where: str, pages: Iterable[LandedPage], facts: Mapping[str, Any]
) -> tuple[str, str, int]:
    """Writes manifest.json, canonical JSON over the facts and the pages' hashes; returns path, SHA-256 and bytes."""
    listed = [{name: value for name, value in asdict(page).items() if name != "path"} for page in pages]
    data = canonical_bytes({"manifest": 1, "row_hash": ROW_HASH, **facts, "pages": listed})
    path = f"{where}/manifest.json"
    return path, store.put(path, data), len(data)


def _open(store: Store, path: str) -> pa.Table:
    with pa.OSFile(str(store.existing(path))) as source:
        return pa.ipc.open_file(source).read_all()


def _standing(table: pa.Table) -> tuple[str, int]:
    """Unit and ordinal of the page."""
    metadata = table.schema.metadata
    return metadata[b"unit"].decode(), int(metadata[b"ordinal"])


def _names(table: pa.Table) -> list[str]:
    return [name.removeprefix(_COLUMN) for name in table.column_names if name.startswith(_COLUMN)]


def _delivered(table: pa.Table) -> pa.Table:
    chosen = [index for index, name in enumerate(table.column_names) if name.startswith(_COLUMN)]
    return pa.table([flat(table.column(index)) for index in chosen], names=_names(table))


def _malformed(rows: tuple[MalformedRow, ...]) -> pa.Table:
    return pa.table(
        {
            "_row": pa.array([row.row for row in rows], pa.int64()),
            "_source_row": pa.array([row.source_row for row in rows], pa.int64()),
            "_hmac": pa.nulls(len(rows), pa.binary(32)),
            "_text": pa.array([row.text for row in rows], pa.string()),
            "_reason": pa.array([row.reason for row in rows], pa.string()),
        }
    )


def _hmacs(gated: GatedPage, came: RawPage, tracer: Tracer) -> pa.Array:
    """For each row that the gate masked something in, the HMAC of the row as it came; null for all others."""
    rows = gated.page.rows
    masked = sorted({masking.row for masking in gated.maskings})
    nothing = pa.nulls(len(rows), pa.binary(32))
    if not masked:
        return nothing
    wanted = pa.array(masked, pa.int64())
    before = came.table.filter(pc.and_(pc.is_in(came.rows, wanted), pc.is_in(came.rows, rows)))
    values = zip(*(column.to_pylist() for column in before.columns), strict=True)
    hmacs = [bytes.fromhex(tracer.row(came.table.column_names, row)) for row in values]
    return pc.replace_with_mask(nothing, pc.is_in(rows, wanted), pa.array(hmacs, pa.binary(32)))


def _sha256s(table: pa.Table) -> list[bytes]:
    sha256 = hashlib.sha256
    if not table.num_columns:
        return [sha256(b"[]").digest()] * table.num_rows
    hashes: list[bytes] = []
    for start in range(0, table.num_rows, _JOIN_ROWS):
        part = table.slice(start, _JOIN_ROWS)
        quoted: list[pa.Array | pa.Scalar] = [json_quoted(flat(column)) for column in part.columns]
        row = pc.binary_join_element_wise(*quoted, ",")
        # Hashing has no column form: this loop over bytes is as cheap as Python gets, 0.6 µs a row.
        joined = pc.binary_join_element_wise(pa.scalar("["), row, pa.scalar("]"), "").cast(pa.binary())
        hashes += [sha256(value).digest() for value in joined.to_pylist()]
    return hashes
