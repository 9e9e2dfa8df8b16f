"""The two READMEs say the same, and what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.settings import ROOT

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def paths(name: str) -> list[str]:
    """Paths of the repository that stand in backticks in its tables."""
    rows = [line for line in text(name).splitlines() if line.startswith("|")]
    return [found for row in rows for found in re.findall(r"`([a-z]+/[\w/.-]*)`", row) if not found.startswith("var/")]


def commands(name: str) -> list[str]:
    """The lines to type, without what is said beside them."""
    blocks = re.findall(r"```sh\n(.*?)```", text(name), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_every_path_that_its_tables_name_exists(name: str) -> None:
    assert len(paths(name)) > 30
    assert [path for path in paths(name) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", [ENGLISH, CHINESE, "CONTRIBUTING.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text(name))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_folder_has_a_line() -> None:
    folders = {
        f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0].isalpha() and path.name != "var"
    }
    listed = set(paths(ENGLISH))
    assert {folder for folder in folders if (ROOT / folder / "__init__.py").exists()} <= listed
    assert {"tests/", "benchmarks/", "docker/", "requirements/", "docs/"} <= listed


def test_both_say_the_same() -> None:
    assert commands(ENGLISH) == commands(CHINESE)
    assert paths(ENGLISH) == paths(CHINESE)
    heads = [
        [line.split()[0] for line in text(name).splitlines() if line.startswith("#")] for name in (ENGLISH, CHINESE)
    ]
    assert heads[0] == heads[1]


def test_the_files_that_its_commands_take_are_there() -> None:
    named = {word for line in commands(ENGLISH) for word in line.split() if word.startswith("docs/")}
    assert named
    assert all(Path(ROOT / word).is_file() for word in named)
