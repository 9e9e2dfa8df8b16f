"""Frequent feeds on disk, and the worker that takes them, as a process that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hub.ids import FeedId
from tests.subscribers import contract_file


@dataclass
class Feeds:
    """Several feeds of one form, a folder for each."""

    drop: Path
    ids: list[FeedId]
    sent: dict[str, int] = field(default_factory=dict)  # rows by feed

    def send(self, feed: str, rows: int = 5) -> None:
        """Drops a file with new records, as a careful sender does."""
        first = self.sent.get(feed, 0)
        lines = [contract_file.line(number) for number in range(first, first + rows)]
        beside = self.drop / feed / f".{first}.tmp"
        beside.write_text("\n".join([contract_file.HEADER, *lines, ""]), encoding="utf-8")
        beside.rename(self.drop / feed / f"{first:06d}.csv")
        self.sent[feed] = first + rows


def feeds(root: Path, drop: Path, unique: str, count: int, **changed: str) -> Feeds:
    """Writes the contracts; `changed` replaces texts of them."""
    folder = contract_file.folder(root, unique)
    (whole,) = (folder / "feeds" / "audit").glob("*.yaml")
    text = whole.read_text(encoding="utf-8")
    before, rules = text.split("  quality:\n")
    text = before + rules[rules.index("slaProperties:") :]
    whole.unlink()
    ids = [FeedId(f"audit_frequents{number}") for number in range(count)]
    for feed in ids:
        made = text.replace(contract_file.FEED, feed).replace(f"voucher{unique}.v1", f"f{unique}{feed[-1]}.v1")
        made = made.replace("customProperties:\n", "customProperties:\n- {property: hub.latency, value: frequent}\n", 1)
        made = made.replace('glob: "*.csv"', f'glob: "{feed}/*.csv"').replace("15 2 * * 1-5", "* * * * *")
        for old, new in changed.items():
            made = made.replace(old, new)
        (folder / "feeds" / "audit" / f"{feed}.odcs.yaml").write_text(made, encoding="utf-8")
        (drop / feed).mkdir()
    return Feeds(drop, ids)


def started(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """`hub worker serve`, or another command; with HUB_TEST_SLOW a slow turn is one of that many seconds."""
    command = [sys.executable, "-m", "tests.warehouse.frequent", *(words or ("serve", "--all"))]
    return subprocess.Popen(
        command, env={**os.environ, "HUB_LOG_FORMAT": "json", **environment}, stderr=subprocess.PIPE
    )


def stopped(process: subprocess.Popen[bytes]) -> None:
    """Ends it whatever it does."""
    with suppress(psutil.NoSuchProcess):
        for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def hands(process: subprocess.Popen[bytes]) -> Sequence[psutil.Process]:
    """The worker's processes that take turns."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children()
    return []


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


if __name__ == "__main__":
    from hub.cli import main
    from warehouse.turns import worker

    worker.WARM = ("warehouse.turns.hand",)  # these feeds have no batch rules, so nobody needs to judge
    worker.SLOW_SECONDS = float(os.environ.get("HUB_TEST_SLOW", worker.SLOW_SECONDS))
    sys.argv = ["hub", "worker", *sys.argv[1:]]
    main()
