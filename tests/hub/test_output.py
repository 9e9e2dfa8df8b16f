"""What commands print: ids stay whole at any width, nothing is broken where there is no terminal, errors in both languages."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from hub import log
from hub.errors import SettingMissing
from hub.output import console, emit_error, emit_rows, say_next

BATCH = "01a20474-941b-7c95-bfa5-41343668941a"
WHY = "行政区划代码须为代码表中的代码 / the division's code must be one of the list of codes that is kept for them"
ROW: dict[str, Any] = {
    "batch_id": BATCH,
    "feed": "a_feed_with_a_long_name",
    "delivery": "a file with blanks in its very long name.csv",
    "rows": 12_345,
    "why": WHY,
}
COLUMNS = [(name, name) for name in ROW]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prints a row as a terminal of that width gets it; colours taken away."""

    def shown(width: int, row: dict[str, Any] = ROW) -> str:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(width))
        with redirect_stdout(io.StringIO()) as out:
            emit_rows([row, row], [(name, name) for name in row], as_json=False)
        return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())

    return shown


@pytest.mark.parametrize("width", [40, 80, 100, 160, 250])
def test_ids_and_names_are_neither_broken_nor_cut_at_any_width(terminal: Any, width: int) -> None:
    text = terminal(width)
    for whole in (BATCH, ROW["feed"], ROW["delivery"], "12,345"):
        assert text.count(whole) == 2
    if width >= 80:
        assert max(map(cell_len, text.splitlines())) <= width


def test_what_fits_no_table_is_a_block_of_lines(terminal: Any) -> None:
    assert terminal(250).count("rows") == 1
    block = terminal(80).splitlines()
    assert f"batch_id: {BATCH}" in block and "rows:     12,345" in block
    assert block.count("") == 1, "a blank line stands between two records"


def test_sentences_wrap_between_words_only(terminal: Any) -> None:
    words = set(WHY.split())
    assert len(WHY) > 80 - 10
    lines = terminal(80).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("why:"))
    wrapped = " ".join(line.removeprefix("why:") for line in lines[start : lines.index("", start)])
    assert set(wrapped.split()) == words


def test_a_column_that_says_nothing_is_given_up_before_the_table_is(terminal: Any) -> None:
    assert "┃" in terminal(60, {"batch_id": BATCH, "an_empty_column_with_a_long_name": None})


@pytest.mark.parametrize("columns", ["20", "80"])
def test_without_a_terminal_every_record_is_a_whole_line(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with redirect_stdout(io.StringIO()) as out:
        emit_rows([ROW, {**ROW, "feed": "甲\nforged  line", "why": None}], COLUMNS, as_json=False)
        console().print("word " * 200)
        say_next(f"hub batch show {BATCH} " + "x" * 200)
    head, first, second, long, following = out.getvalue().splitlines()
    assert not set(out.getvalue()) & set("\x1b\t┃│")
    assert head.index("feed") == first.index(ROW["feed"]) and all(
        str(value) in first for value in (BATCH, WHY, "12,345")
    )
    assert "甲\\nforged" in second
    assert second.endswith(" -"), "what has no value has a mark, so that columns can be told apart"
    assert long.split() == ["word"] * 200
    assert following.endswith("x" * 200)


def test_a_true_terminal_is_met(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text(
        "from hub.output import emit_rows\n"
        f"emit_rows([{{'batch_id': '{BATCH}', 'delivery': 'x' * 60}}], [('batch_id', 'b'), ('delivery', 'd')], as_json=False)\n"
    )
    ours, theirs = pty.openpty()
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin", "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([sys.executable, str(program)], stdout=theirs, env=env, check=True)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert BATCH in shown and "x" * 60 in shown and "┃" not in shown


def test_an_error_says_what_happened_and_what_to_do_in_both_languages() -> None:
    error = SettingMissing(setting="HUB_X")
    with redirect_stderr(io.StringIO()) as told:
        emit_error(error, as_json=False)
    lines = told.getvalue().splitlines()
    assert len(lines) == 4, "no line is broken: a command in it is there to be copied"
    for line, text in zip(
        lines, (error.sentence(), error.sentence("zh"), error.remedy(), error.remedy("zh")), strict=True
    ):
        assert line.endswith(text)


HOSTILE = "a\nforged event=x\x1b[31m\x9b1m\u202e"


def test_a_value_in_a_console_log_is_obeyed_by_no_terminal_and_makes_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("info", "console")
    # The renderer itself writes out only what has blanks in it.
    log.get("t").info(
        "met",
        value=HOSTILE,
        bare="x\x1b[31m\x9b\u202e",
        inner={"k\x1b": [HOSTILE]},
        error=SettingMissing(setting=HOSTILE),
    )
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert not set(shown) & {"\x1b", "\x9b", "\u202e"}


def test_a_value_in_a_json_log_is_what_it_was_and_obeyed_by_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    log.get("t").info("met", value=HOSTILE)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and not set(shown) & {"\x1b", "\x9b", "\u202e"}
    assert json.loads(shown)["value"] == HOSTILE
