"""What may be asked for, what is shown, and that a part which fails ends the demonstration with nothing left running."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from demo.errors import RequestInvalid
from demo.request import Request
from demo.show import Show
from hub.settings import ROOT


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROWS", "many"), ("ROWS", "-5"), ("ROWS", "10"), ("ROWS", "2e6"), ("SEED", "x"), ("KEEP", "perhaps")],
)
def test_what_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RequestInvalid) as found:
        Request.of_environment()
    assert name in str(found.value) and value in str(found.value)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "SEED", "KEEP"):
        monkeypatch.delenv(name, raising=False)
    assert Request.of_environment() == Request(20_000, 1, False)
    monkeypatch.setenv("KEEP", "1")
    monkeypatch.setenv("ROWS", "1000000")
    assert Request.of_environment() == Request(1_000_000, 1, True)


def test_plain_lines_come_only_where_something_changed() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=120)) as show:
        show.part("kafka", "starting")
        show.part("kafka", "ready", "4.0 s")
        show.part("kafka", "ready", "4.0 s")
        for rows in (10, 20):
            show.feed("f", "loading", rows=rows, detail="[red]a.csv")
        show.feed("f", "published", rows=30)
    lines = [line.split(" s  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines == ["kafka ready (4.0 s)", "f: loading, 10 rows - [red]a.csv", "f: published, 30 rows"]


def test_a_terminal_gets_a_live_table_and_outside_text_is_no_markup() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=120, force_terminal=True)) as show:
        show.say("on [bold]its[/] way")
        show.part("kafka", "starting")
        show.feed("f", "loading", rows=1_234, detail="[red]a.csv[/]")
        picture = Console(file=io.StringIO(), width=120)
        picture.print(show._picture())
    text = picture.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]a.csv[/]" in text and "1,234 rows" in text and "kafka (starting)" in text
    assert "on [bold]its[/] way" in text


@pytest.mark.stack
def test_a_part_that_cannot_start_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    var = tmp_path / "var"
    env = {**os.environ, "HUB_VAR": str(var), "HUB_JAVA": "/bin/false", "ROWS": "1000"}
    done = subprocess.run(
        [sys.executable, "-m", "demo.run"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 3
    assert "kafka did not come up" in done.stderr and "remedy" in done.stderr
    assert [process for process in psutil.process_iter() if _of(process, str(var))] == []


def _of(process: psutil.Process, var: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HUB_VAR") == var
    except psutil.Error:
        return False
