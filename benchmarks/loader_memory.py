"""Memory of the loader alone, by the rows of a batch: with a real PostgreSQL, without broker and relay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from benchmarks.meter import Peak, cpu_seconds
from benchmarks.whole_way import FEED, ROOT, SOURCE, Run

_WAL = "select wal_bytes, wal_fpi from pg_stat_wal"
_CHECKPOINTS = "select num_timed + num_requested from pg_stat_checkpointer"


def measured(sizes: Sequence[int], say: Callable[[str], None], json_only: bool) -> list[dict[str, Any]]:
    """For each size: seconds, the loader's greatest proportional memory, CPU of loader and database, and the log it wrote."""
    found = []
    for rows in sizes:
        run = Run(SimpleNamespace(producer="confluent", json=json_only, keep=False))  # type: ignore[arg-type]
        try:
            run.prepare({"postgres", "warehouse"})
            found.append(_one(run, rows))
        finally:
            run.close()
        one = found[-1]
        say(
            f"memory    {rows:>12,} rows: loader {one['pss_mib']:,} MiB, {one['seconds']:.1f} s,"
            f" cpu loader {one['cpu']['loader']:.1f} s, postgres {one['cpu']['postgres']:.1f} s, WAL {one['wal_mib']:,} MiB"
        )
    return found


def _one(run: Run, rows: int) -> dict[str, Any]:
    small, path = run.file(1_000, seed=999), run.file(rows, seed=1)
    loader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.hub_loader", FEED, SOURCE, str(small), str(path)],
        cwd=ROOT, env=run.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert loader.stdin and loader.stdout
    if loader.stdout.readline().strip() != "ready":
        raise SystemExit(f"the loader ended with {loader.wait()}; its log is above")
    watched = {"loader": loader.pid, "postgres": run.pids()["postgres"]}
    before = {name: cpu_seconds(pid) for name, pid in watched.items()}
    logged = _logged(run)
    peak = Peak({"loader": loader.pid})
    loader.stdin.write("go\n")
    loader.stdin.flush()
    answer = json.loads(loader.stdout.readline())
    used = {name: round(cpu_seconds(pid) - before[name], 1) for name, pid in watched.items()}
    most = round(peak.stop())
    loader.stdin.close()
    loader.wait()
    wal, images, checkpoints = (after - then for after, then in zip(_logged(run), logged, strict=True))
    return {
        "rows": rows, "seconds": round(answer["committed"] - answer["begun"], 1), "pss_mib": most, "cpu": used,
        "steps": {name: round(seconds, 1) for name, seconds in answer["seconds"].items()},
        "wal_mib": round(wal / 2**20), "full_page_images": images, "checkpoints": checkpoints,
    }  # fmt: skip


def _logged(run: Run) -> tuple[int, int, int]:
    with run.engine.connect() as conn:
        wal, images = conn.execute(sa.text(_WAL)).one()
        return int(wal), int(images), int(conn.scalar(sa.text(_CHECKPOINTS)) or 0)
