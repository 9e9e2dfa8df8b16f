"""The two tasks of a feed's run: `carry` takes it the whole way to the commit, `published` sees it on its topic.

Why two: docs/decisions/0007-airflow.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from dags.operators import HubTask, mask_places
from dags.window import asked

PATIENCE_SECONDS = 120.0
"""How long `published` waits at a time; its retries and the relay DAG stand behind it."""

COUNTS = ("rows_in", "loaded", "unchanged", "quarantined", "refused", "events")

_LOG = logging.getLogger("hub.task")


class FeedTask(HubTask):
    """A task of one feed."""

    def __init__(self, *, feed: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.feed = feed


class CarryFeed(FeedTask):
    """Source → gate → landing → checks → quarantine → load → outbox, up to the commit.

    First finishes what an earlier try left unfinished. XCom: `batches` (ids), `held` (ids) and the counts of COUNTS, summed.
    """

    def work(self, context: Any) -> dict[str, Any]:
        """Runs the feed as the run asks. Raises what the way raises."""
        from connectors.base import Window
        from contracts import catalogue
        from warehouse import way

        run = context["dag_run"]
        request = asked(str(run.run_type.value), (run.data_interval_start, run.data_interval_end), context["params"])
        contract = catalogue.load_one(self.feed)
        mask_places(source.place for source in contract.sources)
        window = Window(interval_start=request.start, interval_end=request.end) if request.backfill else None
        outcomes = way.run_feed(contract, source_id=request.source, window=window)
        for outcome in outcomes:
            _LOG.info("batch %s", outcome)
        return summary(outcomes)


class AwaitPublished(FeedTask):
    """Waits until the relay has every batch of the run on its topic. XCom: `batches`, `published` (events), `seconds`."""

    def work(self, context: Any) -> dict[str, Any]:
        """Waits; raises PublicationLate, which is tried again."""
        carried = context["ti"].xcom_pull(task_ids="carry") or {}
        batches = carried.get("batches", [])
        started = time.monotonic()
        published = 0
        if batches:
            from exchange import publication

            published = publication.wait(batches, PATIENCE_SECONDS)
        return {"batches": batches, "published": published, "seconds": round(time.monotonic() - started, 1)}


def summary(outcomes: Iterable[Any]) -> dict[str, Any]:
    """Ids and counts of a run's batches."""
    listed = list(outcomes)
    return {
        "batches": [str(item.batch_id) for item in listed],
        "held": [str(item.batch_id) for item in listed if item.state == "held"],
        **{name: sum(getattr(item, name) or 0 for item in listed) for name in COUNTS},
    }
