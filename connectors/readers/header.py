"""The header row: where it stands, and whether its names can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from connectors.errors import HeaderNotFound, HeaderUnusable, TooManyColumns
from connectors.names import likeness

MAX_COLUMNS = 2_000
MAX_NAME = 500
SEARCH_ROWS = 50

HeaderRow = int | Literal["search"]


def find_header(
    file: str, rows: Sequence[list[str | None]], where: HeaderRow, fields: dict[str, tuple[str, ...]]
) -> int:
    """Index in `rows` of the header. `search`: the row with most of the fields' names, at least half of them.

    Raises HeaderNotFound.
    """
    if where != "search":
        if where > len(rows):
            raise HeaderNotFound(file=file, reason=f"it has no row {where}", expected=_expected(fields))
        return where - 1
    scores = [likeness(row, fields) for row in rows[:SEARCH_ROWS]]
    best = max(scores, default=0)
    if best == 0 or best * 2 < len(fields):
        reason = f"none of the first {SEARCH_ROWS} rows has half of the fields"
        raise HeaderNotFound(file=file, reason=reason, expected=_expected(fields))
    return scores.index(best)


def column_names(file: str, cells: Sequence[str | None]) -> list[str]:
    """The columns' names as delivered; a column without a name gets "" and may hold no value.

    Raises HeaderUnusable, TooManyColumns.
    """
    if len(cells) > MAX_COLUMNS:
        raise TooManyColumns(file=file, columns=len(cells), bound=MAX_COLUMNS)
    names = [cell if cell and cell.strip() else "" for cell in cells]
    doubled = sorted(name for name, count in Counter(filter(None, names)).items() if count > 1)
    if doubled:
        raise HeaderUnusable(file=file, reason=f"doubled names {_shown(doubled)}")
    reserved = [name for name in names if name.startswith("_")]
    if reserved:
        raise HeaderUnusable(file=file, reason=f"names with a leading underscore are the hub's own: {_shown(reserved)}")
    if any(len(name) > MAX_NAME for name in names):
        raise HeaderUnusable(file=file, reason=f"a name is longer than {MAX_NAME} characters")
    if any("\x00" in name for name in names):
        raise HeaderUnusable(file=file, reason="a name holds a NUL character")
    if not any(names):
        raise HeaderUnusable(file=file, reason="no column has a name")
    return names


def _expected(fields: dict[str, tuple[str, ...]]) -> str:
    return _shown([names[0] for names in fields.values()])


def _shown(names: Sequence[str]) -> str:
    listed = ", ".join(name[:80] for name in names[:12])
    return f"{listed}, …" if len(names) > 12 else listed
