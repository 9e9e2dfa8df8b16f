"""Which values another feed holds, for rules that refer to it: asked of its table in bulk, a value that comes again as a rule once a batch."""

from __future__ import annotations

import threading

import pyarrow as pa
from psycopg import sql

from contracts.checks.canonical import escaped_key_text
from warehouse.engine import connection, driver
from warehouse.feeds.registry import is_whole_key
from warehouse.feeds.tables import CORE, column_type

_KNOWN = 200_000
"""Answers that are remembered for a field: more are asked for again rather than kept."""


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
            if len(known) > _KNOWN:
                known.clear()
            new = [value for value in wanted if value not in known]
            if new:
                held = _held(feed, field, new)
                known.update((value, value in held) for value in new)
            return pa.array([None if value is None else known[value] for value in values.to_pylist()], pa.bool_())


def _held(feed: str, field: str, values: list[str]) -> set[str]:
    # A NUL can't be asked for, and no table holds one.
    asked = [value for value in values if "\0" not in value]
    with connection() as conn:
        kind = column_type(conn, feed, field)
        if kind is None:
            return set()
        by_key = is_whole_key(conn, feed, field)
        texts = escaped_key_text(pa.array(asked, pa.string())).to_pylist() if by_key else asked
        with driver(conn).cursor() as cursor:
            cursor.execute(held_query(feed, field, by_key=by_key, text=kind == "text"), (texts,))
            found = {str(row[0]) for row in cursor}
    return {value for value, text in zip(asked, texts, strict=True) if text in found}


def held_query(feed: str, field: str, *, by_key: bool, text: bool) -> sql.Composed:
    """Which of an array of texts the table holds: by its key, by the index that a reference makes, or by looking."""
    column: sql.Composable = sql.Identifier("hub_key" if by_key else field)
    if not (by_key or text):
        column = sql.SQL("{}::text").format(column)
    return sql.SQL("select distinct {column} from {table} where not hub_withdrawn and {column} = any(%s)").format(
        column=column, table=sql.Identifier(CORE, feed)
    )
