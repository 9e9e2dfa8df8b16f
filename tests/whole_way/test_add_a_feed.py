"""docs/add-a-feed.md, followed word for word: every block is typed, every line that it promises is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hub.settings import ROOT, Settings
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


@pytest.mark.stack
def test_the_page_can_be_followed(hub_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = tmp_path / "checkout"
    shutil.copytree(ROOT / "contracts", house / "contracts", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (house / ".venv").symlink_to(ROOT / ".venv")
    (house / ".gitignore").write_text("try/\n.venv\n", encoding="utf-8")
    monkeypatch.setenv("HUB_CONTRACTS", str(house / "contracts"))
    given = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {
        f"GIT_{role}_{what}": f"t{at}"
        for role in ("AUTHOR", "COMMITTER")
        for what, at in (("NAME", ""), ("EMAIL", "@example.invalid"))
    }
    environment = given | who | {"HUB_NOW": "2026-03-02T08:00:00+08:00", "COLUMNS": "200"}

    def typed(words: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", words],
            cwd=house,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    typed("git init -q -b main && git add . && git commit -q -m first")
    migrate()
    engine.dispose()
    printed = ""
    for kind, text in blocks("add-a-feed.md"):
        if kind == "sh":
            printed = typed(text)
        else:
            for line in text.strip().splitlines():
                assert line in printed, f"{line!r} is not in:\n{printed}"
    assert typed("git status --porcelain") == ""
