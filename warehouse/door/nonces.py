"""Nonces of signatures: each is spent once, until a signature that bears it would be too old anyway."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from warehouse.tables import door_nonce


def spend(conn: sa.Connection, kid: str, nonce: str, until: datetime) -> bool:
    """Spends a key's nonce, in the open transaction; False where it was spent before."""
    made = insert(door_nonce).values(kid=kid, nonce=nonce, expires_at=until).on_conflict_do_nothing()
    # Not by the count of rows: of an insert that does nothing SQLAlchemy may not know it.
    return conn.scalar(made.returning(door_nonce.c.kid)) is not None


def forget(conn: sa.Connection) -> int:
    """Removes those that are too old to be met again; returns how many. In a transaction."""
    return conn.execute(sa.delete(door_nonce).where(door_nonce.c.expires_at < sa.func.now())).rowcount
