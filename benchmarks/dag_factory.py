"""What the DAG factory costs with many contracts: `python benchmarks/dag_factory.py [--contracts 1000] [--json]`.

Copies one contract of the repository that often into a folder of its own, then measures, each in a fresh process and
beyond Airflow's own import: the catalogue without and with its cache, the whole factory, and what a starting task does.
Aims: catalogue from its cache ≤ 0.3 s, factory ≤ 4 s, starting task ≤ 0.2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AIMS = {"catalogue_cached": 0.3, "factory": 4.0, "starting_task": 0.2}

CATALOGUE = """
import json, time
from airflow.sdk import DAG
from contracts import catalogue
begun, cpu = time.perf_counter(), time.process_time()
found = catalogue.load()
print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu,
                  "contracts": len(found.feeds), "broken": len(found.broken)}))
"""
DAG_FILE = """
import json, runpy, sys, time
from airflow.sdk import DAG
import airflow.dag_processing.dagbag, airflow.sdk.execution_time.task_runner  # what Airflow has before it reads a file
before, begun, cpu = set(sys.modules), time.perf_counter(), time.process_time()
made = runpy.run_path("dags/feeds.py")
seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu": cpu, "dags": sum(isinstance(item, DAG) for item in made.values()),
                  "modules": len(set(sys.modules) - before)}))
"""


def copies(folder: Path, count: int) -> str:
    """Fills a contracts folder with copies of a contract of the repository; returns the id of one of them."""
    texts = {
        path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "contracts" / "feeds").glob("*/*.odcs.yaml"))
    }
    # One that refers to no other feed, so that its copies stand by themselves.
    source, feed = next(
        (path, path.name.removesuffix(".odcs.yaml"))
        for path, text in texts.items()
        if not any(other.name.removesuffix(".odcs.yaml") in text for other in texts if other != path)
    )
    text = texts[source]
    topic = re.search(r"\bhub\.[a-z_.]+\.v\d+\b", text)
    if topic is None:
        raise SystemExit(f"{source} names no topic")
    for name in ("codes", "events"):
        if (ROOT / "contracts" / name).is_dir():
            shutil.copytree(ROOT / "contracts" / name, folder / name)
    target = folder / "feeds" / source.parent.name
    target.mkdir(parents=True)
    for number in range(count):
        mine = f"{feed}_{number:05d}"
        area, version = topic[0].rsplit(".", 1)
        changed = text.replace(topic[0], f"{area}_{number:05d}.{version}")
        changed = re.sub(rf"\b{re.escape(feed)}\b", mine, changed)
        (target / f"{mine}.odcs.yaml").write_text(changed, encoding="utf-8")
    return f"{feed}_{count // 2:05d}"


def measure(program: str, env: dict[str, str]) -> dict[str, float]:
    """Runs a program in a fresh process; its last line is its figures."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--contracts", type=int, default=1000)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="hub-dag-factory-") as name:
        folder = Path(name)
        one = copies(folder / "contracts", given.contracts)
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("HUB_", "AIRFLOW_"))},
            "PYTHONPATH": str(ROOT),
            "HUB_CONTRACTS": str(folder / "contracts"),
            "HUB_VAR": str(folder / "var"),
            "AIRFLOW_HOME": str(folder / "airflow"),
        }
        figures = {
            "catalogue_read": measure(CATALOGUE, env),
            "catalogue_cached": measure(CATALOGUE, env),
            "factory": measure(DAG_FILE, env),
            "starting_task": measure(DAG_FILE, {**env, "_AIRFLOW_PARSING_CONTEXT_DAG_ID": f"feed_{one}"}),
        }
    for step, found in figures.items():
        if not given.json:
            aim = f"  (aim ≤ {AIMS[step]} s)" if step in AIMS else ""
            rest = ", ".join(f"{key} {value}" for key, value in found.items() if key not in ("seconds", "cpu"))
            print(f"{step:18s} {found['seconds']:7.3f} s  cpu {found['cpu']:7.3f} s  {rest}{aim}")
    if given.json:
        print(json.dumps({step: round(found["seconds"], 4) for step, found in figures.items()}))


if __name__ == "__main__":
    main()
