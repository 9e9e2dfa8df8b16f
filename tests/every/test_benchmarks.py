"""`make bench` runs every benchmark and none of their helpers."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hub.settings import ROOT

LISTED = re.search(r"^BENCHMARKS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
NAMES = LISTED[1].split() if LISTED else []


def test_the_chore_lists_what_can_be_run_by_itself() -> None:
    told = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if f"python benchmarks/{path.name} " in path.read_text(encoding="utf-8")
    }
    assert set(NAMES) == told and told


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_needs_no_argument_and_gives_json(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    usage = told.split("\n\n")[0]
    assert "[--json]" in usage
    assert re.sub(r"\[[^\]]*\]", "", usage).split()[2:] == [], "an argument that must be given"
