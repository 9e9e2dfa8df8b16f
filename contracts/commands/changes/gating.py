"""`hub contract gate`: whether what changed may be merged; and how changes are shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from contracts.diff import base
from contracts.diff.change import Change
from contracts.diff.errors import ChangeBreaks
from contracts.diff.gate import GateReport, Judged, run
from contracts.diff.kinds import EFFECTS
from hub import clock
from hub.output import AsJson, console, emit_json
from hub.settings import settings


def gate(
    base_: Annotated[
        str | None,
        typer.Option(
            "--base",
            help="Revision to compare with; default: where this branch left main, else the commit before.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Refuses breaking changes against a git revision that have no new major version and no dated exception."""
    root = settings().contracts
    revision = base.chosen(root, base_)
    if revision is None:
        if as_json:
            emit_json({"base": None, "refused": 0, "contracts": []})
        else:
            console().print("no commit before this one: there is nothing to compare with")
        return
    with base.unpacked(root, revision) as there:
        report = run(root, there, today=clock.today())
    if as_json:
        emit_json(
            {"base": report.base, "refused": len(report.refused), "contracts": [_row(one) for one in report.judged]}
        )
    else:
        _print(report)
    if report.refused:
        raise typer.Exit(ChangeBreaks.exit_code)


def show_changes(changes: Sequence[Change]) -> None:
    """Prints changes, the breaking ones first, in both languages."""
    out = console()
    colours = {"breaks": "red", "tightens": "yellow", "loosens": "yellow", "adds": "green", "notes": "dim"}
    for change in changes:
        effect = change.about.effect
        english, chinese = EFFECTS[effect]
        out.print(
            f"  [{colours[effect]}]{english} {chinese}[/] [cyan]{escape(change.id)}[/] {escape(change.sentence())}"
        )
        out.print(f"      [dim]{escape(change.sentence('zh'))}[/]")


def show_renamed(pairs: Sequence[tuple[str, str]]) -> None:
    """Asks whether a field was renamed, which no reader of its events can follow."""
    for was, now in pairs:
        for text in (
            f"was {was} renamed to {now}? keep the name {was}: `physicalName` says its header, `businessName` and `description` its words",
            f"{was} 是否改名为 {now}？请保留名称 {was}：列名写在 `physicalName`，说明写在 `businessName` 与 `description`",
        ):
            console().print(f"  [yellow]{escape(text)}[/]", soft_wrap=True)


def refusal(one: Judged, file: str) -> ChangeBreaks:
    """The error that says why a contract does not pass."""
    listed = ", ".join(change.id for change in one.refused[:12])
    return ChangeBreaks(feed=one.feed, old=one.old, new=one.new, count=len(one.refused), changes=listed, file=file)


def _file(one: Judged) -> str:
    return f"contracts/feeds/…/{one.feed}.exceptions.toml"


def _row(one: Judged) -> dict[str, Any]:
    made: dict[str, Any] = {"feed": one.feed, "old": one.old, "new": one.new, "passes": one.passes, "note": one.note}
    made["changes"] = [change.as_dict() for change in one.changes]
    made["exempt"] = [change.id for change in one.exempt]
    made["refused"] = [change.id for change in one.refused]
    return made if one.passes else made | {"error": refusal(one, _file(one)).as_dict()}


def _print(report: GateReport) -> None:
    out = console()
    for one in report.judged:
        word = "[green]ok[/] " if one.passes else "[red]bad[/]"
        versions = f"{one.old or 'new'} → {one.new or 'removed'}"
        out.print(f"{word} {escape(one.feed)} {escape(versions)} {escape(one.note)}")
        if not one.passes:
            error = refusal(one, _file(one))
            out.print(f"  {error.code} {escape(error.sentence())}\n  [dim]{escape(error.sentence('zh'))}[/]")
            out.print(f"  [dim]{escape(error.remedy())}[/]")
        show_changes(one.changes)
        for change in one.exempt:
            out.print(f"  [dim]let through by an exception: {escape(change.id)}[/]")
    out.print(f"{len(report.judged)} changed against {escape(report.base)}, {len(report.refused)} refused")
