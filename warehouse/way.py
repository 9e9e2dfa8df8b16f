"""The whole way of a feed, from its sources to the outbox, in one process.

    connector → gate → landing → checks    a page goes from the gate straight into the checks, without being read again
    judge                                  duplicates, batch rules: checked | held
    load                                   part by part: loaded

`opened` is the one door to a feed: whoever works on it, a run or a person's act, holds its lock and first finishes what
another process left on the way. Doing any of it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from connectors import registry as connector_registry
from connectors.base import Connector, Delivery, Window
from connectors.places import listed_places
from contracts.model import FeedContract, SourceSpec
from hub import log
from hub.errors import HubException
from hub.said import Said
from hub.settings import settings
from warehouse import batches, lost, receipt, seen
from warehouse.arrow import memory
from warehouse.batches import Batch, BatchOutcome
from warehouse.checking import metrics
from warehouse.checking import pages as checked
from warehouse.checking.checkers import checker_for
from warehouse.checking.recheck import recheck
from warehouse.engine import holding, translated
from warehouse.errors import FeedPaused, SourceUnknown
from warehouse.feeds import pausing, registry
from warehouse.feeds.contracts_of import contract_of
from warehouse.landing import intake, known
from warehouse.landing.intake import Intake, Origin, Taken
from warehouse.loading.loader import Loader, clean
from warehouse.store import store
from warehouse.timing import Timing

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a caller wants taken."""

    contract: FeedContract
    source_id: str | None
    window: Window | None
    file: Path | None
    by: tuple[str | None, str | None]  # operator and reason


