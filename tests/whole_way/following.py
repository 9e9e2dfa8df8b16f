"""A page of the documents, followed word for word: every block is typed, every line that it promises is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import shell
from hub.settings import ROOT, settings

HUB = ".venv/bin/hub "
SETS = re.compile(r"export (\w+)=(.*)$")
ASKED = re.compile(r"\$\((\.venv/bin/hub [^|]*) \| (.*)\)$")  # what the hub says, made into a value by another program
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """The page's blocks: what is typed (`sh`), and lines that the block before it prints (`text`)."""
    return BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def heads(page: str) -> list[str]:
    """The marks of a page's headings, in its order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [line.split()[0] for line in BLOCK.sub("", text).splitlines() if line.startswith("#")]


@dataclass
class Desk:
    """Somebody who types: a line that calls the hub goes to its command line in this process, all others to a shell."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    printed: list[str] = field(default_factory=list)

    def follows(self, page: str) -> None:
        """Types all of a page's blocks, and looks for what they promise."""
        printed = ""
        for kind, text in blocks(page):
            if kind == "sh":
                printed = self.types(text)
                self.printed.append(printed)
            else:
                for line in text.strip().splitlines():
                    assert line in printed, f"{line!r} is not in:\n{printed}"

    def types(self, block: str) -> str:
        """What a block prints."""
        printed, waiting = "", ""
        for line in block.splitlines(keepends=True):
            if line.startswith(HUB):
                printed, waiting = printed + self.shell(waiting), ""
                printed += self.hub(line)
            elif found := SETS.match(line):
                printed, waiting = printed + self.shell(waiting), ""
                self.monkeypatch.setenv(found[1], self.value(found[2]))
                settings.cache_clear()
            else:
                waiting += line
        return printed + self.shell(waiting)

    def value(self, words: str) -> str:
        """What a variable is set to."""
        if asked := ASKED.match(words):
            return self.shell(asked[2], given=self.hub(asked[1], alone=True)).rstrip("\n")
        return self.shell(f'export VALUE={words}\nprintf %s "$VALUE"')

    def hub(self, line: str, *, alone: bool = False) -> str:
        """A command of the hub: its words are the shell's to split. What it prints; `alone` without the log."""
        line, _, otherwise = line.strip().partition(" || ")
        words = self.shell(f"printf '%s\\0' {line}").split("\0")[1:-1]
        done = CliRunner().invoke(shell, words)
        if done.exit_code and otherwise:
            return done.output + self.shell(otherwise)
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        return done.stdout if alone else done.output

    def shell(self, words: str, given: str = "") -> str:
        if not words.strip():
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", words], cwd=self.folder, capture_output=True, text=True, check=False,
            input=given,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


def at_a_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A checkout of its own, with the contracts and the example, committed."""
    house = folder / "checkout"
    shutil.copytree(ROOT / "contracts", house / "contracts", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(ROOT / "docs" / "example", house / "docs" / "example")
    (house / ".gitignore").write_text("try/\n", encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.invalid")
    monkeypatch.setenv("HUB_CONTRACTS", str(house / "contracts"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(house)
    settings.cache_clear()
    desk = Desk(house, monkeypatch)
    desk.shell("git init -q -b main && git add . && git commit -q -m first")
    return desk
