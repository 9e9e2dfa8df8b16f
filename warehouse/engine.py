"""The connection to PostgreSQL, the locks that keep work serial, and which database errors may be retried.

Locks are advisory and named: a session lock lives as long as the connection, a transaction lock as long as the
transaction. Both are held by the connection that does the work, so whoever loses the lock loses the work too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc

from hub.said import Said
from hub.settings import settings
from warehouse.errors import DatabaseUnavailable, FeedBusy

# SQLSTATEs that say the server or connection went away, or that trying again is the documented answer.
_RETRY_STATES = ("08", "57P01", "57P02", "57P03", "53300", "40001", "40P01")


@lru_cache(maxsize=4)
def _engine(url: str) -> sa.Engine:
    # UTC: a timestamp without a zone never reaches the database, and texts read back are comparable.
    # Parameters are rows: no message of an error may quote them.
    # The interval: a session that waits for a lock must see that its process was killed, or it keeps the feed's own lock.
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c datestyle=ISO -c client_connection_check_interval=5s"},
    )


def engine() -> sa.Engine:
    """The engine of this process for the database of the settings. Raises SettingMissing."""
    return _engine(settings().url())


def dispose() -> None:
    """Closes idle connections and forgets the engine."""
    if _engine.cache_info().currsize:
        engine().dispose()
        _engine.cache_clear()


# The parent's connections are the parent's: a child makes its own. (psycopg closes none that another process opened.)
os.register_at_fork(after_in_child=_engine.cache_clear)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the loss of the database into DatabaseUnavailable, which callers may retry; all else passes."""
    try:
        yield
    except exc.TimeoutError as error:
        raise DatabaseUnavailable(reason=Said("no connection was free in time", "未能及时取得空闲连接")) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated or _retryable(error.orig):
            raise DatabaseUnavailable(reason=_first_line(error.orig)) from error
        raise
    except psycopg.Error as error:
        if _retryable(error):
            raise DatabaseUnavailable(reason=_first_line(error)) from error
        raise


@contextmanager
def connection() -> Iterator[sa.Connection]:
    """A connection from the pool. Raises DatabaseUnavailable when the database is away."""
    with translated(), engine().connect() as conn:
        yield conn


@contextmanager
def transaction() -> Iterator[sa.Connection]:
    """A connection in a transaction that commits at the end of the block. Raises DatabaseUnavailable."""
    with translated(), engine().begin() as conn:
        yield conn


def lock_key(kind: str, name: str) -> int:
    """The advisory-lock number of a named thing: kind is feed, lane, original, push, relay, tables, takedown, upkeep or migrate."""
    digest = hashlib.sha256(f"{kind}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def lock_transaction(conn: sa.Connection, kind: str, name: str) -> None:
    """Waits for the lock and holds it until the transaction ends."""
    conn.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": lock_key(kind, name)})


def try_lock_session(conn: sa.Connection, kind: str, name: str) -> bool:
    """Takes the lock for as long as the connection lives, or says False at once."""
    return bool(conn.scalar(sa.text("select pg_try_advisory_lock(:key)"), {"key": lock_key(kind, name)}))


def unlock_session(conn: sa.Connection, kind: str, name: str) -> None:
    """Gives a session lock back."""
    conn.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": lock_key(kind, name)})


@contextmanager
def holding(kind: str, name: str, *, wait: bool = True) -> Iterator[sa.Connection]:
    """A connection that holds the session lock of a thing; what must be serial is done on this connection.

    Outside of a transaction when yielded; use `with conn.begin()` for each step.
    Raises FeedBusy when `wait` is False and another holds it, DatabaseUnavailable when the database is away.
    """
    with translated(), engine().connect() as conn:
        taken = True
        with conn.begin():
            if wait:
                conn.execute(sa.text("select pg_advisory_lock(:key)"), {"key": lock_key(kind, name)})
            else:
                taken = try_lock_session(conn, kind, name)
        if not taken:
            raise FeedBusy(feed=name)
        try:
            yield conn
        finally:
            _release(conn, kind, name)


def driver(conn: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy one: COPY runs on it, inside the same transaction."""
    raw = conn.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def _release(conn: sa.Connection, kind: str, name: str) -> None:
    # A connection that can't even unlock is thrown away: closing it gives the lock back.
    try:
        if conn.in_transaction():
            conn.rollback()
        with conn.begin():
            unlock_session(conn, kind, name)
    except (exc.SQLAlchemyError, psycopg.Error):
        conn.invalidate()


def _retryable(error: object) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate:
        return error.sqlstate.startswith(_RETRY_STATES)
    # No SQLSTATE: the client found the connection refused, closed or broken.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["connection lost"])[0][:200]
