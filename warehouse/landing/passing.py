"""The pages of a delivery through gate, landing and checks, side by side in a few threads.

At most one page more than there are threads is in memory, and no page is written before the gate let it through. Where
a later page may still refuse the delivery as a whole, what passed waits in an encrypted spool until the last one has;
then it lands. Elsewhere (one frame, no rule that refuses a delivery for a row) a page lands as it comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from connectors.base import Delivery
from contracts.checks import Checker
from contracts.gate import Gate
from contracts.gate.trace import Tracer
from contracts.model import FeedContract
from contracts.page import RawPage, Refusal
from hub import crash
from hub.ids import BatchId, FeedId
from hub.settings import settings
from warehouse.arrow import memory
from warehouse.checking.judge import PageChecked, checked_page
from warehouse.checking.pages import CheckedPages
from warehouse.landing import pages as landing
from warehouse.landing import traces
from warehouse.landing.pages import LandedPage
from warehouse.spool import Aside, Held, Spool
from warehouse.store import store
from warehouse.takedown.standing import Standing
from warehouse.timing import Timing

Guard = tuple[Gate, Tracer, Standing | None]
"""The gate of a source, the traces of what it masks, under one key, and the takedowns that stand against the feed's records."""


class Named(Protocol):
    """A batch, or what will be one: what its pages are stored under."""

    @property
    def feed(self) -> FeedId:
        """Its feed."""
        ...

    @property
    def batch_id(self) -> BatchId:
        """Its id."""
        ...


_Named = TypeVar("_Named", bound=Named)
_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


class DeliveryRefused(Exception):
    """The gate refused the delivery as a whole."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.rule)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate made of a page: `table` is what lands of it."""

    rows_in: int
    rows_refused: int
    touched: bool
    refusals: pa.Table
    maskings: pa.Table


@dataclass(frozen=True, slots=True)
class _Held:
    """What the gate made of a page, while its rows and traces wait in the spool."""

    rows_in: int
    rows_refused: int
    touched: bool
    refusals: Held
    maskings: Held
    rows: Held

    def gated(self, spool: Spool) -> Gated:
        """With its traces."""
        traces = spool.get(self.refusals), spool.get(self.maskings)
        return Gated(self.rows_in, self.rows_refused, self.touched, *traces)


@dataclass(frozen=True, slots=True)
class Passed:
    """A page that went through."""

    gated: Gated
    landed: LandedPage
    checked: PageChecked | None  # None where checking is somebody else's


class Sum:
    """What the pages of a delivery add up to; traces that are too many for memory wait under `folder`. To be closed."""

    def __init__(self, folder: Path) -> None:
        self.refusals, self.maskings = Aside(folder), Aside(folder)
        self.pages: list[LandedPage] = []
        self.rows_in = 0
        self.touched = False

    def add(self, page: Passed) -> None:
        """Adds the next page."""
        self.rows_in += page.gated.rows_in
        self.touched |= page.gated.touched
        self.pages.append(page.landed)
        self.refusals.add(page.gated.refusals)
        self.maskings.add(page.gated.maskings)

    @property
    def rows_refused(self) -> int:
        """Rows that the gate refused."""
        return self.refusals.rows

    def close(self) -> None:
        """Gives back what waits on the disk."""
        self.refusals.close()
        self.maskings.close()


class Passing(Generic[_Named]):
    """Takes one delivery's pages through. `opened` makes the delivery's batch when the first page is there.

    Without a checker the pages are let in and land; whoever loads the batch checks them.
    """

    def __init__(
        self,
        contract: FeedContract,
        guard: Guard,
        checker: Checker | None,
        timing: Timing,
        *,
        opened: Callable[[], _Named],
    ) -> None:
        self._contract, self._checker, self._timing, self._opened = contract, checker, timing, opened
        self._gate, self._tracer, self._standing = guard
        self._store = store()
        self.batch: _Named | None = None

    def through(self, delivery: Delivery, *, again: bool) -> Generator[Passed, None, None]:
        """The pages in their order. Raises DeliveryRefused, and what reading and checking raise.

        `again`: the rows lie in the store already, so nothing is gained by keeping them from it.
        """
        pages = self._framed(delivery)
        first = next(pages, None)
        if first is None:
            return
        self.batch = self._opened()
        pages = chain((first,), pages)
        if again or not self._gate.may_refuse_late(one_frame=delivery.one_frame):
            yield from _side_by_side(pages, self._at_once)
            return
        with Spool(self._store.root) as spool:
            held = list(_side_by_side(pages, lambda page: self._held(spool, page)))
            yield from _side_by_side(held, lambda one: self._landed(one.gated(spool), spool.get(one.rows)))

    def _framed(self, delivery: Delivery) -> Iterator[RawPage]:
        """Pages with rows whose unit and headers pass: nothing of any page is on its way before these did."""
        seen = 0
        for page in chain(self._timing.over("read", delivery.pages()), (None,)):
            if len(delivery.around) != seen:
                seen = len(delivery.around)
                _raise(self._gate.inspect_around(delivery.around))
            if page is not None and page.rows_in:
                _raise(self._gate.inspect_frame(page))
                yield page

    def _at_once(self, page: RawPage) -> Passed:
        return self._landed(*self._through_gate(page))

    def _held(self, spool: Spool, page: RawPage) -> _Held:
        gated, table = self._through_gate(page)
        with self._timing.of("gate"):
            held = _Held(
                gated.rows_in,
                gated.rows_refused,
                gated.touched,
                spool.put(gated.refusals),
                spool.put(gated.maskings),
                spool.put(table),
            )
        memory.ease()
        return held

    def _through_gate(self, page: RawPage) -> tuple[Gated, pa.Table]:
        """What the gate says of a page, and the table that lands of it."""
        with self._timing.of("gate"):
            gated = self._gate.inspect(page)
        crash.point("collect.page_gated")
        _raise(gated.delivery_refused)
        if self._standing is not None:
            with self._timing.of("gate"):
                gated = self._standing.refused(gated)
        with self._timing.of("land"):
            table = landing.landed_table(gated, page, self._tracer)
        refusals = traces.refusal_table(gated.refusals)
        maskings = traces.masking_table((*gated.maskings, *gated.dropped))
        return Gated(page.rows_in, len(gated.refusals), gated.touched, refusals, maskings), table

    def _landed(self, gated: Gated, table: pa.Table) -> Passed:
        """Writes what passed, and checks it."""
        assert self.batch is not None
        feed, batch_id = self.batch.feed, self.batch.batch_id
        with self._timing.of("land"):
            page = landing.write_table(self._store, landing.folder(feed, batch_id), table)
        crash.point("collect.page_landed")
        if self._checker is None:
            return Passed(gated, page, None)
        with self._timing.of("check"):
            checked = self._checker.check(landing.raw_page(table))
            checked.metrics.rows_in += gated.rows_refused
            checked.metrics.rows_refused += gated.rows_refused
            return Passed(gated, page, checked_page(self._contract, CheckedPages(self._store, feed, batch_id), checked))


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise DeliveryRefused(refusal)


def _side_by_side(items: Iterable[_Item], work: Callable[[_Item], _Done]) -> Iterator[_Done]:
    """The work on each item, in order. Where anything raises, or nobody takes more, what runs is waited for."""
    threads = settings().threads
    with ThreadPoolExecutor(threads, thread_name_prefix="page") as pool:
        waiting: deque[Future[_Done]] = deque()
        try:
            for item in items:
                if len(waiting) >= threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(work, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
