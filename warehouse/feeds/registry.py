"""A contract's place in the database: its version on record, its tables, its topic and lane.

What was used once stays readable: a batch that was checked under an older version is loaded under that version.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.errors import VersionReused
from contracts.model import FeedContract
from contracts.versions import changed
from hub import log
from hub.ids import FeedId
from hub.said import Said
from warehouse.errors import TableMismatch
from warehouse.feeds import promise
from warehouse.feeds.stored_contract import contract_from
from warehouse.feeds.tables import ensure_reference, ensure_tables
from warehouse.outbox import ensure_topic
from warehouse.tables import contract_version

_MOST_KEPT = 512
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a contract last came into use that never did."""
_kept: dict[tuple[str, str, str], FeedContract] = {}


def ensure(conn: sa.Connection, contract: FeedContract) -> None:
    """Makes what the feed needs where it is missing. In a transaction; doing it twice changes nothing.

    Raises TableMismatch where the contract breaks with the one used before (another key, another type, a field less), PromiseBroken
    where only its readers would miss something. One that was used long ago and comes back breaks as a new one does.
    """
    _into_use(conn, contract)
    ensure_tables(conn, contract)
    for rule in contract.row_rules:
        if rule.kind == "reference_feed" and not is_whole_key(conn, rule.args["feed"], rule.args["field"]):
            ensure_reference(conn, rule.args["feed"], rule.args["field"])
    ensure_topic(conn, contract.topic, contract.id)


def on_record(conn: sa.Connection, contract: FeedContract) -> None:
    """Notes a contract under which something lands before the feed itself was opened with it. In a transaction.

    It does not come into use by that: whoever opens the feed holds it against the one before.
    """
    name = str(conn.engine.url), contract.id, contract.sha256
    if name in _kept:
        return
    columns = contract_version.c
    mine = columns.feed == contract.id, columns.sha256 == contract.sha256
    if conn.scalar(sa.select(columns.feed).where(*mine)) is not None:
        _kept[name] = contract
        return
    values = {"feed": contract.id, "sha256": contract.sha256, "version": contract.version}
    document = json.dumps(asdict(contract), ensure_ascii=False)
    made = insert(contract_version).values(**values, document=document, last_used_at=sa.literal(NEVER))
    conn.execute(made.on_conflict_do_nothing())


def is_whole_key(conn: sa.Connection, feed: str, field: str) -> bool:
    """Whether a field alone is a feed's key, so that `hub_key` is its text."""
    latest = _latest(conn, feed)
    return latest is not None and json.loads(latest)["key"] == [field]


def recorded(conn: sa.Connection, feed: FeedId, sha256: str) -> FeedContract:
    """The contract of that hash as it was when it was used. Raises KeyError where it never was.

    Kept once read: what a hash stands for never changes.
    """
    key = str(conn.engine.url), feed, sha256
    if key in _kept:
        return _kept[key]
    document = conn.scalar(
        sa.select(contract_version.c.document).where(
            contract_version.c.feed == feed, contract_version.c.sha256 == sha256
        )
    )
    if document is None:
        raise KeyError(sha256)
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    return _kept.setdefault(key, contract_from(json.loads(document)))


def versions(conn: sa.Connection, feed: FeedId) -> list[FeedContract]:
    """Every version of a feed's contract that was ever used, oldest first."""
    query = sa.select(contract_version.c.document).where(contract_version.c.feed == feed)
    found = conn.execute(query.order_by(contract_version.c.first_used_at)).scalars()
    return [contract_from(json.loads(document)) for document in found]


def _into_use(conn: sa.Connection, contract: FeedContract) -> None:
    """Holds a contract against the one used before, where that was another, and notes it as the one in use."""
    columns = contract_version.c
    mine = columns.feed == contract.id
    used = conn.execute(
        sa.select(columns.sha256)
        .where(mine, columns.last_used_at > NEVER)
        .order_by(columns.last_used_at.desc())
        .limit(1)
    ).scalar()
    if used == contract.sha256:
        return
    _check_key(conn, contract)
    _check_promise(conn, contract)
    if conn.execute(sa.select(columns.feed).where(mine, columns.sha256 == contract.sha256)).first() is None:
        _check_version(conn, contract)
    row = {
        "feed": contract.id,
        "sha256": contract.sha256,
        "version": contract.version,
        "document": json.dumps(asdict(contract), ensure_ascii=False),
        "last_used_at": sa.func.clock_timestamp(),
    }
    conn.execute(
        insert(contract_version)
        .values(row)
        .on_conflict_do_update(index_elements=["feed", "sha256"], set_={"last_used_at": row["last_used_at"]})
    )


def _check_key(conn: sa.Connection, contract: FeedContract) -> None:
    latest = _latest(conn, contract.id)
    if latest is None:
        return
    before = tuple(json.loads(latest)["key"])
    if before != contract.key:
        raise TableMismatch(
            feed=contract.id,
            version=contract.version,
            reason=Said(
                f"the key was {'|'.join(before)} and is now {'|'.join(contract.key)}",
                f"主键原为 {'|'.join(before)}，现为 {'|'.join(contract.key)}",
            ),
        )


def _check_promise(conn: sa.Connection, contract: FeedContract) -> None:
    latest = _latest(conn, contract.id)
    if latest is not None:
        promise.keep(conn, contract_from(json.loads(latest)), contract)


def _check_version(conn: sa.Connection, contract: FeedContract) -> None:
    """Says loudly that one version has had another content. Not refused: a contract is corrected while rows wait for it."""
    query = sa.select(contract_version.c.document).where(
        contract_version.c.feed == contract.id, contract_version.c.version == contract.version
    )
    differing = {
        name
        for document in conn.execute(query).scalars()
        for name in changed(contract_from(json.loads(document)), contract)
    }
    if differing:
        names = ", ".join(sorted(differing))
        reused = VersionReused(feed=contract.id, version=contract.version, changed=names)
        log.get("registry").warning("two contents of one contract version", error=reused)


def _latest(conn: sa.Connection, feed: str) -> str | None:
    """The document of the version that came into use last."""
    query = (
        sa.select(contract_version.c.document)
        .where(contract_version.c.feed == feed, contract_version.c.last_used_at > NEVER)
        .order_by(contract_version.c.last_used_at.desc())
        .limit(1)
    )
    found: str | None = conn.scalar(query)
    return found
