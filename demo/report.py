"""The end of the demonstration: tables on the screen, the same facts in report.json, and where to look next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hub.settings import ROOT, settings
from hub.stack import StackState
from hub.stack.layout import Layout, write_private

if TYPE_CHECKING:
    from demo.outcome import FeedLine
    from demo.run import Demo
    from demo.travel import Result

SAMPLES = 3
RULES_SHOWN = 4
HEADINGS = ("rows in", "loaded", "unchanged", "quarantined", "refused", "published")
FIGURES = ("rows_in", "loaded", "unchanged", "quarantined", "refused", "published")


def write(demo: Demo) -> Path:
    """Writes the facts of a run, mode 0600: quarantined rows stand in it. Returns where."""
    request, result, path = demo.request, demo.result, demo.agencies.folder.report
    assert result is not None, "a report comes after a run"
    document = {
        "rows": request.rows,
        "seed": request.seed,
        "feeds": [line.as_dict() for line in result.lines],
        "topics": [
            {"topic": one.topic, "events": one.events, "doubled": one.doubled} for one in result.readings.values()
        ],
        "claims": [{"claim": claim.text, "holds": claim.holds, "found": claim.found} for claim in result.claims],
        "sample_events": samples(result),
        "quarantined_examples": [
            {"feed": row.feed, "batch": row.batch_id, "row": row.row, "unit": row.unit, "rules": words}
            for row, words in result.examples
        ],
        "repaired": _repaired(result),
        "where": dict(demo.where),
        "seconds": demo.seconds,
    }
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n")
    return path


def samples(result: Result) -> list[dict[str, Any]]:
    """Events as the subscriber saw them: the first of some topics, those with content before references."""
    firsts = [one.first for one in result.readings.values() if one.first is not None]
    firsts.sort(key=lambda event: len(json.dumps(event["data"], default=str)), reverse=True)
    kinds = sorted(firsts, key=lambda event: "payment" not in event["topic"])
    return kinds[:SAMPLES]


def where(var: Path, stack: StackState | None) -> list[tuple[str, str]]:
    """Where to look next. Passwords are named by their files, never shown."""
    layout = Layout.of(var)
    hub = _short(ROOT / ".venv" / "bin" / "hub")
    places: list[tuple[str, str]] = []
    if stack is not None and "airflow" in stack.ports:
        passwords = layout.secrets / "airflow-passwords.json"
        places.append(
            ("Airflow", f"http://127.0.0.1:{stack.ports['airflow']}  user admin, password in {_short(passwords)}")
        )
    docs = settings().data_docs_dir / "index.html"
    if docs.is_file():
        places.append(("Data Docs", _short(docs)))
    places += [
        ("one record's story", f"{hub} trace KEY"),
        ("quarantine", f"{hub} quarantine list"),
        ("topics", f"{hub} topic list"),
        ("figures", f"{hub} relay status"),
        ("report", _short(var / "demo" / "report.json")),
    ]
    return places


def show(console: Console, demo: Demo, *, kept: bool) -> None:
    """Prints what the run found, as far as it came."""
    result = demo.result
    assert result is not None, "there is nothing to show before the feeds were carried"
    if result.lines:
        console.print(_feeds(result))
    for number, event in enumerate(samples(result), start=1):
        console.print(
            f"[bold]event {number}[/] {escape(event['topic'])} partition {event['partition']} offset {event['offset']}"
        )
        console.print(f"  key     {escape(event['key'])}")
        console.print(f"  headers {escape(_line(event['headers']))}")
        console.print(f"  data    {escape(_line(event['data']))}")
    if result.examples:
        console.print(_quarantined(result))
    if result.repaired is not None:
        one = result.repaired
        console.print(
            f"[bold]fixed and replayed[/] {escape(one.feed)} row {one.row}: {one.field} {escape(str(one.before))} → "
            f"{escape(str(one.after))}; replay batch {one.replayed_as}"
            + (f" loaded {one.loaded}" if one.outcome else " (an earlier demonstration)")
        )
    if result.claims:
        held = sum(claim.holds for claim in result.claims)
        style = "green" if held == len(result.claims) else "red"
        console.print(f"[bold {style}]{held} of {len(result.claims)} claims hold[/]  " + escape(_line(demo.seconds)))
    if demo.where:
        console.print(
            "[bold]where to look next[/]" + ("" if kept else "  (all is stopped; `make demo KEEP=1` leaves it running)")
        )
        for name, place in demo.where:
            console.print(f"  {name:<20} {escape(place)}", soft_wrap=True)
        if kept:
            console.print(f"  for the commands     export HUB_PLACES={_short(demo.agencies.folder.places)}")
            console.print("  stop everything      .venv/bin/hub stack down")


def _feeds(result: Result) -> Table:
    """One line a feed; what an engineer replayed stands apart."""
    table = Table(title="feeds", header_style="bold")
    for heading in ("feed", "deliveries", *HEADINGS, "s", "quarantined by rule"):
        right = heading not in ("feed", "quarantined by rule")
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=heading == "feed")
    groups: dict[tuple[str, str], list[FeedLine]] = {}
    for line in result.lines:
        groups.setdefault((line.feed, "replay" if line.kind == "replay" else ""), []).append(line)
    for (feed, kind), lines in sorted(groups.items()):
        rules: Counter[str] = Counter()
        for line in lines:
            rules.update(line.quarantined_by_rule)
        shown = [f"{rule} {count:,}" for rule, count in rules.most_common(RULES_SHOWN)]
        more = [f"and {len(rules) - RULES_SHOWN} more rules"] if len(rules) > RULES_SHOWN else []
        deliveries = sum(line.batch is not None for line in lines)
        table.add_row(
            escape(f"{feed} ({kind})" if kind else feed),
            f"{deliveries}" if deliveries else "nothing new",
            *(f"{sum(getattr(line, name) for line in lines):,}" for name in FIGURES),
            f"{sum(line.seconds for line in lines):.1f}",
            escape(", ".join([*shown, *more])),
        )
    return table


def _quarantined(result: Result) -> Table:
    table = Table(title="why rows are in quarantine", header_style="bold")
    for heading in ("feed", "row", "rule", "in words", "中文", "remedy"):
        table.add_column(heading, overflow="fold")
    for row, words in result.examples:
        for number, word in enumerate(words):
            head = (escape(row.feed), f"{row.row:,}") if number == 0 else ("", "")
            table.add_row(*head, *(escape(word[name]) for name in ("rule", "en", "zh", "remedy_en")))
    return table


def _repaired(result: Result) -> dict[str, Any] | None:
    one = result.repaired
    if one is None:
        return None
    return {
        "feed": one.feed, "batch": one.batch, "row": one.row, "key": one.key, "field": one.field, "before": one.before,
        "after": one.after, "replay_batch": one.replayed_as, "loaded": one.loaded,
    }  # fmt: skip


def _line(value: Mapping[str, Any] | Iterable[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:600]


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
