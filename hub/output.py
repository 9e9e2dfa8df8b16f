"""What a command prints: tables, blocks or sentences for people, one JSON document for programs.

Results go to stdout, progress and errors to stderr, so that `hub … --json | jq` always works. Nothing is wrapped or cut
where stdout is no terminal; on one, sentences wrap and what people copy does not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.segment import Segment

from hub import tabular
from hub.errors import HubException
from hub.tabular import NAMES
from hub.terminal import OBEYED, harmless

__all__ = [
    "NAMES",
    "AsJson",
    "console",
    "emit_error",
    "emit_json",
    "emit_rows",
    "harmless",
    "progress_console",
    "say_error",
    "say_next",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
"""The option every command has; tests list the commands and check it."""

_ENDLESS = 100_000
"""Columns of what is no terminal: a file or a pipe has no edge at which to break a line."""


class _Console(Console):
    """A console that obeys rich and nobody else: names and values come from outside."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(one if one.control else Segment(harmless(one.text), one.style) for one in buffer)


def console() -> Console:
    """The console for results."""
    return _made(stderr=False)


def progress_console() -> Console:
    """The console for progress and errors."""
    return _made(stderr=True)


def emit_json(value: Any) -> None:
    """Prints one JSON document; dates and ids as text."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def emit_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    *,
    as_json: bool,
    title: str | None = None,
) -> None:
    """Prints records with `columns` = (key, heading): a table where it fits the terminal, else a block a record, else,
    where stdout is no terminal, a line a record; or with all their keys as a JSON list."""
    rows = list(rows)
    if as_json:
        emit_json(rows)
        return
    tabular.show(console(), rows, columns, title)


def emit_error(error: HubException, *, as_json: bool) -> None:
    """Prints an error with its code and remedy: as JSON on stdout, or for people, in both languages, on stderr."""
    if as_json:
        emit_json(error.as_dict())
    else:
        say_error(progress_console(), error)


def say_error(out: Console, error: HubException | Mapping[str, Any], about: str = "") -> None:
    """An error (or what its `as_dict` gave) for people, in both languages, with what to do; `about` names what it befell.

    No line is broken: the commands in it are there to be copied.
    """
    told = error if isinstance(error, Mapping) else error.as_dict()
    named = f"{escape(about)}: " if about else ""
    out.print(f"[bold red]{told['code']}[/] {named}{escape(told['error'])}", soft_wrap=True)
    out.print(f"  {escape(told['error_zh'])}", soft_wrap=True)
    out.print(f"  [bold]remedy[/] {escape(told['remedy'])}", soft_wrap=True)
    out.print(f"  [bold]处理办法[/] {escape(told['remedy_zh'])}", soft_wrap=True)


def say_next(command: str) -> None:
    """What to type next, word for word: `command` is a whole hub command with all that it needs."""
    console().print(f"next 下一步: {escape(command)}", soft_wrap=True)


def _made(*, stderr: bool) -> Console:
    made = _Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width, made.soft_wrap = _ENDLESS, True
    return made
