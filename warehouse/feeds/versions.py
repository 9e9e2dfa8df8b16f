"""The versions of a contract that the hub used: what they were, when, and how many batches each judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from hub.ids import FeedId
from warehouse.engine import connection
from warehouse.feeds.stored_contract import contract_from
from warehouse.tables import batch, contract_version


def listing(conn: sa.Connection, feed: FeedId) -> list[Mapping[str, Any]]:
    """The versions of a feed, the one in use first: version, sha256, first_used_at, last_used_at, batches."""
    counted = (
        sa.select(batch.c.contract_sha256, sa.func.count().label("batches"))
        .where(batch.c.feed == feed)
        .group_by(batch.c.contract_sha256)
        .subquery()
    )
    columns = contract_version.c
    query = (
        sa.select(
            columns.version,
            columns.sha256,
            columns.first_used_at,
            columns.last_used_at,
            sa.func.coalesce(counted.c.batches, 0).label("batches"),
        )
        .outerjoin(counted, counted.c.contract_sha256 == columns.sha256)
        .where(columns.feed == feed)
        .order_by(columns.last_used_at.desc())
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def latest(conn: sa.Connection, feed: FeedId) -> FeedContract | None:
    """The version that came into use last; None where none was used yet."""
    columns = contract_version.c
    query = sa.select(columns.document).where(columns.feed == feed).order_by(columns.last_used_at.desc()).limit(1)
    document = conn.scalar(query)
    return None if document is None else contract_from(json.loads(document))


def readable(conn: sa.Connection, feed: FeedId) -> FeedContract | None:
    """The same; None also where it can't be read any more."""
    try:
        return latest(conn, feed)
    except (KeyError, TypeError, ValueError):
        return None


def of_batch(conn: sa.Connection, batch_id: str) -> FeedContract | None:
    """The version that judged a batch: what its rules said then. None where it can't be read any more."""
    columns = contract_version.c
    query = (
        sa.select(columns.document)
        .join(batch, sa.and_(batch.c.feed == columns.feed, batch.c.contract_sha256 == columns.sha256))
        .where(batch.c.batch_id == batch_id)
    )
    document = conn.scalar(query)
    try:
        return None if document is None else contract_from(json.loads(document))
    except (KeyError, TypeError, ValueError):
        return None


def of_version(feed: str, version: str) -> FeedContract | None:
    """A version that the hub used, by its number or the beginning of its SHA-256; of several the newest."""
    columns = contract_version.c
    named = sa.or_(
        columns.version == version,
        sa.and_(sa.func.length(version) >= _LEAST, columns.sha256.startswith(version, autoescape=True)),
    )
    query = (
        sa.select(columns.document).where(columns.feed == feed, named).order_by(columns.last_used_at.desc()).limit(1)
    )
    with connection() as conn:
        document = conn.scalar(query)
    return None if document is None else contract_from(json.loads(document))


_LEAST = 8  # digits of a SHA-256 that name a version
