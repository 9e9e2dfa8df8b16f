"""Upkeep: what no contract keeps any longer, batches that nobody will finish, and what killed processes left.

Each layer goes by the retention that the contract gives it (docs/decisions/0009-retention.md), in small transactions and
beside running feeds. Doing it twice changes nothing; ended half-way, the next run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import log
from hub.settings import settings
from warehouse.door import access, nonces
from warehouse.engine import connection, holding, transaction
from warehouse.retention.events import purge_events
from warehouse.retention.files import purge_changes, purge_landed, purge_proofs
from warehouse.retention.leftovers import abandon, sweep
from warehouse.retention.rows import purge_core, purge_quarantine, purge_receipts
from warehouse.retention.waiting import give_up
from warehouse.store import Store, store
from warehouse.tables import topic


@dataclass(frozen=True, slots=True)
class UpkeepOutcome:
    """What upkeep removed."""

    abandoned: int  # batches that never landed
    landed: int  # batches whose landed pages went
    changes: int  # change sets
    events: int  # that stood in the outbox themselves
    quarantined: int  # quarantined rows
    revisions: int  # replaced revisions of records
    emptied: int  # records whose content went; key, revision and hash stay
    receipts: int
    given_up: int  # unreadable files that are waited for no longer
    leftovers: int  # unfinished and unnamed files
    nonces: int  # of signatures that are too old to be used again
    log_months: int  # whole months of the access log


def upkeep(contracts: Iterable[FeedContract]) -> UpkeepOutcome:
    """Does all of it once, as the contracts say. Of a feed that is not among them nothing past its time goes.

    Waits while a backup looks at the store. Raises DatabaseUnavailable.
    """
    with holding("upkeep", "store"):  # a backup looks at database and store at one moment
        return _upkeep(list(contracts), store())


def _upkeep(kept: list[FeedContract], place: Store) -> UpkeepOutcome:
    _say_who_is_missing(kept)
    abandoned = abandon()
    # First the quarantine: a row that waits in it keeps the landed page that it came on.
    quarantined = purge_quarantine(kept)
    core = purge_core(kept)
    done = UpkeepOutcome(
        abandoned=abandoned,
        landed=purge_landed(place, kept),
        changes=purge_changes(place, kept),
        events=purge_events(kept),
        quarantined=quarantined,
        revisions=core.revisions,
        emptied=core.emptied,
        receipts=purge_receipts(purge_proofs(place, kept)),
        given_up=give_up(kept),
        leftovers=sweep(place),
        **_door(),
    )
    log.get("upkeep").info("upkeep done", **asdict(done))
    return done


def _door() -> dict[str, int]:
    """The door's own: months of its log made ahead and dropped behind, nonces forgotten."""
    with transaction() as conn:
        access.make_months(conn)
        gone = access.drop_months(conn, settings().gateway_log_months)
        return {"nonces": nonces.forget(conn), "log_months": len(gone)}


def _say_who_is_missing(kept: list[FeedContract]) -> None:
    """Loud about feeds whose records are kept without an end because their contract can't be read or is gone."""
    with connection() as conn:
        known = set(conn.execute(sa.select(topic.c.feed).where(topic.c.feed.is_not(None))).scalars())
    if missing := sorted(known - {contract.id for contract in kept}):
        log.get("upkeep").warning("nothing goes of feeds without a readable contract", feeds=missing)
