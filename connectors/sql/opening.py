"""Opening a place's database so that it can only be read, in one snapshot, and showing that it is so.

PostgreSQL: a read-only REPEATABLE READ transaction of a role that the server says may not write the table. SQLite: the
file opened read-only, one read transaction. Any other: a role that the operator vouches for, since it can't be examined.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from connectors.errors import (
    DatabaseRefused,
    DatabaseUnreachable,
    FileOutsideRoot,
    PlaceIncomplete,
    RoleCanWrite,
    TableMissing,
)
from connectors.files.root import Root
from connectors.places import Place
from hub.said import Said

CONNECT_SECONDS = 10
_REFUSALS = ("authentication", "does not exist", "pg_hba", "permission denied", "not permitted", "denied for user")
_WRITES = sa.text(
    """
    SELECT string_agg(DISTINCT word, ', ') FROM (
      SELECT word FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS t(word)
       WHERE has_table_privilege(current_user, cast(:oid AS oid), word)
      UNION ALL
      SELECT word || ' of columns' FROM unnest(ARRAY['INSERT', 'UPDATE']) AS t(word)
       WHERE has_any_column_privilege(current_user, cast(:oid AS oid), word)
    ) AS rights
    """
)
_OID = sa.text(
    """
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = :schema AND c.relname = :table AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    """
)


def open_engine(place: Place, connector: str, timeout_seconds: int) -> Engine:
    """An engine that keeps no connections. Raises PlaceIncomplete, SecretUnreadable, RoleCanWrite."""
    dialect = place.dialect or ""
    if dialect.split("+")[0] == "sqlite":
        return _sqlite(place, connector)
    missing = [name for name in ("dialect", "host", "database", "user") if getattr(place, name) is None]
    if missing:
        raise PlaceIncomplete(
            place=place.id,
            connector=connector,
            reason=Said(f"it has no {', '.join(missing)}", f"没有 {'、'.join(missing)}"),
        )
    password = place.password()
    url = sa.URL.create(
        dialect,
        username=place.user,
        password=password.get_secret_value() if password else None,
        host=place.host,
        port=place.port,
        database=place.database,
    )
    arguments: dict[str, Any] = {}
    if dialect.startswith("postgresql"):
        words = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{timeout_seconds}s",
            "timezone": "UTC",
            "datestyle": "ISO",
            "intervalstyle": "iso_8601",
            "extra_float_digits": "1",
        }
        arguments = {
            "options": " ".join(f"-c {name}={value}" for name, value in words.items()),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "supervision-hub",
            "sslmode": "verify-full" if place.tls_ca else "prefer",
            **({"sslrootcert": str(place.tls_ca)} if place.tls_ca else {}),
        }
    elif not place.vouched_read_only:
        raise RoleCanWrite(
            place=place.id,
            table="any table",
            reason=Said(f"the hub can't examine a role of {dialect}", f"枢纽无法查验 {dialect} 的用户权限"),
        )
    try:
        return sa.create_engine(url, connect_args=arguments, poolclass=NullPool, hide_parameters=True)
    except (exc.ArgumentError, ImportError) as error:
        reason = Said(
            f"the dialect {dialect} can't be loaded ({type(error).__name__})",
            f"无法载入方言 {dialect}（{type(error).__name__}）",
        )
        raise PlaceIncomplete(place=place.id, connector=connector, reason=reason) from None


@contextmanager
def snapshot(engine: Engine, place: Place, table: str) -> Iterator[Connection]:
    """One read-only transaction that sees one state of the database.

    Raises DatabaseUnreachable (try again), DatabaseRefused (someone must act); neither quotes what the server said
    of its data.
    """
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            elif engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()
    except exc.DBAPIError as error:
        raise _translated(error, place, table) from None


def refuse_writers(connection: Connection, place: Place, schema: str, table: str) -> None:
    """Raises RoleCanWrite where PostgreSQL says that the role may write the table, TableMissing where there is none."""
    if connection.dialect.name != "postgresql":
        return  # SQLite's file is opened read-only; for any other the operator vouched
    oid = connection.execute(_OID, {"schema": schema, "table": table}).scalar_one_or_none()
    if oid is None:
        raise TableMissing(place=place.id, missing=Said("such table", "这张表"), table=f"{schema}.{table}")
    rights = connection.execute(_WRITES, {"oid": oid}).scalar_one_or_none()
    if rights:
        raise RoleCanWrite(
            place=place.id, table=f"{schema}.{table}", reason=Said(f"it holds {rights}", f"它拥有 {rights}")
        )


def _sqlite(place: Place, connector: str) -> Engine:
    if place.root is None or place.database is None:
        raise PlaceIncomplete(
            place=place.id,
            connector=connector,
            reason=Said("SQLite needs `root` and `database`", "SQLite 需要 `root` 与 `database`"),
        )
    database = place.database
    root = Root(place, connector)

    def connect() -> sqlite3.Connection:
        try:
            root.look(database)  # a regular file inside the root, no link
        except (FileNotFoundError, FileOutsideRoot):
            raise PlaceIncomplete(
                place=place.id,
                connector=connector,
                reason=Said(f"{database} is no file under its root", f"{database} 不是其根目录下的文件"),
            ) from None
        path = quote(str(root.path / database))
        made = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA query_only = ON")
        made.execute("PRAGMA trusted_schema = OFF")
        return made

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _translated(error: exc.DBAPIError, place: Place, table: str) -> DatabaseRefused | DatabaseUnreachable:
    """The driver's error as ours: its class and SQLSTATE; its words only where they can't hold data."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    said = str(error.orig).splitlines()[0][:300] if str(error.orig) else ""
    refused = state.startswith(("28", "42", "3D", "0L")) or any(word in said for word in _REFUSALS)
    if state == "57014":
        return DatabaseUnreachable(
            place=place.id, reason=Said("a query took longer than its time limit", "查询超过了时限")
        )
    if state == "25006":
        return DatabaseRefused(place=place.id, table=table, reason=Said("the transaction is read-only", "事务为只读"))
    reason = f"{type(error.orig).__name__} {state}".strip()
    if refused:
        word = next((word for word in _REFUSALS if word in said), "")
        return DatabaseRefused(place=place.id, table=table, reason=f"{reason} {word}".strip())
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return DatabaseUnreachable(place=place.id, reason=reason)
    return DatabaseRefused(place=place.id, table=table, reason=reason)
