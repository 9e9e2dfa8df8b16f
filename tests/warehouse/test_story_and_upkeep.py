"""One record's story, and the commands that show it."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows
from warehouse import story, way

pytestmark = pytest.mark.stack


def test_a_records_whole_story(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2, amount=" 12.50 ", note=" x "), row(3)])
    way.run_feed(contract())
    drop(hub.drop, "b.csv", [row(2, payee="NEW", version=2)])
    way.run_feed(contract())
    drop(hub.drop, "c.csv", [row(2, amount="-4", version=3)])
    way.run_feed(contract())
    told = story.story(contract(), "V000002")
    assert told["current"]["revision"] == 3 and told["current"]["record"]["payee"] == "NEW"
    assert [old["revision"] for old in told["history"]] == [1]
    assert [(e["revision"], e["change"], e["record"]) for e in told["events"]] == [
        (1, "recorded", 1),
        (2, "withdrawn", 0),
        (3, "recorded", 1),
    ]
    assert told["events"][0]["topic"] == "hub.sample.sample_vouchers.v1" and told["events"][0]["seq"] == 1
    first = told["rows"][0]
    assert (first["row"], first["unit"], first["source_row"]) == (2, "a.csv", 3)
    assert first["raw"]["amount"] == " 12.50 " and first["record"]["amount"] == "12.50"
    assert {"amount:trim", "note:trim"} <= set(first["changes"])
    assert told["rows"][-1]["rules"] == ["amount.range"]
    assert told["quarantined"][0]["rules"][0]["zh"] and told["quarantined"][0]["state"] == "open"
    assert len(told["batches"]) == 3
    nothing = story.story(contract(), "nobody")
    assert nothing["current"] is None and nothing["events"] == []
    assert story.story(contract("never_loaded"), "x")["current"] is None


def invoke(*args: str) -> Any:
    app = importlib.import_module(f"warehouse.commands.{args[0]}").app
    result = CliRunner().invoke(app, list(args[1:]), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in args else result.stdout


def test_commands_show_batches_and_the_quarantine(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-1", note="[red]x[/]")])
    batch = way.run_feed(contract())[0].batch_id
    assert invoke("batch", "list", "--json")[0]["quarantined"] == 1
    assert invoke("batch", "show", batch, "--json")["outcome"]["quarantined_by_rule"] == {"amount.range": 1}
    assert json.loads(invoke("batch", "receipt", batch, "--json")["receipt"])["counts"]["loaded"] == 1
    assert invoke("quarantine", "list", "--json")[0]["rows"] == 1
    assert invoke("quarantine", "list", "--batch", batch, "--json")[0]["rules"] == ["amount.range"]
    assert invoke("quarantine", "show", batch, "2", "--json")["raw"]["amount"] == "-1"
    assert "[red]x[/]" in invoke("quarantine", "show", batch, "2")
    assert invoke("quarantine", "export", batch, "--to", str(tmp_path / "x.xlsx"), "--json")["rows"] == 1
    monkeypatch.setenv("COLUMNS", "200")
    assert batch in invoke("batch", "list") and "V000002" in invoke("quarantine", "list", "--batch", batch)


def test_steps_are_timed(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(100))
    started = time.monotonic()
    seen: list[tuple[str, int]] = []
    done = way.run_feed(contract(), progress=lambda step, count: seen.append((step, count)))[0]
    assert {"read", "gate", "land", "check", "judge", "load"} <= set(done.seconds)
    assert all(0 <= value <= time.monotonic() - started for value in done.seconds.values())
    assert sum(count for step, count in seen if step == "check") == 100
    assert sum(count for step, count in seen if step == "load") == 100
