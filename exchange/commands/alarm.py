"""Alarms: freshness, volume, latency, held batches, deadlines of runs, space; list them, check now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import sqlalchemy as sa
import typer

from contracts import catalogue
from exchange.alarms import book, webhook
from hub.options import Limit
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse.engine import connection
from warehouse.tables import alarm

app = typer.Typer(no_args_is_help=True, help="Alarms: list, check.")

_COLUMNS = ("alarm", "object", "kind", "since", "cleared", "notices", "what")


@app.command("list")
def list_alarms(
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Lists open alarms, the newest first."""
    query = sa.select(alarm).order_by(alarm.c.alarm_no.desc()).limit(limit)
    if not every:
        query = query.where(alarm.c.cleared_at.is_(None))
    with connection() as conn:
        found = [dict(row) for row in conn.execute(query).mappings()]
    if as_json:
        emit_json(found)
        return
    if not found:
        said = ("no alarm on record", "没有告警记录") if every else ("no alarm is open", "没有未解除的告警")
        console().print(" | ".join(said), soft_wrap=True)
        return
    rows = [
        {
            "alarm": one["alarm_no"],
            "object": one["object"],
            "kind": one["kind"],
            "since": one["raised_at"],
            "cleared": one["cleared_at"],
            "notices": one["notices"],
            "what": f"{one['facts'].get('en', '')} | {one['facts'].get('zh', '')}",
        }
        for one in found
    ]
    emit_rows(rows, [(name, name) for name in _COLUMNS], as_json=False)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Looks at every feed and at the space now, says what has changed, and sends what is due to the webhook."""
    notices = book.look(catalogue.load())
    sent = webhook.send_due()
    if as_json:
        emit_json({"notices": [asdict(one) for one in notices], "webhook": asdict(sent)})
        return
    for one in notices:
        for text in (one.en, one.zh):
            console().print(f"{one.change} {text}", soft_wrap=True, markup=False)
    console().print(f"{len(notices)} notice(s) | {len(notices)} 条通知", soft_wrap=True)
