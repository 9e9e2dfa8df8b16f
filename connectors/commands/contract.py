"""Contracts of feeds: lint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from connectors import registry
from connectors.places import by_hand_only, load_places
from contracts import catalogue, reader
from contracts.diff.refs import root_of
from contracts.errors import ContractInvalid
from contracts.model import SUFFIX, SourceSpec
from contracts.reader import Reading
from contracts.sample.marks import Mark, marks
from hub.errors import HubException
from hub.output import AsJson, console, emit_json
from hub.settings import settings

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.callback()
def _contract() -> None:
    """Contracts of feeds: lint."""


@app.command()
def lint(
    feeds: Annotated[list[str] | None, typer.Argument(help="Feeds or files; none: every contract on disk.")] = None,
    as_json: AsJson = False,
) -> None:
    """Checks contracts in full, names every problem by file and line, and refreshes the catalogue's cache.

    Marks that `hub feed new` left (`review`) are listed too: guesses that nobody has confirmed. They stand in nothing's way.
    """
    root = settings().contracts
    paths = _paths(root, feeds)
    readings = [reader.examine(path, root=root_of(path, root), extra_checks=[connector_says]) for path in paths]
    left = {reading.file: marks(path) for path, reading in zip(paths, readings, strict=True)}
    catalogue.load()
    by_hand = _by_hand(readings)
    broken = [reading for reading in readings if reading.problems]
    if as_json:
        emit_json(
            {
                "contracts": len(readings),
                "broken": len(broken),
                "problems": [problem.as_dict() for reading in broken for problem in reading.problems],
                "notices": [problem.as_dict() for reading in readings for problem in reading.notices],
                "by_hand_only": by_hand,
                "review": [{"file": file, **mark._asdict()} for file, found in left.items() for mark in found],
            }
        )
    else:
        _report(readings, left)
        _hint(by_hand)
    if broken:
        raise typer.Exit(ContractInvalid.exit_code)


def _paths(root: Path, feeds: list[str] | None) -> list[Path]:
    if not feeds:
        return sorted(root.glob(f"feeds/*/*{SUFFIX}"))
    found: list[Path] = []
    for feed in feeds:
        given = next((path for path in (Path(feed), root / feed) if path.is_file()), None)
        if given is not None:
            found.append(given)
        else:
            stem = feed if feed.replace("_", "").isalnum() else ""
            matches = sorted(root.glob(f"feeds/*/{stem}{SUFFIX}")) if stem else []
            if not matches:
                known = (path.name.removesuffix(SUFFIX) for path in root.glob(f"feeds/*/*{SUFFIX}"))
                raise catalogue.unknown(feed, known)
            found += matches
    return found


def connector_says(source: SourceSpec) -> Iterable[str]:
    """What the source's own connector has against its options."""
    return registry.option_problems(source.connector, source.options)


def _by_hand(readings: Sequence[Reading]) -> list[str]:
    """Of the contracts that were read those that nobody can pull here; none where the operator lists no places at all."""
    path = settings().places
    if path is None:
        return []
    try:
        known = load_places(path)
    except HubException:
        return []  # the list is broken: whoever pulls is told, and no contract is worse for it
    found = [reading.contract for reading in readings if reading.contract is not None]
    return [one.id for one in found if by_hand_only(one, known)]


def _hint(by_hand: list[str]) -> None:
    """What is right and will not run by itself."""
    if by_hand:
        named = ", ".join(by_hand)
        console().print(
            f"[yellow]by hand only: no place is listed for {escape(named)}[/] (docs/places.md)", soft_wrap=True
        )
        console().print(f"[yellow]仅可手工接收：{escape(named)} 的来源地未登记[/]（docs/places.md）", soft_wrap=True)


def _report(readings: list[Reading], left: Mapping[str, Sequence[Mark]]) -> None:
    out = console()
    for reading in readings:
        if reading.problems:
            out.print(f"[red]bad[/] {escape(reading.file)}: {len(reading.problems)} problem(s)")
        else:
            out.print(f"[green]ok[/]  {escape(reading.file)}")
        for problem in (*reading.problems, *reading.notices):
            line, column = problem.place
            kind = "" if problem.blocks else "[yellow]note 提示[/] "
            lines = (
                f"    [bold]{line}:{column}[/] {kind}{problem.code} {escape(problem.sentence())}",
                f"        {escape(problem.sentence('zh'))}",
                f"        [dim]{escape(problem.remedy())}[/]",
                f"        [dim]{escape(problem.remedy('zh'))}[/]",
            )
            for text in lines:
                out.print(text, soft_wrap=True)
        found = left[reading.file]
        for mark in found:
            out.print(f"    [bold]{mark.line}[/] [yellow]review 待复核[/] {escape(mark.note)}", soft_wrap=True)
        if found:
            out.print(
                f"    [yellow]{len(found)} guess(es) to look at[/]: confirm or correct what stands below each, then take its line away",
                soft_wrap=True,
            )
            out.print(f"    [yellow]{len(found)} 处推断待复核[/]：确认或更正其下内容，再删去该行", soft_wrap=True)
