"""Every kind of alarm: known by name, made to fire in a test, and on the page for those who are alarmed."""

from __future__ import annotations

import ast
import re

from exchange.alarms.conditions import KINDS
from hub.settings import ROOT
from tests.exchange.firing import FIRING


def conditions_made() -> set[str]:
    """The kinds of all conditions that the code makes, but for those passed on from an alarm that is there."""
    found = set()
    for path in [*(ROOT / "exchange").rglob("*.py"), *(ROOT / "dags").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Condition":
                kind = node.args[1]
                found.add(str(kind.value) if isinstance(kind, ast.Constant) else ast.unparse(kind))
    return found - {"row.kind"}


def test_every_kind_is_raised_somewhere_and_no_other_is() -> None:
    assert conditions_made() == set(KINDS)


def test_every_kind_is_made_to_fire_in_a_test() -> None:
    assert set(FIRING) == set(KINDS)
    tests = (ROOT / "tests" / "exchange" / "test_every_alarm.py").read_text(encoding="utf-8")
    assert '@pytest.mark.parametrize("kind", KINDS)' in tests and "FIRING[kind]" in tests


def test_every_kind_stands_on_the_page_and_no_other_does() -> None:
    page = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")
    table = page.partition("## Alarms")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(KINDS)
