"""What a command prints: a rich table or sentence for people, one JSON document for programs.

Results go to stdout, progress and errors to stderr, so that `hub … --json | jq` always works.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from hub.errors import HubException

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
"""The option every command has; tests list the commands and check it."""


NAMES = frozenset(
    {"pid", "port", "row", "row_no", "source_row", "page", "part", "part_no", "batch_no", "revision", "version"}
    | {"seq", "record", "partition", "offset", "line"}
)
"""Keys whose numbers name something: people copy them, so they get no commas."""


# What a terminal obeys instead of showing: control characters, and marks that turn the direction of what follows.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text as a terminal may be given it: what it would obey is written out, `\\x1b`."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Console(Console):
    """A console that obeys rich and nobody else: names and values come from outside."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(one if one.control else Segment(harmless(one.text), one.style) for one in buffer)


def console() -> Console:
    """The console for results."""
    return _Console(highlight=False)


def progress_console() -> Console:
    """The console for progress and errors."""
    return _Console(stderr=True, highlight=False)


def emit_json(value: Any) -> None:
    """Prints one JSON document; dates and ids as text."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def emit_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    *,
    as_json: bool,
    title: str | None = None,
) -> None:
    """Prints records as a table with `columns` = (key, heading), or all their keys as a JSON list."""
    rows = list(rows)
    if as_json:
        emit_json(rows)
        return
    table = Table(title=title, header_style="bold")
    for _, heading in columns:
        # Folded, not cut: an id that lost its end can't be copied.
        table.add_column(heading, overflow="fold")
    for row in rows:
        # Values come from outside: they are data, never console markup.
        # Harmless before it is laid out, so that the columns stay straight.
        table.add_row(*(escape(harmless(_cell(row.get(key), key))) for key, _ in columns))
    console().print(table)


def emit_error(error: HubException, *, as_json: bool) -> None:
    """Prints an error with its code and remedy: as JSON on stdout, or for people on stderr."""
    if as_json:
        emit_json(error.as_dict())
        return
    out = progress_console()
    out.print(f"[bold red]{error.code}[/] {escape(error.sentence())}")
    out.print(f"[dim]{escape(error.sentence('zh'))}[/]")
    out.print(f"[bold]remedy[/] {escape(error.remedy())}")


def _cell(value: Any, key: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if key in NAMES else f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(item, name)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item, key) for item in value)
    return str(value)
