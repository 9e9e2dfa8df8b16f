"""What is killed: loaders that take feeds the whole way, with an engineer who corrects and replays; the worker of frequent
feeds, and its hands; relays."""

from __future__ import annotations

import csv
import os
import random
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from connectors.errors import FileReplaced
from contracts import catalogue
from contracts.catalogue import Catalogue
from contracts.model import FeedContract
from exchange.relay.serve import Server
from hub import crash
from hub.ids import BatchId, FeedId
from hub.settings import load_settings, settings
from tests.crash import planted
from warehouse import engine, way
from warehouse.errors import BatchStateWrong, DatabaseUnavailable, NothingToReplay
from warehouse.quarantine import fixing, replay
from warehouse.turns import hand  # noqa: F401  # what hands need is inherited
from warehouse.turns.worker import Worker

PAGE_ROWS = 25
PART_ROWS = 20
"""Fewer than an operator may set, so that a few rows make several pages and parts."""


def small() -> None:
    """Cuts pages and parts small in this process."""
    now = settings()
    now.page_rows, now.part_rows = PAGE_ROWS, PART_ROWS


def load(contract: FeedContract, seed: int, corrected: Sequence[FeedContract]) -> None:
    """Takes the feed the whole way again and again until killed, and corrects some; waits while the database is away."""
    small()
    planted.plant()
    chance = random.Random(seed)
    while True:
        try:
            way.run_feed(contract)
            if chance.random() < 0.3:
                mend(chance.choice(corrected))
        # A loader whose session died with PostgreSQL reads on; the other takes the same file, and the agency removes it.
        except (DatabaseUnavailable, FileReplaced):
            time.sleep(0.2)
        time.sleep(chance.uniform(0.0, 0.03))


class Mortal(Worker):
    """A worker that is killed a while after one of its hands was; until then it must go on with others.

    A hand that comes to a crash point dies as a whole process. Those that are forked after it meet no point.
    """

    chance = random.Random()
    _dies_at = float("inf")

    def _bury(self) -> None:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) if self._hands else None
        if ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status:
            raise RuntimeError(f"a hand ended by itself ({ended.si_status}); the lines above say why")
        if ended is not None and ended.si_code == os.CLD_KILLED:
            os.environ.pop(crash.VARIABLE, None)
            self._dies_at = min(self._dies_at, time.monotonic() + self.chance.uniform(0.0, 1.2))
        super()._bury()
        if time.monotonic() > self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def work(contracts: Mapping[str, FeedContract], seed: int) -> None:
    """`hub worker serve` over these contracts, until killed."""
    small()
    planted.plant()
    known = {FeedId(feed): contract for feed, contract in contracts.items()}
    catalogue.load = lambda *_: Catalogue(known)
    catalogue.load_one = lambda feed, *_: known[feed]
    worker = Mortal(warm=lambda: None)
    worker.chance = random.Random(seed)
    worker.run()


def finish(contracts: list[FeedContract]) -> None:
    """Takes what is left the whole way."""
    small()
    planted.plant()
    for contract in contracts:
        way.run_feed(contract)
        mend(contract)
    engine.dispose()


def mend(contract: FeedContract) -> None:
    """Corrects negative amounts in every batch that has some, and replays it."""
    for batch in _batches(contract, "state = 'open' and raw ->> 'amount' like '-%'"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                _correct(contract, batch, Path(folder, "rows.csv"))
            except BatchStateWrong:
                continue  # the worker is loading it: its other rows come yet
    for batch in _batches(contract, "state = 'fixed'"):
        try:
            replay.replay(contract, batch, operator="Engineer", reason="sign")
        except NothingToReplay:
            continue  # the process before this one was killed after its rows had gone


def _batches(contract: FeedContract, where: str) -> list[BatchId]:
    query = sa.text(f"select distinct batch_id from hub.quarantine where feed = :feed and {where} order by 1")
    with engine.connection() as conn:
        return [BatchId(batch) for batch in conn.execute(query, {"feed": contract.id}).scalars()]


def _correct(contract: FeedContract, batch: BatchId, path: Path) -> None:
    fixing.export(batch, path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["amount"] = row["amount"].removeprefix("'").removeprefix("-")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    fixing.fix(contract, batch, path, editor="Engineer", reason="sign")


def relay(var: Path, producer: str) -> None:
    """A relay as `hub relay serve` runs it."""
    planted.plant()
    server = Server(load_settings(var=var, producer=producer))
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()
