"""Checked pages between the checks and the load: Arrow files that exist only while their batch is on its way.

`good-<page>` has the contract's fields typed, texts of few values as dictionaries, in record batches of `CHUNK_ROWS`, which is what the load takes at a
time; `bad-<page>` the rows that broke a rule; `duplicates` the rows that repeat or contradict another row, a record batch for each page.

They are not fsynced as they are written. Until a part of their batch is loaded they can be made anew from what landed,
and whoever takes up a batch that a process left does so (`warehouse.way`). A batch of several parts can't be checked
anew once its first part is committed (a rule may look at the day, or at another feed), so its files are on the disk by
then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.page import CheckedPage
from hub.ids import BatchId, FeedId
from warehouse.store import Store, ipc_options

CHUNK_ROWS = 65_536

Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
_DUPLICATES = pa.schema([("row", pa.int64()), ("rules", pa.list_(pa.string()))])


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was written of one page."""

    ordinal: int
    good: int  # rows
    bad: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Good rows of a page that don't load because of another row of the batch. Row numbers, sorted."""

    identical: Rows  # the same record again: unchanged
    rejected: Rows  # contradicts another row, or repeats a value that must be unique: quarantined
    rules: pa.ListArray  # of each rejected row, the rules it breaks

    @classmethod
    def made(cls, identical: Rows, broken: Mapping[str, Rows]) -> Duplicates:
        """From the rows that repeat a record, and for each rule the rows that break it.

        A repeat whose record another one contests is rejected like the row it repeats: no copy of it is held, so none
        of them is unchanged.
        """
        rows = np.concatenate([*broken.values(), np.empty(0, np.int64)])
        names = np.repeat(np.array(list(broken), dtype=object), [len(found) for found in broken.values()])
        order = np.argsort(rows, kind="stable")
        rows, names = rows[order], names[order]
        starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]])) if len(rows) else np.empty(0, np.int64)
        offsets = np.append(starts, len(rows)).astype(np.int32)
        rules = pa.ListArray.from_arrays(pa.array(offsets), pa.array(names.tolist(), pa.string()))
        rejected = rows[starts]
        return cls(np.setdiff1d(identical, rejected), rejected, rules)


def folder(feed: FeedId, batch_id: BatchId) -> str:
    """Where a batch's checked pages lie in the store."""
    return f"checked/{feed}/{batch_id}"


def batches_with_pages(store: Store, feed: FeedId) -> list[BatchId]:
    """Batches of a feed that have checked pages on disk."""
    place = store.path(f"checked/{feed}")
    return [BatchId(one.name) for one in sorted(place.iterdir())] if place.is_dir() else []


class CheckedPages:
    """The checked pages of one batch."""

    def __init__(self, store: Store, feed: FeedId, batch_id: BatchId) -> None:
        self.store = store
        self._folder = folder(feed, batch_id)

    def write(self, page: CheckedPage) -> CheckedFile:
        """Writes one page. It may be lost in a power cut until `settle`."""
        self._write(f"good-{page.ordinal:05d}", page.good)
        if page.bad.num_rows:
            self._write(f"bad-{page.ordinal:05d}", page.bad)
        return CheckedFile(page.ordinal, page.good.num_rows, page.bad.num_rows)

    def good(self, ordinal: int, start: int = 0, count: int | None = None) -> Iterator[pa.Table]:
        """Good rows of a page from row `start` of it on, in tables of at most CHUNK_ROWS rows."""
        with pa.OSFile(str(self.store.existing(f"{self._folder}/good-{ordinal:05d}.arrow"))) as source:
            reader = pa.ipc.open_file(source)
            end = None if count is None else start + count
            for number in range(start // CHUNK_ROWS, reader.num_record_batches):
                first = number * CHUNK_ROWS
                if end is not None and first >= end:
                    return
                batch = reader.get_batch(number)
                last = first + batch.num_rows
                low, high = max(start, first), last if end is None else min(end, last)
                if high > low:
                    yield pa.Table.from_batches([batch.slice(low - first, high - low)])

    def column(self, ordinal: int, name: str) -> pa.ChunkedArray:
        """One column of a page's good rows."""
        return self.columns(ordinal, (name,)).column(name)

    def columns(self, ordinal: int, names: Sequence[str]) -> pa.Table:
        """Some columns of a page's good rows."""
        with pa.OSFile(str(self.store.existing(f"{self._folder}/good-{ordinal:05d}.arrow"))) as source:
            schema = pa.ipc.open_file(source).schema
            options = pa.ipc.IpcReadOptions(included_fields=sorted(schema.get_field_index(name) for name in names))
            return pa.ipc.open_file(source, options=options).read_all().select(names)

    def bad(self, ordinal: int) -> pa.Table:
        """The rows of a page that broke a rule. Whether there are any the batch's facts say: raises StoreMissing."""
        with pa.OSFile(str(self.store.existing(f"{self._folder}/bad-{ordinal:05d}.arrow"))) as source:
            return pa.ipc.open_file(source).read_all()

    def write_duplicates(self, pages: Iterable[Duplicates]) -> None:
        """Notes the duplicates of every page, in the order of the batch's pages."""
        with (
            self.store.writer(f"{self._folder}/duplicates.arrow", lasting=False) as file,
            pa.ipc.new_file(file, _DUPLICATES, options=ipc_options()) as ipc,
        ):
            for page in pages:
                rows = np.concatenate([page.identical, page.rejected])
                none = pa.nulls(len(page.identical), _DUPLICATES.field("rules").type)
                columns = [pa.array(rows, pa.int64()), pa.concat_arrays([none, page.rules])]
                ipc.write_batch(pa.record_batch(columns, schema=_DUPLICATES))

    def duplicates(self, number: int) -> Duplicates:
        """The duplicates as noted of one of the batch's pages, counted from 0."""
        with pa.OSFile(str(self.store.existing(f"{self._folder}/duplicates.arrow"))) as source:
            batch = pa.ipc.open_file(source).get_batch(number)
        rows, rules = batch.column("row"), batch.column("rules")
        rejected = rules.is_valid()
        return Duplicates(
            identical=rows.filter(pc.invert(rejected)).to_numpy(),
            rejected=rows.filter(rejected).to_numpy(),
            rules=rules.filter(rejected),
        )

    def settle(self) -> None:
        """Puts all that was written on the disk: due before a commit after which it can't be made anew."""
        self.store.settle(self._folder)

    def delete(self) -> None:
        """Removes the batch's checked pages."""
        self.store.delete_folder(self._folder)

    def _write(self, name: str, table: pa.Table) -> None:
        with self.store.writer(f"{self._folder}/{name}.arrow", lasting=False) as file:
            options = ipc_options()
            with pa.ipc.new_file(file, table.schema, options=options) as ipc:
                # One chunk first: record batches end where chunks do, and row i must stand in batch i // CHUNK_ROWS.
                ipc.write_table(table.combine_chunks(), max_chunksize=CHUNK_ROWS)


def is_row_of(rows: pa.Array, wanted: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of `rows` (int64) are among the sorted `wanted`."""
    here = rows.to_numpy()
    at = np.searchsorted(wanted, here)
    at[at == len(wanted)] = 0
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = wanted[at] == here
    return result
