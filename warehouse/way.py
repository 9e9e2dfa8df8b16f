"""The whole way of a feed, from its sources to the outbox, in one process or step by step.

    collect  connector → gate → landing     every waiting delivery becomes a landed batch
    check    row checks, batch rules        landed → checked | held
    load     parts                          checked → loaded
    run_feed all of it, fused: a page goes from the gate straight into the checks, without being read again

Whoever works on a feed holds its lock, and first goes on with what another process left on the way. Doing any of it
twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from connectors import registry as connector_registry
from connectors.base import Connector, Delivery, Window
from connectors.places import listed_places
from contracts.model import FeedContract, SourceSpec
from hub import log
from hub.ids import BatchId, FeedId
from hub.settings import settings
from warehouse import batches, receipt
from warehouse.arrow import memory
from warehouse.batches import Batch, BatchOutcome, BatchState
from warehouse.checking import metrics
from warehouse.checking import pages as checked
from warehouse.checking.checkers import checker_for
from warehouse.checking.recheck import recheck
from warehouse.engine import connection, holding, translated
from warehouse.errors import BatchStateWrong, SourceUnknown
from warehouse.feeds import registry
from warehouse.feeds.contracts_of import contract_of
from warehouse.landing import intake, known, traces
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
    operator: str | None


def silent(_: str, __: int) -> None:
    """Progress that nobody watches."""


def collect(
    contract: FeedContract,
    source_id: str | None = None,
    window: Window | None = None,
    *,
    file: Path | None = None,
    operator: str | None = None,
    progress: Progress = silent,
) -> list[BatchId]:
    """Takes every waiting delivery as far as landed; returns their batches, those found on the way first.

    `window` with an interval is a backfill and moves no cursor; `file` is one delivery given by hand. A delivery that
    is refused or can't be read is a batch in state `refused`, whose reason says what to do.
    Raises SourceUnknown, DatabaseUnavailable and what the connector raises for its place.
    """
    with holding("feed", contract.id) as conn, translated():
        _prepare(conn, contract)
        waiting = [left.batch_id for left in _unfinished(conn, contract)]
        asked = _Asked(contract, source_id, window, file, operator)
        taken = _deliveries(conn, asked, progress, Timing(), fused=False)
        return [*waiting, *(one.batch.batch_id for one in taken if not one.repeated)]


def check(batch_id: BatchId, *, progress: Progress = silent) -> BatchState:
    """Checks a landed batch; returns the state it is in then. A batch that is further on is left as it is."""
    with holding("feed", _feed_of(batch_id)) as conn, translated():
        batch = _see(conn, batch_id)
        if batch.state == "landed":
            batch = recheck(conn, contract_of(conn, batch), batch, progress, Timing())
        return batch.state


def load(batch_id: BatchId, *, progress: Progress = silent) -> BatchOutcome:
    """Loads a checked batch, or goes on with one that is loading; returns what became of it.

    A batch that is loaded, held, rejected or refused is left as it is. Raises BatchStateWrong for one not checked yet.
    """
    with holding("feed", _feed_of(batch_id)) as conn, translated():
        batch = _see(conn, batch_id)
        timing = Timing()
        if batch.state in ("opened", "landed"):
            raise BatchStateWrong(batch=batch_id, state=batch.state, action="load", needed="checked")
        if batch.state in ("checked", "loading"):
            batch = _load(conn, batch, progress, timing)
        return outcome(conn, batch, timing)


def run_feed(
    contract: FeedContract,
    source_id: str | None = None,
    window: Window | None = None,
    *,
    file: Path | None = None,
    operator: str | None = None,
    progress: Progress = silent,
) -> list[BatchOutcome]:
    """Takes a feed the whole way: first what was left unfinished, then every waiting delivery, one after another.

    Returns an outcome for each batch, in that order; a delivery that was taken or refused before comes with
    `repeated` set. Arguments and errors as of `collect`.
    """
    with holding("feed", contract.id) as conn, translated():
        _prepare(conn, contract)
        outcomes = [_onward(conn, left, progress) for left in _unfinished(conn, contract)]
        timing = Timing()
        for taken in _deliveries(
            conn, _Asked(contract, source_id, window, file, operator), progress, timing, fused=True
        ):
            batch = taken.batch
            if batch.state in ("checked", "loading"):
                batch = _load(conn, batch, progress, timing)
            outcomes.append(outcome(conn, batch, timing, repeated=taken.repeated))
            timing.clear()
        return outcomes


def onward(batch_id: BatchId, *, progress: Progress = silent) -> BatchOutcome:
    """Takes one landed batch (a replay, a release) the rest of the way."""
    with holding("feed", _feed_of(batch_id)) as conn, translated():
        return _onward(conn, _see(conn, batch_id), progress)


def outcome(conn: sa.Connection, batch: Batch, timing: Timing | None = None, *, repeated: bool = False) -> BatchOutcome:
    """The figures of a batch as they stand."""
    with conn.begin():
        by_rule = receipt.quarantined_by_rule(conn, batch.batch_id)
    return BatchOutcome(
        batch_id=batch.batch_id,
        feed=batch.feed,
        state=batch.state,
        rows_in=batch.rows_in,
        loaded=batch.rows_loaded,
        unchanged=batch.rows_unchanged,
        quarantined=batch.rows_quarantined,
        quarantined_by_rule=by_rule,
        refused=batch.rows_refused,
        events=batch.events,
        seconds=timing.seconds() if timing else {},
        verdicts=metrics.verdicts_from(batch.facts),
        delivery=batch.delivery,
        source=batch.source,
        reason=batch.state_reason,
        error=batch.facts.get("error"),
        repeated=repeated,
    )


def _prepare(conn: sa.Connection, contract: FeedContract) -> None:
    memory.bound()
    with conn.begin():
        registry.ensure(conn, contract)


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
            clean(conn, place, _see(conn, batch_id))


def _onward(conn: sa.Connection, batch: Batch, progress: Progress) -> BatchOutcome:
    return through(conn, batch, progress, Timing())


def through(conn: sa.Connection, batch: Batch, progress: Progress, timing: Timing) -> BatchOutcome:
    """Takes a landed or checked batch the rest of the way. `conn` holds the feed's lock, no transaction open."""
    if batch.state == "landed":
        batch = recheck(conn, contract_of(conn, batch), batch, progress, timing)
    if batch.state in ("checked", "loading"):
        batch = _load(conn, batch, progress, timing)
    return outcome(conn, batch, timing)


