"""Real SIGKILLs on a stack of the test's own: nothing lost, nothing doubled, order per key kept."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


def killed(*words: str) -> str:
    """Runs the harness and returns its last line, having checked that the run was a test at all."""
    command = [sys.executable, "-m", "tests.crash.harness", *words]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=850, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:] + ran.stdout
    seen = re.search(r"(\d+) events seen", ran.stderr)
    assert seen is not None
    assert int(seen[1]) > 500, "hardly anything was sent between the kills"
    return ran.stdout.strip().splitlines()[-1]


def test_nothing_is_lost_doubled_or_reordered() -> None:
    line = killed("--kills", "160", "--services", "10")
    assert line == "kills 160 lost 0 doubled 0 out-of-order 0"


def test_nor_with_the_other_producer() -> None:
    line = killed("--kills", "25", "--services", "1", "--producer", "kafka-python")
    assert line == "kills 25 lost 0 doubled 0 out-of-order 0"
