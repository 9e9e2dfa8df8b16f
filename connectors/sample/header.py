"""Where the header of a sample stands: below titles and blank rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

LOOKED_AT = 30  # rows
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")


def guess_header(rows: Sequence[Sequence[str | None]]) -> int:
    """Index of the first row that is as wide as the rows under it and whose cells are names: different, no numbers.

    0 where no row is.
    """
    some = [list(row) for row in rows[:LOOKED_AT]]
    widths = [sum(cell is not None and cell.strip() != "" for cell in row) for row in some]
    widest = max(widths, default=0)
    for at, row in enumerate(some):
        cells = [cell.strip() for cell in row if cell and cell.strip()]
        names = len(set(cells)) == len(cells) and not any(_NUMBER.fullmatch(cell) for cell in cells)
        if cells and names and widths[at] >= max(1, 0.6 * widest):
            return at
    return 0
