"""From contracts to dates: for each layer, the feeds that say how long they keep it and the instant before which it goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock
from hub.ids import FeedId

Layer = Literal["landing", "core", "quarantine", "outbox", "receipts"]


@dataclass(frozen=True, slots=True)
class Due:
    """A feed and the instant before which what it keeps of a layer goes."""

    feed: FeedId
    before: datetime
    snapshot: bool  # what its newest delivery still has is current, however long ago it changed


def due(contracts: Iterable[FeedContract], layer: Layer) -> list[Due]:
    """What is due now. A feed that is not among the contracts, or says nothing of the layer, keeps it."""
    now = clock.now()
    return [
        Due(contract.id, now - timedelta(days=contract.sla.retention_days[layer]), contract.completeness == "snapshot")
        for contract in contracts
        if layer in contract.sla.retention_days
    ]


def as_table(feeds: list[Due]) -> sa.Values:
    """The same as a table `due` (feed, before), to join with: one query for all feeds."""
    columns = (sa.column("feed", sa.Text()), sa.column("before", sa.DateTime(timezone=True)))
    return sa.values(*columns, name="due").data([(one.feed, one.before) for one in feeds])
