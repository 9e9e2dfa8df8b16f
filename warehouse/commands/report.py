"""Reports: a feed's volumes, verdicts, freshness and latency as one page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from contracts import catalogue
from hub.failure import room_needed
from hub.ids import FeedId
from hub.options import Feed
from hub.output import AsJson, console, emit_json
from hub.said import by_system
from warehouse.engine import connection
from warehouse.feeds import known
from warehouse.report import figures
from warehouse.report.errors import ReportNotWritten
from warehouse.report.page import OUTCOMES, page

app = typer.Typer(no_args_is_help=True, help="Reports: feed.")


@app.callback()
def _report() -> None:
    """Reports: feed."""


@app.command("feed")
def feed_report(
    feed: Feed,
    *,
    html: Annotated[Path, typer.Option(dir_okay=False, help="Where the page goes: one file, charts and all.")],
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How many days back.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Writes a feed's report: volumes, verdicts by rule over time, freshness, latency by step."""
    with connection() as conn:
        known.feed_known(conn, feed)
        # A broken contract that was never in use: what is wrong with it is raised.
        contract = next(iter(known.contracts(conn, [feed])), None) or catalogue.load_one(FeedId(feed))
        report = figures.of_feed(conn, contract, days)
    _write(html, page(report))
    told = {name: report.rows(name) for name in ("rows_in", *OUTCOMES)}
    if as_json:
        emit_json({"feed": feed, "html": str(html), "days": days, "batches": len(report.batches), **told})
    else:
        rows = ", ".join(f"{name} {count:,}" for name, count in told.items())
        console().print(f"{escape(str(html))}: {len(report.batches):,} batches 批次; {rows}", soft_wrap=True)


def _write(target: Path, text: str) -> None:
    """Writes the page whole and then renames it. Raises ReportNotWritten, DiskFull."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with room_needed():
            part.write_text(text, encoding="utf-8")
            part.replace(target)
    except OSError as error:
        raise ReportNotWritten(path=str(target), reason=by_system(error)) from None
    finally:
        part.unlink(missing_ok=True)
