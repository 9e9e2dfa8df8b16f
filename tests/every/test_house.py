"""The house rules that a machine can check, over every file."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from contracts.catalogue import load
from hub.settings import ROOT

PACKAGES = ("hub", "contracts", "connectors", "warehouse", "exchange", "gateway", "dags", "demo")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


MAY_NAME_A_FEED = ("contracts/feeds/", "tests/", "demo/generate/")
"""The feeds themselves, the tests, and what makes up records of some of them."""


def tracked() -> list[str]:
    """Every file of the repository that lies here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert len(ast.get_docstring(ast.parse(text)) or "") >= 15
    assert path.stem not in ("utils", "helpers", "common", "manager")


def test_a_test_module_is_short_too() -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")}
    assert [shown(path) for path, count in lines.items() if count > 400] == []


def named_imports(path: Path) -> list[str]:
    """Modules of the house that a file imports by a name in quotes."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            found += [text.value for text in ast.walk(node) if isinstance(text, ast.Constant)]
    return [str(text) for text in found if str(text).split(".")[0] in PACKAGES]


def test_nothing_is_imported_upward_by_a_name_in_quotes() -> None:
    # The import linter reads import statements alone.
    upward = [
        f"{shown(path)}: {name}"
        for path in MODULES
        for name in named_imports(path)
        if PACKAGES.index(name.split(".")[0]) > PACKAGES.index(path.relative_to(ROOT).parts[0])
    ]
    assert upward == []


def test_commands_live_under_commands() -> None:
    imports = re.compile(r"^(import|from) typer\b", re.MULTILINE)
    found = [path for path in MODULES if imports.search(path.read_text(encoding="utf-8"))]
    assert len(found) > 20
    elsewhere = {shown(path) for path in found if "commands" not in path.relative_to(ROOT).parts}
    assert elsewhere == {f"hub/{name}.py" for name in ("cli", "usage", "output", "options")}


def test_no_file_names_a_feed() -> None:
    # The documentation's example may have been copied in, as the page says.
    example = {path.name.removesuffix(".odcs.yaml") for path in (ROOT / "docs" / "example").glob("*.odcs.yaml")}
    feeds = sorted(set(load(ROOT / "contracts").feeds) - example)
    assert len(feeds) >= 7
    pattern = re.compile("|".join(map(re.escape, feeds)).encode())
    found = []
    for name in tracked():
        if not name.startswith(MAY_NAME_A_FEED):
            found += [f"{name}: {match[0].decode()}" for match in pattern.finditer((ROOT / name).read_bytes())]
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
    ours = [name for name in tracked() if (ROOT / name).read_bytes() in theirs]
    assert ours == []
