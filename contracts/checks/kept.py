"""What is kept of a batch's rows until its last page has gone by: hashes in memory, beyond a bound in a scratch file.

A scratch file is written in parts by the hash, so that all rows of one hash stand in one part, and is looked at part by
part: memory is that of `BOUND` rows however many there are. Before rows go there they are shrunk (rows of one hash made
one row, where that is enough), so that a key that stands in every row does not make one part large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts.normalise.buffers import Mask

BOUND = 1_000_000  # rows that are kept in memory
LOT = 250_000  # hashes that are looked into at a time
PARTS = 64  # a power of 2

HASHES = pa.schema([("key", pa.uint64())])

Words = npt.NDArray[np.uint64]
Shrink = Callable[[pa.Table], pa.Table]


class Scratch(Protocol):
    """Where tables wait that must not stay in memory, nor be read by anybody else."""

    def put(self, table: pa.Table) -> Any:
        """Writes a table; returns what `get` is given."""

    def get(self, held: Any) -> pa.Table:
        """The table as it was put."""


class Members(Protocol):
    """Rows of a page."""

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """Where they stand."""


_Members = TypeVar("_Members", bound=Members)


class Twice(Generic[_Members]):
    """Rows of pages that are gone through more than once: remembered since the first time, unless they are too many."""

    def __init__(self, look: Callable[[], Iterator[_Members]]) -> None:
        self._look = look
        self._known: list[_Members] | None = None

    def __iter__(self) -> Iterator[_Members]:
        if self._known is not None:
            yield from self._known
            return
        known: list[_Members] = []
        count = 0
        for some in self._look():
            count += some.rows.size
            if count <= LOT:
                known.append(some)
            else:
                known.clear()
            yield some
        if count <= LOT:
            self._known = known


class Kept:
    """Tables of pages, each with a column `key` of 64-bit hashes. Without `scratch` all stays in memory.

    `shrink` makes of rows what must be known of each hash; `joined` does it again for what was shrunk apart. `columns`
    are those of a batch without pages.
    """

    def __init__(
        self,
        scratch: Callable[[], Scratch] | None,
        shrink: Shrink,
        joined: Shrink | None = None,
        *,
        columns: pa.Schema = HASHES,
    ) -> None:
        self._scratch, self._shrink, self._joined, self._columns = scratch, shrink, joined or shrink, columns
        self._pages: dict[int, pa.Table] = {}
        self._rows = 0
        self._pieces: list[list[Any]] = []

    @property
    def spilled(self) -> bool:
        """Whether it is looked at in parts."""
        return bool(self._pieces)

    def add(self, ordinal: int, table: pa.Table) -> None:
        """Keeps what a page has."""
        self._pages[ordinal] = table
        self._rows += table.num_rows
        if self._rows > BOUND and self._scratch is not None:
            self.spill()

    def of_page(self, ordinal: int) -> Words | None:
        """The hashes of a page in their order; None where they are not in memory."""
        return None if self.spilled else words(self._pages[ordinal])

    def spill(self) -> None:
        """Puts what is in memory into the scratch file; from now on it is looked at in parts."""
        assert self._scratch is not None
        if self.spilled and not self._pages:
            return
        self._pieces = self._pieces or [[] for _ in range(PARTS)]
        table = self._shrink(self._whole())
        self._pages, self._rows, self._columns = {}, 0, table.schema
        part = (words(table) >> np.uint64(64 - (PARTS - 1).bit_length())).astype(np.uint8)
        table = table.take(pa.array(np.argsort(part, kind="stable"))).combine_chunks()
        bounds = np.concatenate(([0], np.cumsum(np.bincount(part, minlength=PARTS))))
        scratch = self._scratch()
        for number, pieces in enumerate(self._pieces):
            if bounds[number] < bounds[number + 1]:
                pieces.append(scratch.put(table.slice(bounds[number], bounds[number + 1] - bounds[number])))

    def parts(self) -> Iterator[pa.Table]:
        """Everything, shrunk: tables of which no two have a hash in common, in the order of their hashes' first bits."""
        if not self.spilled:
            yield self._shrink(self._whole())
            return
        assert self._scratch is not None
        self.spill()
        for pieces in self._pieces:
            tables = [self._scratch().get(held) for held in pieces]
            yield self._joined(pa.concat_tables([self._columns.empty_table(), *tables]))

    def _whole(self) -> pa.Table:
        return pa.concat_tables(self._pages.values()) if self._pages else self._columns.empty_table()


def side_by_side(*several: Kept) -> Iterator[tuple[pa.Table, ...]]:
    """The parts of several, each time those with the same hashes."""
    if any(one.spilled for one in several):
        for one in several:
            one.spill()
    yield from zip(*(one.parts() for one in several), strict=True)


def in_lots(found: Iterable[Words]) -> Iterator[Words]:
    """Some hashes at a time, of parts in their order."""
    waiting: list[Words] = []
    for some in found:
        if some.size:
            waiting.append(some)
        if sum(one.size for one in waiting) >= LOT:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A table's column as one array."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def words(table: pa.Table) -> Words:
    """The hashes of a table."""
    found: Words = one(table.column("key")).to_numpy()
    return found


def among(values: Words, ordered: Words) -> Mask:
    """Which of `values` stand in `ordered`, which is sorted and not empty."""
    at = np.searchsorted(ordered, values)
    at[at == ordered.size] = 0
    found: Mask = ordered[at] == values
    return found
