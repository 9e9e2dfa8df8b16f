"""Which values another feed holds, for rules that refer to it: asked of its table in bulk, each value once a batch."""

from __future__ import annotations

import threading

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from warehouse.engine import connection, driver
from warehouse.feeds.tables import CORE


class FeedReferences:
    """Answers for one batch. Safe to use from several threads; uses connections of its own."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, bool]] = {}
        self._lock = threading.Lock()

    def __call__(self, feed: str, field: str, values: pa.Array) -> pa.BooleanArray:
        """Which of the distinct texts `values` stand in that field of a record that holds now; null for null."""
        wanted = [value for value in values.to_pylist() if value is not None]
        with self._lock:
            known = self._known.setdefault((feed, field), {})
            new = [value for value in wanted if value not in known]
            if new:
                held = _held(feed, field, new)
                known.update((value, value in held) for value in new)
            return pa.array([None if value is None else known[value] for value in values.to_pylist()], pa.bool_())


def _held(feed: str, field: str, values: list[str]) -> set[str]:
    table = sql.Identifier(CORE, feed)
    with connection() as conn:
        there = conn.scalar(sa.text("select to_regclass(:name)"), {"name": table.as_string(driver(conn))})
        if there is None:
            return set()
        query = sql.SQL(
            "select distinct {field}::text from {table} where not hub_withdrawn and {field}::text = any(%s)"
        ).format(field=sql.Identifier(field), table=table)
        with driver(conn).cursor() as cursor:
            # A NUL can't be asked for, and no table holds one.
            cursor.execute(query, ([value for value in values if "\0" not in value],))
            return {str(row[0]) for row in cursor}
