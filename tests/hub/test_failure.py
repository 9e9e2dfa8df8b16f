"""A bug is told by its class and place; its text, which may quote data, reaches neither console nor log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub import failure, log
from hub.errors import DiskFull, SettingMissing, Unforeseen
from warehouse import engine

PERSONAL = "110101199003071234"


def raised() -> BaseException:
    try:
        try:
            int(f"x{PERSONAL}")
        except ValueError as error:
            raise RuntimeError(f"of {PERSONAL}") from error
    except RuntimeError as error:
        return error
    raise AssertionError


def test_a_bug_becomes_an_error_of_the_hub() -> None:
    told = failure.told(raised())
    assert isinstance(told, Unforeseen) and told.code == "HUB-BUG-001"
    assert "RuntimeError from ValueError" in told.sentence()
    assert "test_failure.py" in told.sentence() and "in raised" in told.sentence("zh")
    assert PERSONAL not in json.dumps(told.as_dict())
    known = SettingMissing(setting="HUB_X")
    assert failure.told(known) is known


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_logged_exception_has_frames_and_no_text(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", form)
    try:
        raise RuntimeError(PERSONAL) from raised()
    except RuntimeError:
        log.get("t").exception("lane failed", lane="l")
    shown = capsys.readouterr().err
    assert PERSONAL not in shown
    assert "RuntimeError from RuntimeError from ValueError" in shown
    assert "test_a_logged_exception_has_frames_and_no_text" in shown and "in raised" in shown


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_line_tells_a_bug_without_its_text(tmp_path: Path, as_json: bool) -> None:
    program = (
        "import sys, typer\n"
        "from hub import cli\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        f"def broken(json: bool = False): raise RuntimeError('of {PERSONAL}')\n"
        "cli.load_command = lambda command: typer.main.get_command(app)\n"
        f"sys.argv = ['hub', 'doctor'{', ' + repr('--json') if as_json else ''}]\n"
        "cli.main()\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin"},
        check=False,
    )
    assert done.returncode == Unforeseen.exit_code
    assert PERSONAL not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "program.py:5 in broken" in done.stderr
    told = json.loads(done.stdout)["code"] if as_json else done.stderr
    assert "HUB-BUG-001" in told


@pytest.mark.stack
@pytest.mark.usefixtures("hub_settings")
def test_a_refused_statement_shows_no_parameters() -> None:
    with engine.connection() as conn, pytest.raises(sa.exc.DBAPIError) as caught:
        conn.execute(sa.text("select cast(:value as integer), 1 / 0"), {"value": 7, "other": PERSONAL})
    assert "parameters: {" not in str(caught.value) and "hide_parameters" in str(caught.value)
    engine.dispose()


def test_a_full_disk_is_no_bug() -> None:
    try:
        try:
            Path("/dev/full").write_text("x")
        except OSError as error:
            raise RuntimeError("a library's own words") from error
    except RuntimeError as error:
        told = failure.told(error)
    assert isinstance(told, DiskFull) and told.exit_code == 4 and "library" not in told.sentence()
    assert isinstance(failure.told(FileNotFoundError(2, "x")), Unforeseen)
