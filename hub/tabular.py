"""Records laid out for where they are shown: a table where it fits, else a block a record, else plain lines.

Names, ids and figures are never broken or cut: people copy them. Only prose wraps, and only between words. What is
no terminal gets every record on one line of its own, aligned, whole and without colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hub import clock
from hub.terminal import harmless, one_line

NAMES = frozenset(
    {"pid", "port", "row", "row_no", "source_row", "page", "part", "part_no", "batch_no", "revision", "version"}
    | {"seq", "record", "partition", "offset", "line"}
)
"""Keys whose numbers name something: people copy them, so they get no commas."""

PROSE = frozenset(
    {
        "detail",
        "error",
        "expected",
        "found",
        "lag",
        "meaning",
        "observed",
        "position",
        "reason",
        "remedy",
        "remedy_zh",
        "state",
    }
    | {"text", "title_en", "title_zh", "what", "why", "en", "zh", "label_en", "label_zh", "delivered", "corrected"}
)
"""Keys whose values are sentences or texts: these may be wrapped, all others never are."""

LEAST_PROSE = 24
"""Columns that a sentence needs to be read with pleasure; with less, a block is better than a table."""


def show(
    out: Console, rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]], title: str | None = None
) -> None:
    """Prints records with `columns` = (key, heading) on `out`."""
    if not out.is_terminal:
        if title:
            out.print(f"\n{escape(title)}:", soft_wrap=True)
        for line in _lines(rows, columns):
            out.print(escape(line), soft_wrap=True)
        return
    cells = [[harmless(cell(row.get(key), key)) for key, _ in columns] for row in rows]
    keys, headings = [key for key, _ in columns], [heading for _, heading in columns]
    filled = [at for at in range(len(columns)) if any(row[at] for row in cells)]
    for shown in (range(len(columns)), filled):  # a column that says nothing is given up before the table is
        chosen = (
            [keys[at] for at in shown],
            [headings[at] for at in shown],
            [[row[at] for at in shown] for row in cells],
        )
        if _fits(out.width, *chosen):
            if title:
                out.print(f"\n[bold]{escape(title)}[/]")
            out.print(_table(*chosen))
            return
    if title:
        out.print(f"\n[bold]{escape(title)}[/]")
    for at, row in enumerate(cells):
        if at:
            out.print()
        _block(out, keys, headings, row)


def cell(value: Any, key: str = "") -> str:
    """A value in words: figures with commas unless they name something, instants to the second with their zone, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if key in NAMES else f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell(item, name)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(item, key) for item in value)
    return f"{clock.shown(value)}+08" if isinstance(value, datetime) else str(value)


def _lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Aligned lines, the headings first; two or more blanks stand between columns."""
    table = [[heading for _, heading in columns]]
    table += [[one_line(cell(row.get(key), key)) or "-" for key, _ in columns] for row in rows]
    widths = [max(cell_len(line[at]) for line in table) for at in range(len(columns))]
    for line in table:
        yield "  ".join(_padded(text, width) for text, width in zip(line, widths, strict=True)).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _fits(width: int, keys: Sequence[str], headings: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    needed = 1
    for at, (key, heading) in enumerate(zip(keys, headings, strict=True)):
        whole = max((_widest(row[at]) for row in cells), default=0)
        if key in PROSE:
            # A word in a sentence may be an id too: it stays whole, unless it is a run of Chinese, which breaks anywhere.
            word = max((_widest_word(row[at]) for row in cells), default=0)
            whole = min(whole, max(word, LEAST_PROSE))
        needed += max(whole, cell_len(heading)) + 3
    return needed <= width


def _widest(text: str) -> int:
    return max((cell_len(line) for line in text.split("\n")), default=0)


def _widest_word(text: str) -> int:
    return max(
        (cell_len(word) if word.isascii() else min(cell_len(word), LEAST_PROSE) for word in text.split()), default=0
    )


def _table(keys: Sequence[str], headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    table = Table(header_style="bold")
    for key, heading in zip(keys, headings, strict=True):
        table.add_column(escape(heading), overflow="fold", no_wrap=key not in PROSE)
    for row in cells:
        # Values come from outside: they are data, never console markup.
        table.add_row(*map(escape, row))
    return table


def _block(out: Console, keys: Sequence[str], headings: Sequence[str], row: Sequence[str]) -> None:
    """One record as `heading: value` lines; what has no value is left out."""
    indent = max(cell_len(heading) for heading in headings) + 2
    for key, heading, text in zip(keys, headings, row, strict=True):
        if not text:
            continue
        hanging(out, f"[cyan]{escape(heading)}:[/]", cell_len(heading) + 1, text, indent, wraps=key in PROSE)


def hanging(out: Console, lead: str, wide: int, text: str, indent: int, *, wraps: bool = True) -> None:
    """Prints a lead (markup, `wide` columns) and a text that begins at `indent`, and every further line of it there too.

    Lines are broken between words only; a text with a word that fits no line is left to the terminal.
    """
    room = out.width - indent
    lines = text.split("\n")
    if wraps and out.is_terminal and room >= max(LEAST_PROSE, _widest_word(text)):
        lines = [str(part).rstrip() for part in Text(text).wrap(out, room)]
    elif not out.is_terminal:
        lines = [one_line(text)]
    out.print(f"{lead}{' ' * (indent - wide)}{escape(lines[0])}", soft_wrap=True)
    for line in lines[1:]:
        out.print(" " * indent + escape(line), soft_wrap=True)
