"""The access log: lines are added, by months, and nobody changes one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hub import clock
from hub.settings import Settings
from warehouse import engine
from warehouse.door import access, nonces


def line(at: datetime, **more: object) -> access.Line:
    given: dict[str, object] = {
        "request": at.isoformat(),
        "at": at,
        "address": "127.0.0.1",
        "method": "GET",
        "route": "/x",
    }
    return access.Line(**{**given, "status": 200, "bytes_in": 0, "bytes_out": 0, "ms": 1, **more})  # type: ignore[arg-type]


def places(conn: sa.Connection) -> list[str]:
    query = "select tableoid::regclass::text from hub.access_log order by at"
    return [row[0] for row in conn.exec_driver_sql(query)]


def test_lines_stand_in_their_months_and_old_months_go_as_a_whole(tables: Settings) -> None:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with engine.transaction() as conn:
        access.write(conn, line(now - timedelta(days=900)))  # there is no partition for it
        with clock.at(now - timedelta(days=70)):
            assert access.make_months(conn) == ["y2026m09", "y2026m10", "y2026m11"]
        with clock.at(now):
            assert access.make_months(conn) == ["y2026m12", "y2027m01"]
            assert access.make_months(conn) == []
        for days in (70, 30, 0):
            access.write(conn, line(now - timedelta(days=days)))
        found = ["others", "y2026m09", "y2026m10", "y2026m11"]
        assert places(conn) == [f"hub_access.{name}" for name in found]
        with clock.at(now):
            assert access.drop_months(conn, keep=1) == ["y2026m09"]
            assert access.drop_months(conn, keep=1) == []
        assert len(places(conn)) == 3
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "update hub.access_log set status = 1",
        "delete from hub.access_log",
        "truncate hub.access_log",
        "truncate hub_access.others",
        "truncate hub_access.y2026m11",
    ],
)
def test_nobody_changes_a_line(tables: Settings, statement: str) -> None:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with engine.transaction() as conn, clock.at(now):
        access.make_months(conn)
        access.write(conn, line(now, route="a\x00b\u202ec" + "x" * 900))
    with pytest.raises(sa.exc.DBAPIError, match="only added to"), engine.transaction() as conn:
        conn.exec_driver_sql(statement)
    with engine.transaction() as conn:
        (route,) = conn.exec_driver_sql("select route from hub.access_log").scalars()
    assert route.startswith("a\\u0000b\\u202ec") and len(route) <= access.MOST
    engine.dispose()


def test_a_nonce_is_spent_once(tables: Settings) -> None:
    later, before = clock.now() + timedelta(minutes=1), clock.now() - timedelta(minutes=1)
    with engine.transaction() as conn:
        assert nonces.spend(conn, "k", "n" * 16, later) and nonces.spend(conn, "other", "n" * 16, before)
        assert not nonces.spend(conn, "k", "n" * 16, later)
        assert nonces.forget(conn) == 1
        assert not nonces.spend(conn, "k", "n" * 16, later)
    engine.dispose()