def silent(_: str, __: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A feed that nobody else works on and of which nothing is unfinished."""

    conn: sa.Connection  # holds the feed's lock, no transaction open
    finished: list[BatchOutcome]  # what others had left on the way, oldest first


@contextmanager
def opened(
    contract: FeedContract, progress: Progress = silent, held: sa.Connection | None = None, *, ready: bool = False
) -> Iterator[Opened]:
    """Takes a feed's lock, makes its tables where they are missing, and finishes what was left unfinished.

    `held` is a connection that has the lock already and keeps it; `ready`: since it has it, all this was done.

    In that order: a load that began before it was killed was laid out for the table as it stood then, so nothing may
    come between. Raises DatabaseUnavailable, TableMismatch, TopicNotCompared, and what the unfinished batches raise.
    """
    locked = holding("feed", contract.id) if held is None else nullcontext(held)
    with locked as conn, translated():
        memory.bound()
        if ready:
            yield Opened(conn, [])
            return
        with conn.begin():
            registry.ensure(conn, contract)
        lost.must_be_compared(conn, contract)
        yield Opened(conn, _finish_all(conn, contract, _unfinished(conn, contract), progress))


def run_feed(
    contract: FeedContract,
    source_id: str | None = None,
    window: Window | None = None,
    *,
    file: Path | None = None,
    operator: str | None = None,
    reason: str | None = None,
    progress: Progress = silent,
    held: sa.Connection | None = None,
    ready: bool = False,
) -> list[BatchOutcome]:
    """Takes a feed the whole way: first what was left unfinished, then every waiting delivery, one after another.

    `window` with an interval is a backfill and moves no cursor; `file` is one delivery given by hand. `operator` and `reason`, where
    a person asked for it, stand in the receipts. Returns an outcome for each batch, in that order. A delivery that is refused or can't be read is a batch in state `refused`, whose reason
    says what to do; one that was taken or refused before comes with `repeated` set. `held` and `ready`: see `opened`.
    Raises FeedPaused, SourceUnknown, DatabaseUnavailable and what the connector raises for its place.
    """
    with (
        seen.run(contract, _named(contract, source_id, file), _interval(window)),
        opened(contract, progress, held, ready=ready) as feed,
    ):
        outcomes = list(feed.finished)
        if file is None:
            with feed.conn.begin():
                pausing.must_run(feed.conn, contract.id)
        timing = Timing()
        asked = _Asked(contract, source_id, window, file, (operator, reason))
        for taken in _deliveries(feed.conn, asked, progress, timing):
            outcomes.append(through(feed.conn, taken, progress, timing))
            timing.clear()
        return outcomes


def each_source(
    contract: FeedContract,
    sources: Iterable[str],
    window: Window | None = None,
    *,
    held: sa.Connection | None = None,
) -> Iterator[tuple[str, list[BatchOutcome] | HubException]]:
    """Runs a feed source by source: one that can't be reached keeps no other waiting. What came of each, or its error.

    Ends at FeedPaused, which holds for all of them.
    """
    ready = False
    for source in sources:
        try:
            found = run_feed(contract, source, window, held=held, ready=ready)
            ready = held is not None
            yield source, found
        except FeedPaused as error:
            yield source, error
            return
        except HubException as error:
            yield source, error


def through(conn: sa.Connection, taken: Taken, progress: Progress, timing: Timing) -> BatchOutcome:
    """Takes a delivery that was just taken the rest of the way. `conn` is that of the opened feed."""
    batch = taken.batch
    if batch.state == "checked":
        batch = _load(conn, batch, progress, timing)
    done = outcome(conn, batch, timing, repeated=taken.repeated)
    seen.batch(done, batch.contract_version, timing)
    return done


def outcome(conn: sa.Connection, batch: Batch, timing: Timing | None = None, *, repeated: bool = False) -> BatchOutcome:
    """The figures of a batch as they stand."""
    with conn.begin():
        by_rule = receipt.quarantined_by_rule(conn, batch.batch_id)
    return BatchOutcome(
        batch_id=batch.batch_id,
        feed=batch.feed,
        state=batch.state,
        **batch.counts.as_dict(),
        quarantined_by_rule=by_rule,
        events=batch.events,
        seconds=timing.seconds() if timing else {},
        verdicts=metrics.verdicts_from(batch.facts),
        delivery=batch.delivery,
        source=batch.source,
        reason=batch.state_reason,
        error=batch.facts.get("error"),
        corrected=batch.facts.get("corrected"),
        repeated=repeated,
    )


def _unfinished(conn: sa.Connection, contract: FeedContract) -> list[Batch]:
    """What other processes left on the way; batches that never landed are abandoned and their files removed."""
    _clean_up(conn, contract)
    with conn.begin():
        left = batches.unfinished(conn, contract.id)
    for batch in left:
        if batch.state == "opened":
            intake.discard(batch)
            with conn.begin():
                batches.move(conn, batch, "abandoned", state_reason="the process ended before the delivery had landed")
            log.get("way").warning("a delivery that never landed is taken anew", batch=batch.batch_id, feed=batch.feed)
    return [batch for batch in left if batch.state != "opened"]


def _clean_up(conn: sa.Connection, contract: FeedContract) -> None:
    """Removes the checked pages of batches whose process ended between its last commit and its own cleaning."""
    place = store()
    for batch_id in checked.batches_with_pages(place, contract.id):
        with conn.begin():
            state = batches.state_of(conn, batch_id)
        if state is None:
            checked.CheckedPages(place, contract.id, batch_id).delete()
        elif state not in batches.UNFINISHED:
            with conn.begin():
                ended = batches.get(conn, batch_id)
            clean(conn, place, ended)


def _finish(conn: sa.Connection, batch: Batch, progress: Progress) -> BatchOutcome:
    """Goes on with what another process left on the way.

    Where no part is loaded the checks are done anew from what landed: checked pages are put on the disk only when a
    part's commit relies on them, and after a power cut nobody can tell whole ones from others.
    """
    timing = Timing()
    if not batch.parts_loaded:
        batch = recheck(conn, contract_of(conn, batch), batch, progress, timing)
    if batch.state in ("checked", "loading"):
        batch = _load(conn, batch, progress, timing)
    done = outcome(conn, batch, timing)
    seen.batch(done, batch.contract_version, timing)
    return done


def _finish_all(
    conn: sa.Connection, contract: FeedContract, left: list[Batch], progress: Progress
) -> list[BatchOutcome]:
    if not left:
        return []
    with seen.run(contract, sorted({batch.source for batch in left})):
        return [_finish(conn, batch, progress) for batch in left]


def _load(conn: sa.Connection, batch: Batch, progress: Progress, timing: Timing) -> Batch:
    with timing.of("load"):
        return Loader(conn, contract_of(conn, batch), batch, progress).run()


def _deliveries(conn: sa.Connection, asked: _Asked, progress: Progress, timing: Timing) -> Iterator[Taken]:
    contract, given = asked.contract, asked.window
    for source in _sources(contract, asked.source_id, asked.file):
        checker = checker_for(contract, source)
        door = Intake(conn, contract, source, checker=checker, progress=progress, timing=timing)
        with conn.begin():
            cursor = known.cursor_of(conn, contract.id, source.id)
        window = Window(
            cursor=cursor,
            interval_start=given.interval_start if given else None,
            interval_end=given.interval_end if given else None,
            taken=known.TakenBefore(conn, contract.id, source.id),
            key_of=door.cursor_key,
        )
        origin = Origin(
            kind="backfill" if window.backfill else "pull",
            cursor=cursor,
            interval=(window.interval_start, window.interval_end),
            operator=asked.by[0],
            facts={} if asked.by[1] is None else {"operator_reason": asked.by[1]},
            by_hand=asked.file is not None,
        )
        if asked.file is not None:
            yield from _by_hand(conn, door, source, asked.file, origin)
            continue
        connector = connector_registry.open_connector(contract, source, listed_places(), settings().page_rows)
        met, came, landed = [], False, False
        try:
            for delivery in connector.deliveries(window):
                came = True
                for one in _take(door, delivery, origin):
                    if one.batch.state == "refused":
                        met.append(one.batch.batch_id)
                    else:
                        landed = True
                    yield one
        except HubException as error:
            raise door.told(error) from error.__cause__
        if not landed and not window.backfill:
            with conn.begin():
                known.note_look(conn, contract.id, source.id, None, found=None if came else False)
        if connector.pending is not None and not window.backfill:
            pending = [door.told_name(name) for name in connector.pending]
            with conn.begin():
                known.stop_waiting(conn, contract.id, source.id, met=met, pending=pending)


def _by_hand(conn: sa.Connection, door: Intake, source: SourceSpec, file: Path, origin: Origin) -> Iterator[Taken]:
    delivery = connector_registry.open_file(door.contract, source, file, settings().page_rows)
    digest, _ = delivery.identity()
    with conn.begin():
        earlier = known.last_word(conn, door.contract.id, source.id)
    if earlier is not None and digest is not None and earlier.delivery_sha256 == digest:
        delivery.close()
        yield Taken(earlier, repeated=True)
        return
    yield from _take(door, delivery, origin)


def _take(door: Intake, delivery: Delivery, origin: Origin) -> Iterator[Taken]:
    with ExitStack() as stack:
        stack.callback(delivery.close)
        try:
            taken = door.take(delivery, origin)
        except HubException:
            if delivery.gone and not origin.by_hand:  # listed, and taken away by its sender before it was read
                return
            raise
    if taken is not None:
        yield taken


def _named(contract: FeedContract, source_id: str | None, file: Path | None) -> list[str]:
    """The sources whose places a run reads."""
    if file is not None:
        return []
    return [source.id for source in contract.sources if source_id in (None, source.id)]


def _interval(window: Window | None) -> tuple[datetime | None, datetime | None]:
    return (window.interval_start, window.interval_end) if window else (None, None)


def _sources(contract: FeedContract, source_id: str | None, file: Path | None) -> list[SourceSpec]:
    if source_id is not None:
        try:
            return [contract.source(source_id)]
        except KeyError:
            raise _unknown(contract, source_id) from None
    if file is None:
        return list(contract.sources)
    readers = [source for source in contract.sources if _reads_files(source)]
    if len(readers) != 1:
        raise _unknown(contract, Said("for a file", "可接收文件"))
    return readers


def _reads_files(source: SourceSpec) -> bool:
    kind = connector_registry.connector_class(source.connector, source.id)
    return kind.file_delivery.__func__ is not Connector.file_delivery.__func__  # type: ignore[attr-defined]


def _unknown(contract: FeedContract, source: str) -> SourceUnknown:
    return SourceUnknown(feed=contract.id, source=source, sources=", ".join(one.id for one in contract.sources))
