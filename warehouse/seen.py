"""What outsiders see of a feed's runs: lineage of each run, a trace and figures of each batch. Told when it is over.

Nothing here may fail or hold up the way: what can't be told is logged, and sending is the emitters' business (`hub.emitting`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

import uuid6

from contracts.model import FeedContract
from hub import clock, failure, lineage, log, telemetry
from hub.errors import HubException
from hub.settings import settings
from hub.telemetry import Label, Span
from warehouse.batches import BatchOutcome
from warehouse.lineage import events
from warehouse.lineage.events import Ended, RunFacts
from warehouse.timing import Timing

STEPS = ("read", "gate", "land", "check", "judge", "load")
"""The steps of the way, in order; those that run side by side overlap."""


@dataclass(slots=True)
class Run:
    """A run under way."""

    facts: RunFacts
    outcomes: list[BatchOutcome] = field(default_factory=list)


_running: ContextVar[Run | None] = ContextVar("running", default=None)


@contextmanager
def run(
    contract: FeedContract,
    sources: Sequence[str] = (),
    interval: tuple[datetime | None, datetime | None] = (None, None),
) -> Iterator[None]:
    """One run of a feed, told at its start and its end; inside another run it is a part of that."""
    if _running.get() is not None or not (lineage.active() or telemetry.active()):
        yield
        return
    now = Run(RunFacts(str(uuid6.uuid7()), contract, sources, interval))
    token = _running.set(now)
    began = time.time_ns()
    _lineage(now, "START")
    error: HubException | None = None
    try:
        yield
    except BaseException as raised:
        error = failure.told(raised)
        raise
    finally:
        _running.reset(token)
        _lineage(now, "COMPLETE" if error is None else "FAIL", error)
        with _never_failing(contract.id):
            _tell_run(now, began, error)


def batch(done: BatchOutcome, contract_version: str, timing: Timing) -> None:
    """A batch that has come to an end of its way, or to where a person must decide."""
    now = _running.get()
    if done.repeated:
        return
    if now is not None:
        now.outcomes.append(done)
    if telemetry.active():
        with _never_failing(done.feed):
            _tell_batch(done, contract_version, timing)


@contextmanager
def _never_failing(feed: str) -> Iterator[None]:
    try:
        yield
    except Exception as raised:  # noqa: BLE001 - a run goes on, also where nobody can be told of it
        log.get("seen").warning("not told to observers", feed=feed, kind=failure.kind(raised))


def _lineage(now: Run, kind: Ended, error: HubException | None = None) -> None:
    if lineage.active():
        with _never_failing(now.facts.contract.id):
            lineage.tell(events.event(now.facts, settings(), kind, now.outcomes, error))


def _tell_run(now: Run, began: int, error: HubException | None) -> None:
    feed, ended = now.facts.contract.id, time.time_ns()
    telemetry.figure("hub.runs", 1, feed=feed, outcome="complete" if error is None else "failed")
    telemetry.figure("hub.run.duration", (ended - began) / 1e9, feed=feed)
    labels: dict[str, Label] = {"feed": feed, "batches": len(now.outcomes), "contract": now.facts.contract.version}
    telemetry.trace(Span("feed.run", began, ended, labels, None if error is None else error.code))


def _tell_batch(done: BatchOutcome, contract_version: str, timing: Timing) -> None:
    feed = done.feed
    counts = {
        "in": done.rows_in,
        "loaded": done.loaded,
        "unchanged": done.unchanged,
        "quarantined": done.quarantined,
        "refused": done.refused,
    }
    for outcome, rows in counts.items():
        telemetry.figure("hub.rows", rows, feed=feed, outcome=outcome)
    for rule, rows in done.quarantined_by_rule.items():
        telemetry.figure("hub.rows.quarantined", rows, feed=feed, rule=rule)
    telemetry.figure("hub.batches", 1, feed=feed, state=done.state)
    telemetry.figure("hub.events.handed", done.events, feed=feed)
    if done.state == "loaded":
        telemetry.figure("hub.feed.loaded", clock.now().timestamp(), feed=feed)
    for step, seconds in done.seconds.items():
        telemetry.figure("hub.step.duration", seconds, feed=feed, step=step)
    spans = timing.spans()
    steps = [
        Span(step, *spans[step], {"feed": feed, "busy_seconds": done.seconds.get(step, 0.0)})
        for step in (*STEPS, *sorted(set(spans) - set(STEPS)))
        if step in spans
    ]
    now = time.time_ns()
    began = min((step.began for step in steps), default=now)
    ended = max((step.ended for step in steps), default=now)
    labels: dict[str, Label] = {
        "feed": feed,
        "batch": done.batch_id,
        "source": done.source,
        "state": done.state,
        "contract": contract_version,
        "events": done.events,
        **counts,
    }
    code = str(done.error["code"]) if done.error else None
    telemetry.trace(Span("batch", began, ended, labels, code, steps), done.batch_id)