def _load(conn: sa.Connection, batch: Batch, progress: Progress, timing: Timing) -> Batch:
    with timing.of("load"):
        return Loader(conn, contract_of(conn, batch), batch, progress).run()


def _deliveries(
    conn: sa.Connection, asked: _Asked, progress: Progress, timing: Timing, *, fused: bool
) -> Iterator[Taken]:
    contract, given = asked.contract, asked.window
    for source in _sources(contract, asked.source_id, asked.file):
        checker = checker_for(contract, source) if fused else None
        door = Intake(conn, contract, source, checker=checker, progress=progress, timing=timing)
        with conn.begin():
            cursor = known.cursor_of(conn, contract.id, source.id)
            taken = known.known_appearances(conn, contract.id, source.id)
            latest = known.latest_taken(conn, contract.id, source.id)
        window = Window(
            cursor=cursor,
            interval_start=given.interval_start if given else None,
            interval_end=given.interval_end if given else None,
            known=taken,
            latest=latest.appearance if latest is not None else None,
        )
        origin = Origin(
            kind="backfill" if window.backfill else "pull",
            cursor=cursor,
            interval=(window.interval_start, window.interval_end),
            operator=asked.operator,
        )
        if asked.file is not None:
            yield from _by_hand(conn, door, source, asked.file, origin)
            continue
        connector = connector_registry.open_connector(contract, source, listed_places(), settings().page_rows)
        for delivery in connector.deliveries(window):
            yield from _take(door, delivery, origin)


def _by_hand(conn: sa.Connection, door: Intake, source: SourceSpec, file: Path, origin: Origin) -> Iterator[Taken]:
    digest, _ = traces.file_identity(file)
    with conn.begin():
        earlier = known.latest_taken(conn, door.contract.id, source.id)
    if earlier is not None and digest is not None and earlier.delivery_sha256 == digest:
        yield Taken(earlier, repeated=True)
        return
    yield from _take(door, connector_registry.open_file(door.contract, source, file, settings().page_rows), origin)


def _take(door: Intake, delivery: Delivery, origin: Origin) -> Iterator[Taken]:
    with ExitStack() as stack:
        stack.callback(delivery.close)
        taken = door.take(delivery, origin)
    if taken is not None:
        yield taken


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
        raise _unknown(contract, "for a file")
    return readers


def _reads_files(source: SourceSpec) -> bool:
    kind = connector_registry.connector_class(source.connector, source.id)
    return kind.file_delivery.__func__ is not Connector.file_delivery.__func__  # type: ignore[attr-defined]


def _unknown(contract: FeedContract, source: str) -> SourceUnknown:
    return SourceUnknown(feed=contract.id, source=source, sources=", ".join(one.id for one in contract.sources))


def _feed_of(batch_id: BatchId) -> FeedId:
    with connection() as conn:
        return batches.get(conn, batch_id).feed


def _see(conn: sa.Connection, batch_id: BatchId) -> Batch:
    with conn.begin():
        return batches.get(conn, batch_id)
