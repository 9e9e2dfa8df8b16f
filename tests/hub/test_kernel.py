"""The kernel: errors keep their facts, ids sort, canonical bytes are one form, settings hide secrets."""

import io
import json
import pickle
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from rich.color import ColorSystem
from rich.markup import escape

from hub import cli, clock, log
from hub.canonical import canonical_bytes
from hub.errors import SettingInvalid, SettingMissing
from hub.ids import new_batch_id
from hub.output import console, emit_rows
from hub.settings import load_settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_bytes_read_back_and_do_not_depend_on_key_order(value: object) -> None:
    data = canonical_bytes(value)
    assert json.loads(data) == value
    assert canonical_bytes(json.loads(data)) == data
    if isinstance(value, dict):
        assert canonical_bytes(dict(reversed(list(value.items())))) == data


def test_canonical_bytes_order_keys_by_utf16_as_rfc_8785_does() -> None:
    # U+1F600 sorts before U+FB33 in UTF-16 code units, after it by code point.
    assert canonical_bytes({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("bad", [1.5, {"a": [float("nan")]}, {1: "x"}])
def test_canonical_bytes_refuse_floats_and_odd_keys(bad: object) -> None:
    with pytest.raises(TypeError):
        canonical_bytes(bad)


def test_an_error_keeps_facts_and_sentences_across_processes() -> None:
    error = pickle.loads(pickle.dumps(SettingInvalid(setting="HUB_X", reason="no")))
    assert (error.setting, error.code, error.side) == ("HUB_X", "HUB-SET-002", "hub")
    assert "HUB_X" in error.sentence("zh")
    assert error.as_dict()["facts"] == {"setting": "HUB_X", "reason": "no"}


def test_a_missing_fact_is_noticed_where_the_error_is_raised() -> None:
    with pytest.raises(KeyError):
        SettingInvalid(setting="HUB_X")


def test_batch_ids_sort_by_creation() -> None:
    made = [new_batch_id() for _ in range(200)]
    assert made == sorted(made)
    assert len(set(made)) == 200


def test_the_clock_can_be_fixed_and_days_are_beijing_days() -> None:
    with clock.at(datetime(2026, 3, 1, 17, 0, tzinfo=UTC)):
        assert clock.today().isoformat() == "2026-03-02"


def test_settings_read_the_stack_file_but_the_environment_wins(tmp_path, monkeypatch) -> None:
    (tmp_path / "hub.env").write_text("HUB_KAFKA_BOOTSTRAP=127.0.0.1:1\nHUB_KAFKA_USERNAME=filed\n")
    monkeypatch.setenv("HUB_KAFKA_USERNAME", "exported")
    now = load_settings(var=tmp_path)
    assert (now.kafka_bootstrap, now.kafka_username) == ("127.0.0.1:1", "exported")


def test_secrets_are_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql+psycopg://u:hush@h/d")
    now = load_settings()
    assert "hush" not in repr(now) + now.model_dump_json()
    assert isinstance(now.database_url, SecretStr)
    assert now.url().endswith("hush@h/d")


def test_an_unset_url_names_the_setting(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("HUB_DATABASE_URL", raising=False)
    with pytest.raises(SettingMissing, match="HUB_DATABASE_URL"):
        load_settings(var=tmp_path).url()


def test_log_lines_carry_the_error_code_and_remedy(capsys) -> None:
    log.configure("info", "json")
    log.get("t").error("feed.failed", error=SettingMissing(setting="HUB_Y"), feed="f")
    line = json.loads(capsys.readouterr().err)
    assert line["code"] == "HUB-SET-001"
    assert "HUB_Y" in line["remedy"]
    assert line["feed"] == "f"


def test_values_from_outside_are_data_never_console_markup() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        emit_rows([{"a": "[red]x[/red]"}], [("a", "A")], as_json=False)
    assert "[red]x[/red]" in out.getvalue()


def test_help_lists_commands_without_importing_them() -> None:
    probe = (
        "import sys; sys.argv=['hub','--help']\n"
        "from hub.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy=[m for m in ('pyarrow','sqlalchemy','kafka','airflow','great_expectations') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout


def test_a_command_that_does_not_parse_is_listed_as_broken_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hub" / "commands"
    folder.mkdir(parents=True)
    (folder / "good.py").write_text('"""Does good."""')
    (folder / "bad.py").write_text("def f(:\n")
    (folder / "nul.py").write_bytes(b'"""x"""\0')
    (folder / "latin.py").write_bytes(b'"""caf\xe9"""')
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    cli.commands_on_disk.cache_clear()
    try:
        found = {name: command.help for name, command in cli.commands_on_disk().items()}
    finally:
        cli.commands_on_disk.cache_clear()
    assert found["good"] == "Does good."
    assert all(found[name].startswith("(broken: ") for name in ("bad", "nul", "latin"))
    assert "line 1" in found["bad"]


def test_numbers_that_name_something_are_printed_to_be_copied() -> None:
    out = io.StringIO()
    row = {"pid": 31245, "rows": 31245, "lag": {"seq": 31245, "events": 31245}}
    with redirect_stdout(out):
        emit_rows([row], [(name, name) for name in row], as_json=False)
    printed = out.getvalue()
    assert printed.count("31,245") == 2 and printed.count("31245") == 2


HOSTILE = "\x1b]0;pwned\x07\x1b[31mred\x9b1m\u202e[bold]x[/]"


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_printed_is_obeyed_by_a_terminal(as_json: bool) -> None:
    with redirect_stdout(io.StringIO()) as out:
        emit_rows([{"name": HOSTILE}], [("name", "name")], as_json=as_json, title="t")
        if not as_json:
            console().print(escape(HOSTILE), soft_wrap=True)
    assert not set(out.getvalue()) & {"\x1b", "\x07", "\x9b", "\u202e"}
    if as_json:
        assert json.loads(out.getvalue()) == [{"name": HOSTILE}]
    else:
        assert "\\x1b]0;pwned\\x07" in out.getvalue() and "[bold]x[/]" in out.getvalue()


def test_our_own_colours_still_reach_a_terminal() -> None:
    text = io.StringIO()
    made = console()
    made.file, made._force_terminal, made._color_system = text, True, ColorSystem.STANDARD
    made.print("[red]" + escape("a\x1b[0m") + "[/]")
    assert text.getvalue() == "\x1b[31ma\\x1b[0m\x1b[0m\n"
