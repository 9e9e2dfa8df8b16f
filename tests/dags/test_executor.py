"""Workers start warm: what the scheduler imported is there in a fork and works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hub.settings import ROOT

PROGRAM = """
import json, logging, os, sys, threading
from dags.executor import warm
before = set(sys.modules)
missing = warm(logging.getLogger("test"))
warmed = set(sys.modules)
read, write = os.pipe()
child = os.fork()
if child == 0:
    import great_expectations, pyarrow as pa, pyarrow.compute as pc, sqlalchemy as sa, polars as pl
    table = pa.table({"a": list(range(100_000))})
    facts = {
        "arrow": pc.sum(pc.multiply(table["a"], 2)).as_py(),
        "polars": pl.from_arrow(table).lazy().select(pl.col("a").sum()).collect().item(),
        "sqlite": sa.create_engine("sqlite://").connect().execute(sa.text("select 1")).scalar(),
        "imported": "great_expectations" in warmed,
    }
    os.write(write, json.dumps(facts).encode())
    os._exit(0)
os.close(write)
with os.fdopen(read) as answer:
    facts = json.load(answer)
os.waitpid(child, 0)
from hub.settings import settings
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print(json.dumps({**facts, "missing": missing, "settings_read": settings.cache_info().currsize,
                  "python_threads": threading.active_count(), "threads": names}))
"""


def test_a_fork_of_a_warmed_process_has_the_modules_and_they_work() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert facts["missing"] == []
    assert facts["imported"]
    assert facts["arrow"] == 2 * sum(range(100_000))
    assert facts["polars"] == sum(range(100_000))
    assert facts["sqlite"] == 1
    assert facts["settings_read"] == 0, "a task must read the settings itself"
    assert facts["python_threads"] == 1, "a fork loses every thread but one"
