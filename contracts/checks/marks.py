"""Rows of a batch that something was found out about: a mask for each page that has any, kept at one bit a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from contracts.normalise.buffers import Mask


class Marks(Mapping[int, Mask]):
    """Page ordinal -> which of its rows; pages without any are absent."""

    def __init__(self) -> None:
        self._pages: dict[int, tuple[int, npt.NDArray[np.uint8]]] = {}

    def mark(self, page: int, rows: Mask) -> None:
        """Marks rows of a page, besides those that are marked already."""
        if rows.any():
            known = self.get(page)
            self._pages[page] = rows.size, np.packbits(rows if known is None else rows | known)

    @property
    def count(self) -> int:
        """How many rows are marked."""
        return sum(int(np.count_nonzero(mask)) for mask in self.values())

    def __getitem__(self, page: int) -> Mask:
        size, bits = self._pages[page]
        return np.unpackbits(bits, count=size).view(np.bool_)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._pages))

    def __len__(self) -> int:
        return len(self._pages)
