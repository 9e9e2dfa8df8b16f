"""What an agency may do with a feed: push it (and read what is said of it), or read alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.model import FeedContract
from warehouse import acts
from warehouse.agencies import registry
from warehouse.agencies.errors import FeedNotPushed, NothingAsked, SenderThere
from warehouse.engine import lock_transaction
from warehouse.tables import agency_feed

May = Literal["push", "read"]


def allow(
    conn: sa.Connection,
    name: str,
    push: Iterable[FeedContract] = (),
    read: Iterable[FeedContract] = (),
    *,
    operator: str,
    reason: str,
) -> None:
    """Grants rights; those that are there stay. In a transaction. One agency at a time may push a feed.

    Raises OperatorMissing, NameUnknown, NothingAsked, FeedNotPushed, SenderThere.
    """
    by = acts.named("agency allow", operator, reason)
    registry.must_exist(conn, name)
    asked: dict[May, list[FeedContract]] = {"push": list(push), "read": list(read)}
    if not any(asked.values()):
        raise NothingAsked()
    for contract in asked["push"]:
        if not any(source.pushed for source in contract.sources):
            raise FeedNotPushed(feed=contract.id)
        lock_transaction(conn, "push", contract.id)  # of two that ask at once one is told of the other
        other = sender_of(conn, contract.id)
        if other not in (None, name):
            raise SenderThere(agency=name, feed=contract.id, other=other)
    for may, feeds in asked.items():
        for contract in feeds:
            made = insert(agency_feed).values(agency=name, feed=contract.id, may=may, granted_by=by[0])
            conn.execute(made.on_conflict_do_nothing())
    facts = {str(may): [contract.id for contract in feeds] for may, feeds in asked.items()}
    acts.note(conn, "allow", registry.object_of(name), by, facts)


def deny(
    conn: sa.Connection, name: str, push: Iterable[str] = (), read: Iterable[str] = (), *, operator: str, reason: str
) -> int:
    """Takes rights away, at once; returns how many there were. In a transaction. Raises OperatorMissing, NameUnknown, NothingAsked."""
    by = acts.named("agency deny", operator, reason)
    registry.must_exist(conn, name)
    asked: dict[May, list[str]] = {"push": list(push), "read": list(read)}
    if not any(asked.values()):
        raise NothingAsked()
    gone = 0
    for may, feeds in asked.items():
        mine = agency_feed.c.agency == name, agency_feed.c.may == may, agency_feed.c.feed.in_(feeds)
        gone += conn.execute(sa.delete(agency_feed).where(*mine)).rowcount
    acts.note(conn, "deny", registry.object_of(name), by, {str(may): feeds for may, feeds in asked.items()})
    return gone


def sender_of(conn: sa.Connection, feed: str) -> str | None:
    """The agency that may push a feed, or None."""
    query = sa.select(agency_feed.c.agency).where(agency_feed.c.feed == feed, agency_feed.c.may == "push")
    found: str | None = conn.scalar(query)
    return found


def rights_of(conn: sa.Connection, name: str) -> Mapping[str, frozenset[May]]:
    """Feed -> what the agency may do with it; who may push may read."""
    rows = conn.execute(sa.select(agency_feed.c.feed, agency_feed.c.may).where(agency_feed.c.agency == name))
    found: dict[str, set[May]] = {}
    for feed, may in rows:
        found.setdefault(feed, set()).update(("push", "read") if may == "push" else ("read",))
    return {feed: frozenset(rights) for feed, rights in found.items()}
