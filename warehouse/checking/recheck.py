"""Checks of a batch that has landed and whose pages are no longer in memory: read back, checked, judged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import sqlalchemy as sa

from contracts.gate import Gate
from contracts.model import FeedContract
from hub import clock
from hub.errors import AgencyError
from hub.settings import settings
from warehouse import batches, receipt
from warehouse.batches import Batch
from warehouse.checking.checkers import checker_for
from warehouse.checking.judge import Judge, PageChecked, checked_page
from warehouse.checking.pages import CheckedPages
from warehouse.landing import intake
from warehouse.landing import pages as landing
from warehouse.landing.hub_key import hmac_key
from warehouse.loading.rejects import landed_pages
from warehouse.store import store
from warehouse.timing import Timing


def recheck(
    conn: sa.Connection, contract: FeedContract, batch: Batch, progress: Callable[[str, int], None], timing: Timing
) -> Batch:
    """Takes a landed batch to checked or held; to refused where the contract can't read its columns.

    `conn` holds the feed's lock and has no transaction open.
    """
    place = store()
    pages = CheckedPages(place, batch.feed, batch.batch_id)
    pages.delete()  # what a killed process left may be of another version of the code
    checker = checker_for(contract, contract.source(batch.source))
    with conn.begin():
        landed = landed_pages(conn, batch.batch_id)

    def one(path: str) -> PageChecked:
        with timing.of("check"):
            return checked_page(contract, pages, checker.check(landing.read_page(place, path)))

    with closing(Judge(contract)) as judge:
        try:
            with ThreadPoolExecutor(settings().threads, thread_name_prefix="check") as pool:
                waiting: deque[Future[PageChecked]] = deque()
                for path, rows in landed:
                    if len(waiting) >= settings().threads:
                        judge.add(waiting.popleft().result())
                    waiting.append(pool.submit(one, path))
                    progress("check", rows)
                while waiting:
                    judge.add(waiting.popleft().result())
        except AgencyError as error:
            guard = Gate(contract, contract.source(batch.source), level=settings().level, hmac_key=hmac_key())
            return _refused(conn, batch, guard.told(error))
        judge.add_refused(batch.rows_refused)
        with timing.of("judge"):
            return judge.decide(conn, batch, waive=bool(batch.facts.get("waived")))


def _refused(conn: sa.Connection, batch: Batch, error: AgencyError) -> Batch:
    with conn.begin():
        refused = batches.move(
            conn,
            batch,
            "refused",
            state_reason=f"{error.code} {error.sentence()}",
            checked_at=clock.now(),
            facts={**batch.facts, "error": error.as_dict()},
        )
        receipt.make(conn, refused)
    intake.discard(batch)
    return refused
