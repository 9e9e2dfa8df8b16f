"""How the hub grows: twice the rows, a thousand contracts, hundreds of small feeds a minute.

    python benchmarks/scale.py [--only batch,memory,contracts,feeds] [--rows N] [--contracts N] [--feeds N] [--minutes N] [--json]

batch      one batch of N rows and one of 2 N: time ratio (aim: 2.1 at most) and memory
memory     batches of N/2, N, 2 N and 4 N rows through the loader alone: its memory (benchmarks/loader_memory.py)
contracts  N contracts: until Airflow's API lists all their DAGs, and its page shows them (benchmarks/many_contracts.py)
feeds      N feeds of 50 rows a minute through the worker: how late, minute by minute (benchmarks/many_feeds.py)

The sizes without arguments are for a look; those of docs/benchmarks.md are said there. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PARTS = ("batch", "memory", "contracts", "feeds")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--rows", type=int, default=200_000, help="of the smaller batch")
    parser.add_argument("--once", action="store_true", help="the batch of --rows alone, not also twice as many")
    parser.add_argument("--drop", type=Path, default=None, help="where the batches' files lie, such as /dev/shm")
    parser.add_argument(
        "--compression", choices=("none", "lz4"), default="none", help="of the store (HUB_STORE_COMPRESSION)"
    )
    parser.add_argument("--contracts", type=int, default=100)
    parser.add_argument("--feeds", type=int, default=20)
    parser.add_argument("--feed-rows", type=int, default=50)
    parser.add_argument("--minutes", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2, help="of the worker")
    parser.add_argument(
        "--airflow", action="store_true", help="feeds: beside the whole stack, switched on by their DAGs"
    )
    parser.add_argument("--shots", type=Path, default=None, help="contracts: folder for pictures of the page")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    return parser.parse_args()


def batches(options: argparse.Namespace) -> dict[str, Any]:
    """Batches of N and 2 N rows, each in a hub of its own; by the tools of benchmarks/whole_way.py."""
    import sqlalchemy as sa

    from benchmarks.whole_way import TOPIC, Run

    found = []
    for rows in [options.rows] if options.once else [options.rows, 2 * options.rows]:
        run = Run(SimpleNamespace(producer="confluent", json=options.json, keep=False))  # type: ignore[arg-type]
        if options.drop is not None:
            run.drop = Path(tempfile.mkdtemp(prefix="hub-bench-", dir=options.drop))
        os.environ["HUB_STORE_COMPRESSION"] = run.env["HUB_STORE_COMPRESSION"] = options.compression
        try:
            run.prepare()
            one = run.hub(run.file(1_000, seed=999), run.file(rows, seed=1))
            shutil.rmtree(run.drop)
            events, distinct = run.count_events(TOPIC)
            with run.engine.connect() as conn:
                expected = conn.scalar(sa.text("select sum(records) from hub.outbox"))
        finally:
            run.close()
            shutil.rmtree(run.drop, ignore_errors=True)
        if not events == distinct == expected:
            raise SystemExit(f"{events:,} events on the topic ({distinct:,} distinct), {expected:,} were committed")
        found.append({
            "rows": rows, "seconds": round(one["total"], 1), "committed_seconds": round(one["committed"] - one["begun"], 1),
            "rows_per_second": round(rows / one["total"]), "rss_mib": one["rss_mib"], "rss_each": one["rss_each"],
            "cpu_seconds": one["cpu"], "events": events, "state": one["state"],
        })  # fmt: skip
        run.say(
            f"batch     {rows:>12,} rows in {one['total']:.1f} s, {rows / one['total']:,.0f} rows/s, {one['rss_mib']:,} MiB"
        )
    ratio = round(found[-1]["seconds"] / found[0]["seconds"], 2)
    return {"batches": found, "time_ratio": ratio}


def main() -> None:
    options = arguments()
    wanted = options.only.split(",")
    if not set(wanted) <= set(PARTS):
        raise SystemExit(f"parts are {', '.join(PARTS)}")

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    told: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()}
    if "batch" in wanted:
        told["batch"] = batches(options)
    if "memory" in wanted:
        from benchmarks.loader_memory import measured as memory_measured

        sizes = [options.rows // 2, options.rows, 2 * options.rows, 4 * options.rows]
        told["memory"] = memory_measured([options.rows] if options.once else sizes, say, options.json)
    if "contracts" in wanted:
        from benchmarks.many_contracts import measured

        told["contracts"] = measured(options.contracts, say, options.shots)
    if "feeds" in wanted:
        from benchmarks.many_feeds import ManyFeeds

        feeds = ManyFeeds(
            options.feeds, options.feed_rows, options.minutes, options.processes, say, with_airflow=options.airflow
        )
        told["feeds"] = feeds.run()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
