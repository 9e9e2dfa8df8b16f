"""A word of the command line may lie in several packages: its sub-commands stand side by side, each imported alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from hub import cli
from hub.errors import CommandUnknown
from hub.settings import ROOT


def test_sub_commands_of_all_packages_stand_under_one_word() -> None:
    for word, leaves in (("feed", {"new", "run", "list"}), ("contract", {"lint", "diff", "plan", "apply"})):
        command = cli.commands_on_disk()[word]
        assert command.more and leaves <= set(cli.load_command(command).commands)


def test_what_the_parts_of_a_word_begin_with_is_said_once() -> None:
    assert cli.commands_on_disk()["feed"].help.startswith("Feeds: make one from a sample; take one the whole way")


def test_only_the_package_that_has_the_sub_command_is_imported() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from hub.cli import shell;"
        "done = CliRunner().invoke(shell, ['contract', 'lint', '--help']);"
        "assert done.exit_code == 0, done.output;"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('warehouse', 'exchange', 'sqlalchemy')))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_is_no_group_can_not_share_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = typer.Typer()
    alone.command()(lambda: None)
    module = type(sys)("lonely_command")
    module.app = alone  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lonely_command", module)
    spread = cli.load_command(cli.Command("x", "lonely_command", "", ("lonely_command",)))
    with pytest.raises(CommandUnknown):
        spread.list_commands(None)
