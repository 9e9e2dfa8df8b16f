"""`make clean` removes all data: on a terminal it asks first, in a script it does what it is told."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from hub.settings import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and data, but no environment: nothing runs from here."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "data").write_text("years of it")
    return tmp_path


def clean(folder: Path, *words: str, answer: str | None = None) -> int:
    """Its exit code; with an `answer` it finds a terminal."""
    if answer is None:
        return subprocess.run(["make", "clean", *words], cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    main, terminal = pty.openpty()
    try:
        os.write(main, f"{answer}\n".encode())
        return subprocess.run(["make", "clean", *words], cwd=folder, stdin=terminal, check=False).returncode
    finally:
        os.close(main)
        os.close(terminal)


@pytest.mark.parametrize("answer", ["", "n", "maybe"])
def test_on_a_terminal_nothing_is_removed_without_a_yes(checkout: Path, answer: str) -> None:
    assert clean(checkout, answer=answer) != 0
    assert (checkout / "var" / "data").exists()


def test_a_yes_a_script_and_force_remove_it(checkout: Path) -> None:
    for words, answer in (((), "y"), ((), None), (("FORCE=1",), "")):
        (checkout / "var").mkdir(exist_ok=True)
        assert clean(checkout, *words, answer=answer) == 0
        assert not (checkout / "var").exists()
