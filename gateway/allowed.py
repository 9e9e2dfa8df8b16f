"""What a caller may see and do: its own, and nothing else. What is another's is told as what is not there."""

from __future__ import annotations

import sqlalchemy as sa

from contracts import catalogue
from contracts.errors import ContractInvalid, FeedUnknown
from contracts.model import FeedContract, SourceSpec
from gateway.caller import Caller
from gateway.errors import NoSuchThing
from hub.ids import BatchId, FeedId
from hub.said import Said
from warehouse import batches
from warehouse.agencies import rights
from warehouse.agencies.rights import May
from warehouse.batches import Batch
from warehouse.tables import push

FEED, BATCH = Said("feed", "数据源"), Said("batch", "批次")


def feed_of(conn: sa.Connection, caller: Caller, feed: str, may: May) -> FeedContract:
    """The contract of a feed with which the caller may do that. Raises NoSuchThing, ContractInvalid."""
    if may not in rights.rights_of(conn, caller.agency).get(feed, frozenset()):
        raise NoSuchThing(what=FEED, name=feed[:100])
    try:
        return catalogue.load_one(FeedId(feed))
    except FeedUnknown:
        raise NoSuchThing(what=FEED, name=feed[:100]) from None


def readable(conn: sa.Connection, caller: Caller) -> list[tuple[FeedContract, frozenset[May]]]:
    """Every feed that the caller may read, by id; one whose contract is broken now is left out."""
    found = []
    for feed, granted in sorted(rights.rights_of(conn, caller.agency).items()):
        try:
            found.append((catalogue.load_one(FeedId(feed)), granted))
        except (FeedUnknown, ContractInvalid):
            continue
    return found


def door_of(contract: FeedContract) -> SourceSpec:
    """The source by which a feed is pushed. Raises NoSuchThing where it has none (any more)."""
    for source in contract.sources:
        if source.pushed:
            return source
    raise NoSuchThing(what=FEED, name=contract.id)


def batch_of(conn: sa.Connection, caller: Caller, batch_id: str) -> Batch:
    """A batch that the caller pushed. Raises NoSuchThing."""
    mine = sa.select(push.c.batch_id).where(push.c.batch_id == batch_id, push.c.agency == caller.agency)
    if conn.scalar(mine) is None:
        raise NoSuchThing(what=BATCH, name=batch_id[:100])
    return batches.get(conn, BatchId(batch_id))
