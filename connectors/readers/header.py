"""The header row: where it stands, and whether its names can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from connectors.errors import HeaderNotFound, HeaderUnusable, TooManyColumns
from connectors.names import likeness
from hub.said import Said

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
            raise HeaderNotFound(
                file=file, reason=Said(f"it has no row {where}", f"没有第 {where} 行"), expected=_expected(fields)
            )
        return where - 1
    scores = [likeness(row, fields) for row in rows[:SEARCH_ROWS]]
    best = max(scores, default=0)
    if best == 0 or best * 2 < len(fields):
        reason = Said(
            f"none of the first {SEARCH_ROWS} rows has half of the fields", f"前 {SEARCH_ROWS} 行中没有一行含有半数字段"
        )
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
        raise HeaderUnusable(file=file, reason=Said(f"doubled names {_shown(doubled)}", f"列名重复：{_shown(doubled)}"))
    reserved = [name for name in names if name.startswith("_")]
    if reserved:
        raise HeaderUnusable(
            file=file,
            reason=Said(
                f"names with a leading underscore are the hub's own: {_shown(reserved)}",
                f"以下划线开头的名称由枢纽自用：{_shown(reserved)}",
            ),
        )
    if any(len(name) > MAX_NAME for name in names):
        raise HeaderUnusable(
            file=file, reason=Said(f"a name is longer than {MAX_NAME} characters", f"有列名超过 {MAX_NAME} 个字符")
        )
    if any("\x00" in name for name in names):
        raise HeaderUnusable(file=file, reason=Said("a name holds a NUL character", "列名含 NUL 字符"))
    if not any(names):
        raise HeaderUnusable(file=file, reason=Said("no column has a name", "没有任何列有名称"))
    return names


def _expected(fields: dict[str, tuple[str, ...]]) -> str:
    return _shown([names[0] for names in fields.values()])


def _shown(names: Sequence[str]) -> str:
    listed = ", ".join(name[:80] for name in names[:12])
    return f"{listed}, …" if len(names) > 12 else listed
