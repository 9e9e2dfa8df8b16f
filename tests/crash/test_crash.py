"""Kills loaders, the worker and relays, PostgreSQL and the broker; nothing may be lost, doubled or out of order.

And bugs that are planted on purpose must be found, or the rest would prove nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.stack import down, up

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A PostgreSQL and a broker of their own: others' tests must not feel the kills."""
    folder = tmp_path_factory.mktemp("crash") / "var"
    up(folder, {"postgres", "kafka"})
    yield folder
    down(folder)


def harness(var: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash.harness", "--var", str(var), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=850, check=False)


def figures(line: str) -> dict[str, int]:
    return {name: int(figure) for name, figure in re.findall(r"([a-z-]+) (\d+)", line)}


def survived(var: Path, *words: str) -> tuple[str, dict[str, int]]:
    """Runs the harness; returns its last line and how often it killed where, having checked that it was a test at all."""
    ran = harness(var, *words)
    assert ran.returncode == 0, ran.stderr[-6000:] + ran.stdout
    work = re.search(r"(\d+) deliveries, (\d+) rows, (\d+) replays, (\d+) events seen, (\d+) turns", ran.stderr)
    assert work is not None
    assert all(int(figure) > 0 for figure in work.groups()), work[0]
    killed = re.search(r"kills in \d+ s: (\{.*\})", ran.stderr)
    assert killed is not None
    return ran.stdout.strip().splitlines()[-1], json.loads(killed[1])


def test_nothing_is_lost_doubled_or_reordered(var: Path) -> None:
    line, killed = survived(var, "--kills", "160", "--services", "10")
    assert line == "kills 160 lost 0 doubled 0 out-of-order 0"
    assert killed["postgres"] == killed["kafka"] == 5
    named = [point for point in killed if "." in point]
    assert len(named) >= 12, "hardly any of the crash points was met"
    for part in ("load.", "relay.", "turn."):
        assert any(point.startswith(part) for point in named), f"none of {part} was met"


def test_nor_with_the_other_producer(var: Path) -> None:
    line, _ = survived(var, "--kills", "25", "--services", "0", "--producer", "kafka-python")
    assert line == "kills 25 lost 0 doubled 0 out-of-order 0"


@pytest.mark.parametrize(
    ("bug", "at", "offence"),
    [
        ("outbox-after-the-commit", "load.part_committed", "lost"),
        ("resumed-from-the-note", "relay.committed", "doubled"),
        ("delivery-forgotten", "load.loaded", "doubled"),
    ],
)
def test_a_planted_bug_is_found(var: Path, bug: str, at: str, offence: str) -> None:
    ran = harness(var, "--kills", "25", "--services", "0", "--plant", bug, "--at", at)
    assert ran.returncode == 1, ran.stderr[-4000:]
    assert figures(ran.stdout.strip().splitlines()[-1])[offence] > 0, ran.stdout
