"""The feeds that anything is known of: those with a contract on disk, and those that were ever loaded."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from contracts import catalogue
from contracts.model import FeedContract
from hub.ids import FeedId
from hub.nearest import must_be_known
from hub.said import Said
from warehouse.feeds import versions
from warehouse.tables import contract_version


def feeds(conn: sa.Connection) -> set[str]:
    """Ids of all feeds on disk, the broken ones too, and of all that a contract was ever on record for."""
    on_disk = catalogue.load()
    recorded = conn.scalars(sa.select(contract_version.c.feed).distinct())
    return {*on_disk.feeds, *(one.id for one in on_disk.broken), *recorded}


def feed_known(conn: sa.Connection, feed: str | None) -> None:
    """Whether a feed that was given is one of them, or none was given. Raises NameUnknown."""
    if feed is not None:
        must_be_known(Said("feed", "数据源"), feed, feeds(conn), "hub contract list")


def contracts(conn: sa.Connection, wanted: Iterable[str]) -> list[FeedContract]:
    """The contract of each feed: the one on disk, else, where that is gone or broken, the last that was in use."""
    on_disk = catalogue.load().feeds
    found = [on_disk.get(FeedId(feed)) or versions.latest(conn, FeedId(feed)) for feed in sorted(wanted)]
    return [contract for contract in found if contract is not None]
