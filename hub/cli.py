"""The command line's shell. Commands live beside what they command: `<package>/commands/<word>.py`.

The file's stem is the command's name, the first line of its docstring its help, both read without importing
it, so that `hub --help` is quick and one broken package can't hide the others. The module is imported when
its command is called; it exposes `app`, a `typer.Typer`.

Several packages may each have a file of one word: what it does is then spread over the layers (a feed is made from a
sample in one, run in another), and their sub-commands stand side by side under it.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

import hub
from hub import failure, log, repeated, usage
from hub.errors import CommandUnknown, UsageError
from hub.output import console, emit_error, progress_console
from hub.said import Said
from hub.settings import ROOT, settings

PACKAGES = ("hub", "contracts", "connectors", "warehouse", "exchange", "supervision", "gateway", "dags")


@dataclass(frozen=True)
class Command:
    """One command found on disk."""

    name: str
    module: str
    help: str
    more: tuple[str, ...] = ()  # further modules with sub-commands of this word, in layer order


@lru_cache(maxsize=1)
def commands_on_disk() -> dict[str, Command]:
    """All commands by name, found by listing `<package>/commands/*.py`."""
    found: dict[str, Command] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package / "commands").glob("[a-z]*.py")):
            name = path.stem.replace("_", "-")
            module, help_ = f"{package}.commands.{path.stem}", _first_line(path)
            known = found.get(name)
            found[name] = (
                Command(name, module, help_)
                if known is None
                else Command(name, known.module, _joined(known.help, help_), (*known.more, module))
            )
    return found


class CommandsOnDisk(TyperGroup):
    """A click group whose members are the commands on disk, each imported when called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, sorted."""
        return sorted(commands_on_disk())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command meant by the arguments. Raises CommandNotFound, which names those that are near."""
        if not args[0].startswith("-") and args[0] not in commands_on_disk():
            raise usage.command_not_found(ctx, args[0], commands_on_disk())
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now, or None."""
        command = commands_on_disk().get(cmd_name)
        return load_command(command) if command else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes help from the files' docstrings: typer's own would import every command for its help line."""
        table = Table(box=None, show_header=False, padding=(0, 2))
        for name, command in sorted(commands_on_disk().items()):
            table.add_row(f"[bold cyan]{name}[/]", escape(command.help))
        out = console()
        out.print(f"[bold]Usage:[/] hub COMMAND ...    (hub COMMAND --help says more; hub --version)\n\n{self.help}\n")
        out.print(table)
        out.print(f"\n[bold]Exit codes[/]\n{escape(usage.exit_codes())}")


def load_command(command: Command) -> Any:
    """Imports a command's module and returns its click command. Raises CommandUnknown."""
    if command.more:
        return _Spread(command)
    return _loaded(command.module, command.name)


def _loaded(module: str, name: str) -> Any:
    app = getattr(importlib.import_module(module), "app", None)
    if not isinstance(app, typer.Typer):
        raise CommandUnknown(module=module, reason=Said("it has no `app`", "没有 `app`"))
    app._add_completion = False  # the shell has none: nobody completes a part of a command line
    loaded = typer.main.get_command(app)
    loaded.name = name
    _names_its_commands(loaded)
    return repeated.watched(loaded)


def _names_its_commands(command: Any) -> None:
    """Ends the help of a group, and of each group in it, with the names of its commands as they are: no list is kept by hand."""
    members = getattr(command, "commands", None)
    if members:
        command.help = naming_all(command.help or "", members)
        for member in members.values():
            _names_its_commands(member)


def naming_all(text: str, names: Iterable[str]) -> str:
    """`Topics: list, tail.` with all of the names in place of those that it lists; behind a text that lists none."""
    about, _, after = text.strip().rstrip(".").rpartition(": ")
    there = ", ".join(names)
    some = [word.strip() for part in after.split(";") for word in part.split(",")]
    return f"{about}: {there}." if about and set(some) & set(names) else f"{text.strip().rstrip('.')} ({there})."


class _Spread(TyperGroup):
    """A word whose sub-commands lie in several packages; a package is imported only where its own are asked for."""

    def __init__(self, command: Command) -> None:
        self._modules = (command.module, *command.more)
        super().__init__(name=command.name, help=command.help, no_args_is_help=True)

    def _parts(self) -> Iterator[Any]:
        for module in self._modules:
            part = _loaded(module, self.name or "")
            if not hasattr(part, "commands"):
                raise CommandUnknown(
                    module=module,
                    reason=Said(
                        "another file has its name, and it has no sub-commands", "另有同名文件，而它没有子命令"
                    ),
                )
            yield part

    @property
    def commands(self) -> MutableMapping[str, Any]:
        """All sub-commands; where two packages have one name, the lower layer's."""
        return {name: leaf for part in reversed(list(self._parts())) for name, leaf in part.commands.items()}

    @commands.setter
    def commands(self, value: Any) -> None:
        """Nothing: they stand on disk."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, with the commands of all packages in its first line."""
        self.help = naming_all(self.help or "", self.list_commands(ctx))
        super().format_help(ctx, formatter)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of the files."""
        return list(dict.fromkeys(name for part in self._parts() for name in part.list_commands(ctx)))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The sub-command of that name; packages after the one that has it aren't imported."""
        return next((leaf for part in self._parts() if (leaf := part.get_command(ctx, cmd_name)) is not None), None)


def _version(value: bool) -> None:
    if value:
        typer.echo(hub.__version__)
        raise typer.Exit


shell = typer.Typer(cls=CommandsOnDisk, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@shell.callback(help="Supervision data-sharing hub: feeds through contracts and PostgreSQL to Kafka.")
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    now = settings()
    log.configure(now.log_level, now.log_format)


def main() -> None:
    """Runs the command line. Every error ends with its sentence and remedy, never a traceback: that may quote data."""
    try:
        ended = shell(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not reach the console
        if usage.is_help(error):
            sys.exit(UsageError.exit_code)
        told = failure.told(mistyped := usage.told(error, typer.main.get_command(shell), sys.argv[1:]) or error)
        if told is not mistyped:
            progress_console().print(failure.story(error), markup=False)
        emit_error(told, as_json="--json" in sys.argv)
        sys.exit(told.exit_code)
    sys.exit(ended if isinstance(ended, int) else 0)


def _joined(first: str, more: str) -> str:
    """The help of a word that lies in two packages; what both begin with is said once."""
    about, colon, rest = more.partition(": ")
    return f"{first.rstrip('.')}; {rest}" if colon and first.startswith(about + colon) else f"{first} {more}"


def _first_line(path: Path) -> str:
    """The first line of a module's docstring; of one that can't be read, why: the others must still be listed."""
    try:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (SyntaxError, ValueError, OSError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        return f"(broken: {type(error).__name__}{line} in {path.name})"
    return doc.split("\n", 1)[0]
