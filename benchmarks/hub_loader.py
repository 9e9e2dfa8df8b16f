"""The loader under measurement, in a process of its own: takes a small file, says "ready", waits for a line, takes the big one.

`python -m benchmarks.hub_loader FEED SOURCE SMALL BIG`; prints one JSON object when it is done. What the small file brings about
(imports, tables, topic) is not timed: a worker that serves feeds has it behind it (`dags/executor.py`).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from contracts.catalogue import load_one
from hub.ids import FeedId
from warehouse import way


def main(feed: str, source: str, small: str, path: str) -> None:
    contract = load_one(FeedId(feed))
    way.run_feed(contract, source, file=Path(small))
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.time()
    (outcome,) = way.run_feed(contract, source, file=Path(path))
    print(
        json.dumps(
            {
                "begun": begun,
                "committed": time.time(),
                "batch": outcome.batch_id,
                "state": outcome.state,
                "rows": outcome.rows_in,
                "loaded": outcome.loaded,
                "unchanged": outcome.unchanged,
                "quarantined": outcome.quarantined,
                "refused": outcome.refused,
                "events": outcome.events,
                "seconds": dict(outcome.seconds),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
