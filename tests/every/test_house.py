"""The house rules that a machine can check, over every file."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from contracts.catalogue import load
from hub.settings import ROOT

PACKAGES = ("hub", "contracts", "connectors", "warehouse", "exchange", "dags", "demo")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert len(ast.get_docstring(ast.parse(text)) or "") >= 15
    assert path.stem not in ("utils", "helpers", "common", "manager")


def test_no_code_names_a_feed() -> None:
    feeds = sorted(load(ROOT / "contracts").feeds)
    assert len(feeds) >= 7
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, feeds)) + r")\b")
    found = []
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] == "demo":
            continue
        found += [f"{shown(path)}: {match[0]}" for match in pattern.finditer(path.read_text(encoding="utf-8"))]
    assert found == []


def test_nothing_unfinished_is_left_in_the_code() -> None:
    words = re.compile(
        r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError|in production (you|one|we) would|pragma: no cover"
    )
    found = [shown(path) for path in MODULES if words.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_no_published_record_is_copied_into_the_repository() -> None:
    shared = ROOT.parent / "shared" / "data"
    if not shared.is_dir():
        pytest.skip("the published records are not here")
    theirs = {
        path.read_bytes()
        for path in shared.rglob("*")
        if path.is_file() and path.stat().st_size and path.suffix != ".md" and "LICENSE" not in path.name
    }
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    ours = [name for name in tracked if name and (ROOT / name).is_file() and (ROOT / name).read_bytes() in theirs]
    assert ours == []
