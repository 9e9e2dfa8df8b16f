"""The access log: a line for every crossing, let in or not. Lines are added and never changed; months go as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from hub import clock
from warehouse.engine import driver, lock_transaction
from warehouse.tables import access_log

SCHEMA = "hub_access"
AHEAD = 2
"""Months for which there is a partition before they begin."""
MOST = 300
"""Characters of a caller's text that a line holds."""


@dataclass(frozen=True, slots=True)
class Line:
    """One crossing."""

    request: str
    at: datetime
    address: str
    method: str
    route: str
    status: int
    bytes_in: int
    bytes_out: int
    ms: int
    agency: str | None = None
    kid: str | None = None
    feed: str | None = None
    batch_id: str | None = None
    represented: str | None = None
    officer: str | None = None
    issue: str | None = None
    client_request: str | None = None
    request_sha256: str | None = None
    code: str | None = None


def write(conn: sa.Connection, line: Line) -> None:
    """Adds a line, in the open transaction. Texts are bounded and made visible."""
    values: Mapping[str, Any] = {name: getattr(line, name) for name in Line.__dataclass_fields__}
    shown = {name: _shown(value) if isinstance(value, str) else value for name, value in values.items()}
    conn.execute(sa.insert(access_log).values(shown))


def make_months(conn: sa.Connection) -> list[str]:
    """Makes the partitions of this month and the next ones where they are missing; returns their names. In a transaction.

    A month of which lines stand in the default partition already stays there: nothing is moved.
    """
    lock_transaction(conn, "tables", SCHEMA)
    first = clock.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    made = []
    for _ in range(AHEAD + 1):
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        name = f"y{first:%Y}m{first:%m}"
        there = sa.text("select to_regclass(:name) is not null")
        strays = sa.select(sa.literal(1)).where(access_log.c.at >= first, access_log.c.at < following).limit(1)
        if not conn.scalar(there, {"name": f"{SCHEMA}.{name}"}) and conn.scalar(strays) is None:
            query = sql.SQL("create table {} partition of hub.access_log for values from ({}) to ({})")
            bounds = sql.Literal(first.isoformat()), sql.Literal(following.isoformat())
            driver(conn).execute(query.format(sql.Identifier(SCHEMA, name), *bounds))
            # Row triggers come with the parent, this one does not.
            stays = (
                "create trigger stays before truncate on {} for each statement execute function hub.access_log_stays()"
            )
            driver(conn).execute(sql.SQL(stays).format(sql.Identifier(SCHEMA, name)))
            made.append(name)
        first = following
    return made


def drop_months(conn: sa.Connection, keep: int) -> list[str]:
    """Removes whole months that are older than the last `keep`; returns their names. In a transaction."""
    lock_transaction(conn, "tables", SCHEMA)
    now = clock.now().astimezone(UTC)
    oldest = now.year * 12 + now.month - 1 - keep
    query = sa.text("select tablename from pg_tables where schemaname = :schema and tablename ~ '^y\\d{4}m\\d{2}$'")
    names = sorted(conn.execute(query, {"schema": SCHEMA}).scalars())
    gone = [name for name in names if int(name[1:5]) * 12 + int(name[6:]) - 1 < oldest]
    for name in gone:
        driver(conn).execute(sql.SQL("drop table {}").format(sql.Identifier(SCHEMA, name)))
    return gone


def _shown(text: str) -> str:
    visible = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:MOST])
    return visible[:MOST]
