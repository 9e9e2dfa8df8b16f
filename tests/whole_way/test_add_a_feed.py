"""docs/add-a-feed.md, followed word for word: every block is typed, every line that it promises is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import shell
from hub.settings import ROOT, Settings, settings
from warehouse import engine
from warehouse.migrate import migrate

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("add-a-feed.md", "add-a-feed.zh-CN.md")}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall(PAGES[page])


def test_both_pages_say_the_same_to_type() -> None:
    english, chinese = (blocks(page) for page in PAGES)
    assert english == chinese and len(english) > 12
    heads = [[line.split()[0] for line in text.splitlines() if line.startswith("#")] for text in PAGES.values()]
    assert heads[0] == heads[1]


HUB = ".venv/bin/hub "


class Desk:
    """Somebody who types: a line that calls the hub goes to its command line in this process, all others to a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def types(self, block: str) -> str:
        """What a block prints."""
        printed, waiting = "", ""
        for line in block.splitlines(keepends=True):
            if line.startswith(HUB):
                printed, waiting = printed + self.shell(waiting), ""
                printed += self.hub(line)
            else:
                waiting += line
        return printed + self.shell(waiting)

    def hub(self, line: str) -> str:
        line, _, otherwise = line.partition(" || ")
        done = CliRunner().invoke(shell, shlex.split(line)[1:])
        if done.exit_code and otherwise:
            return done.output + self.shell(otherwise)
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        return done.output

    def shell(self, words: str) -> str:
        if not words.strip():
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.mark.stack
def test_the_page_can_be_followed(hub_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = tmp_path / "checkout"
    shutil.copytree(ROOT / "contracts", house / "contracts", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
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
    desk = Desk(house)
    desk.shell("git init -q -b main && git add . && git commit -q -m first")
    migrate()
    printed = ""
    for kind, text in blocks("add-a-feed.md"):
        if kind == "sh":
            printed = desk.types(text)
        else:
            for line in text.strip().splitlines():
                assert line in printed, f"{line!r} is not in:\n{printed}"
    assert desk.shell("git status --porcelain") == ""
    engine.dispose()
