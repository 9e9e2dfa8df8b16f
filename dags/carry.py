"""The two tasks of a feed's run: `carry` takes it the whole way to the commit, `published` sees it on its topic.

Why two: docs/decisions/0007-airflow.md.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dags.errors import DeliveriesUnreadable
from dags.operators import HubTask, mask_places, told
from dags.window import asked
from hub.errors import HubException, TransientError
from hub.ids import FeedId
from hub.said import Said

if TYPE_CHECKING:
    from connectors.base import Window
    from contracts.model import FeedContract
    from warehouse.batches import BatchOutcome

PATIENCE_SECONDS = 120.0
"""How long `published` waits at a time; its retries and the relay DAG stand behind it."""

COUNTS = ("rows_in", "loaded", "unchanged", "quarantined", "refused", "events")

_LOG = logging.getLogger("hub.task")


class FeedTask(HubTask):
    """A task of one feed."""

    def __init__(self, *, feed: FeedId, **rest: Any) -> None:
        super().__init__(**rest)
        self.feed = feed


class CarryFeed(FeedTask):
    """Source → gate → landing → checks → quarantine → load → outbox, up to the commit.

    A scheduled run of a frequent feed stands for its hour with the worker too (`dags.hour`).
    First finishes what an earlier try left unfinished. Sources are taken one by one: one that can't be reached does not keep
    the others waiting. XCom, also of a run that fails: `batches` (ids), `repeated` (ids of deliveries met before), `held` (ids)
    and the counts of COUNTS, summed over `batches`.
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._became: Sequence[BatchOutcome] = ()
        self._paused: list[HubException] = []

    def ended(self, context: Any, error: HubException | None) -> None:
        """The run's note: what became of its batches, and what went wrong."""
        from dags import note

        note.put(context, lambda: note.of_run(self._became, error, passing(context, error), bool(self._paused)))

    def work(self, context: Any) -> dict[str, Any]:
        """Runs the feed as the run asks. Raises what the way raises, and DeliveriesUnreadable; both after all was tried."""
        from connectors.base import Window
        from contracts import catalogue

        run = context["dag_run"]
        interval = (run.data_interval_start, run.data_interval_end)
        request = asked(str(run.run_type.value), interval, context["params"])
        contract = catalogue.load_one(self.feed)
        mask_places(source.place for source in contract.sources)
        window = Window(interval_start=request.start, interval_end=request.end) if request.backfill else None
        sources = [request.source] if request.source else [source.id for source in contract.sources]
        outcomes, failures = carried(contract, sources, window, self._paused)
        if contract.latency in ("frequent", "immediate") and str(run.run_type.value) == "scheduled":
            from dags import hour

            outcomes, missed = hour.gathered(contract, *interval, outcomes)
            failures += missed
        self._became = outcomes
        figures = summary(outcomes)
        if failures:
            context["ti"].xcom_push(key="return_value", value=figures)
            raise worst(failures)
        return figures


class AwaitPublished(FeedTask):
    """Waits until the relay has every batch of the run on its topic. XCom: `batches` (number), `published` (events), `seconds`."""

    def ended(self, context: Any, error: HubException | None) -> None:
        """Where it failed: the run's note, which `carry` wrote, anew with what went wrong."""
        from dags import note

        if error is not None:
            note.put(context, lambda: note.of_figures(_carried(context), error, passing(context, error)))

    def work(self, context: Any) -> dict[str, Any]:
        """Waits; raises PublicationLate, which is tried again."""
        done = _carried(context)
        fresh, repeated = done.get("batches", []), done.get("repeated", [])
        started = time.monotonic()
        events = 0
        if fresh or repeated:
            from exchange.relay import publication

            # Also those met before: an earlier try may have died between its commit and its end.
            publication.wait([*fresh, *repeated], PATIENCE_SECONDS)
            events = publication.state(fresh).events
        return {"batches": len(fresh), "published": events, "seconds": round(time.monotonic() - started, 1)}


def _carried(context: Any) -> dict[str, Any]:
    """What `carry` left in XCom."""
    return context["ti"].xcom_pull(task_ids="carry") or {}


def passing(context: Any, error: HubException | None) -> bool:
    """Whether Airflow tries again after this error."""
    ti = context["ti"]
    return isinstance(error, TransientError) and ti.try_number <= ti.max_tries


def carried(
    contract: FeedContract, sources: Iterable[str], window: Window | None, paused: list[HubException] | None = None
) -> tuple[list[BatchOutcome], list[HubException]]:
    """Takes each source the whole way; what became of its batches, and what stood in the way of the others.

    That the feed is paused is neither: it goes to `paused`.
    """
    from warehouse import way
    from warehouse.errors import FeedPaused

    outcomes: list[BatchOutcome] = []
    failures: list[HubException] = []
    for source, found in way.each_source(contract, sources, window):
        if isinstance(found, FeedPaused):
            # A person's word, no failure: the run is green and says why it brought nothing.
            _LOG.warning("%s", told(found))
            if paused is not None:
                paused.append(found)
            break
        if isinstance(found, HubException):
            _LOG.error("source %s: %s", source, told(found))
            failures.append(found)
            continue
        if not found:
            _LOG.info("source %s: nothing new | 没有新数据", source)
        for outcome in found:
            _LOG.info("%s", line_of(outcome))
        outcomes += found
        failures += unreadable(source, found)
    return outcomes, failures


def unreadable(source: str, found: Iterable[BatchOutcome]) -> list[HubException]:
    """One error for all deliveries of a source that nobody can read; those met before were told before."""
    bad = [outcome for outcome in found if outcome.error and not outcome.repeated]
    if not bad:
        return []
    why = bad[0].error or {}
    named = f"{bad[0].delivery}: {why.get('code')}"
    first = Said(
        f"{named} {why.get('error')}; {why.get('remedy')}",
        f"{named} {why.get('error_zh')}；{why.get('remedy_zh')}",
    )
    return [DeliveriesUnreadable(source=source, count=len(bad), first=first, first_code=str(why.get("code")))]


def worst(failures: list[HubException]) -> HubException:
    """The failure that the run ends with: a passing one first, for then trying again may mend something."""
    return next((error for error in failures if isinstance(error, TransientError)), failures[0])


def summary(outcomes: Iterable[BatchOutcome]) -> dict[str, Any]:
    """Ids and counts of a run's batches."""
    listed = list(outcomes)
    fresh = [item for item in listed if not item.repeated]
    return {
        "batches": [str(item.batch_id) for item in fresh],
        "repeated": [str(item.batch_id) for item in listed if item.repeated],
        "held": [str(item.batch_id) for item in fresh if item.state == "held"],
        **{name: sum(getattr(item, name) for item in fresh) for name in COUNTS},
    }


def line_of(outcome: BatchOutcome) -> str:
    """A batch's story in one line of the log: ids, state, counts by step and rule, seconds by step."""
    facts = {
        "batch": outcome.batch_id,
        "source": outcome.source,
        "state": outcome.state,
        "repeated": outcome.repeated,
        **{name: getattr(outcome, name) for name in COUNTS},
        "quarantined_by_rule": dict(outcome.quarantined_by_rule),
        "seconds": {step: round(value, 2) for step, value in outcome.seconds.items()},
        "reason": outcome.reason,
    }
    return json.dumps(facts, ensure_ascii=False, default=str)
