"""A table or view of a database, read by keyset pages in one read-only snapshot.

Only the columns that the contract's fields name are read. With a cursor, a pull starts at the saved value less the
overlap, inclusive; rows met again are told apart by their hash later. Rows that are committed late, with a cursor value
older than the overlap reaches, are missed: the overlap must be longer than the source's longest transaction (docs/places.md).
Without a cursor every pull reads the whole table.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from connectors import base, options
from connectors.base import Delivery, Window
from connectors.cursors import Watermark, greatest, overlap_of, refuse_ahead, start_of
from connectors.errors import CursorHasNulls, CursorUnusable, KeyTied, OptionsInvalid, TableMissing
from connectors.names import expected
from connectors.places import Place
from connectors.readers.paging import MAX_PAGE_BYTES, Pager
from connectors.sql.columns import Column, described
from connectors.sql.opening import open_engine, refuse_writers, snapshot
from contracts.model import FeedContract, SourceSpec
from contracts.page import RawPage
from hub.clock import BEIJING
from hub.said import Said

FETCH_ROWS = 4_096


class SqlOptions(options.Options):
    """What a contract says of a table."""

    table: str = Field(min_length=1, max_length=128, description="Table or view.")
    db_schema: str | None = Field(None, alias="schema", min_length=1, max_length=128, description="Schema: `schema`.")
    database: str | None = Field(None, description="Only to say it: it must be the place's.")
    format: str | None = Field(None, description="Only to say it.")
    timeout_seconds: int = Field(120, ge=1, le=3_600, description="Time limit of one query.")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a pull reads."""

    name: str  # schema.table
    table: sa.TableClause
    columns: tuple[Column, ...]
    order: tuple[Column, ...]  # cursor first, then the key
    cursor: Column | None
    further: int  # columns of the table that are not read


class Connector(base.Connector):
    """A table of a database."""

    Options = SqlOptions

    def __init__(self, contract: FeedContract, source: SourceSpec, place: Place, *, page_rows: int) -> None:
        super().__init__(contract, source, place, page_rows=page_rows)
        self.options = options.read(SqlOptions, source)
        if self.options.database not in (None, place.database):
            problem = Said(
                f"database {self.options.database} is not that of the place {place.id}",
                f"数据库 {self.options.database} 不是来源地 {place.id} 的数据库",
            )
            raise OptionsInvalid(source=source.id, connector=source.connector, problems=problem)
        self.overlap = overlap_of(source.id, contract.cursor_overlap)
        self.engine = open_engine(place, source.connector, self.options.timeout_seconds)

    def check(self) -> str:
        """Connects and looks at the table. Raises what a pull would raise before its first row."""
        with snapshot(self.engine, self.place, self.options.table) as connection:
            plan = self.plan(connection)
            self._refuse_nulls(connection, plan)
        ordered = ", ".join(column.name for column in plan.order)
        return (
            f"{plan.name}: reads {len(plan.columns)} columns ({plan.further} more are not read), ordered by {ordered}"
        )

    def deliveries(self, window: Window) -> Iterator[Delivery]:
        """One delivery where there are rows; for a feed of snapshots also where there are none."""
        delivery = _Pull(self, window)
        if delivery.start() or self.contract.completeness == "snapshot":
            yield delivery
        else:
            delivery.close()

    def plan(self, connection: Connection) -> _Plan:
        """The table's columns matched with the contract's. Raises TableMissing, ColumnUnsupported, RoleCanWrite."""
        inspector = sa.inspect(connection)
        schema = self.options.db_schema or inspector.default_schema_name or "main"
        name = f"{schema}.{self.options.table}"
        refuse_writers(connection, self.place, schema, self.options.table)
        found = described(inspector, self.place, schema, self.options.table)
        columns: dict[str, Column] = {}
        missing: list[str] = []
        for field, names in expected(self.contract, self.source).items():
            there = next((found[own] for own in names if own in found), None)
            if there is None:
                missing.append(names[0])
            else:
                there.refuse_unsupported(name)
                columns[field] = there
        if missing:
            raise TableMissing(
                place=self.place.id,
                missing=Said(f"column {', '.join(missing)}", f"列 {'、'.join(missing)}"),
                table=name,
            )
        cursor = columns.get(self.contract.cursor) if self.contract.cursor else None
        if self.contract.cursor and cursor is None:
            raise CursorUnusable(
                source=self.source.id,
                reason=Said(
                    f"{self.contract.cursor} is constant at this source", f"{self.contract.cursor} 在此来源为固定值"
                ),
            )
        wanted = [self.contract.cursor, *self.contract.key]
        order = tuple({columns[field].name: columns[field] for field in wanted if field in columns}.values())
        if not order:
            raise CursorUnusable(
                source=self.source.id, reason=Said("no key field is a column of the table", "主键字段都不是该表的列")
            )
        read = tuple({column.name: column for column in columns.values()}.values())
        table = sa.table(
            sa.quoted_name(self.options.table, True),
            *(sa.column(sa.quoted_name(column.name, True)) for column in read),
            schema=sa.quoted_name(schema, True),
        )
        return _Plan(name, table, read, order, cursor, len(found) - len(read))

    def _refuse_nulls(self, connection: Connection, plan: _Plan) -> None:
        if plan.cursor is None or not plan.cursor.nullable:
            return
        column = plan.table.c[plan.cursor.name]
        if connection.execute(sa.select(sa.literal(1)).where(column.is_(None)).limit(1)).first():
            raise CursorHasNulls(table=plan.name, column=plan.cursor.name)

    def bounds(self, plan: _Plan, window: Window) -> list[ColumnElement[bool]]:
        """The window as conditions on the cursor's column. Raises CursorUnusable."""
        cursor = plan.cursor
        if cursor is None:
            return []
        column = plan.table.c[cursor.name]
        if window.backfill:
            limits = ((window.interval_start, column.__ge__), (window.interval_end, column.__lt__))
            return [compare(cursor.bound(_moment(cursor, limit))) for limit, compare in limits if limit is not None]
        saved = (window.cursor or {}).get("value")
        if saved is None:
            return []
        refuse_ahead(self.source.id, self.contract.field(self.contract.cursor or ""), str(saved))
        return [column >= cursor.bound(start_of(self.source.id, str(saved), self.overlap))]


class _Pull(Delivery):
    """One pull of a table."""

    def __init__(self, connector: Connector, window: Window) -> None:
        super().__init__(name=connector.options.table, source=connector.source, one_frame=True)
        self._connector, self._window = connector, window
        self._stack = ExitStack()
        self._hash = hashlib.sha256()
        self._size = 0
        self._first: list[Sequence[Any]] = []
        contract = connector.contract
        self._watermark = (
            Watermark(connector.source.id, contract.field(contract.cursor)) if contract.cursor is not None else None
        )

    def start(self) -> bool:
        """Opens the snapshot and fetches the first page; whether it has rows."""
        connector = self._connector
        self._connection = self._stack.enter_context(
            snapshot(connector.engine, connector.place, connector.options.table)
        )
        try:
            self._plan = connector.plan(self._connection)
            self.name = self._plan.name
            if not self._window.backfill:
                connector._refuse_nulls(self._connection, self._plan)
            self._bounds = connector.bounds(self._plan, self._window)
            self._first = self._fetch([])
            self._without_key = self._fetch_without_key()
        except BaseException as error:
            # The snapshot's context turns the driver's errors into ours.
            if not self._stack.__exit__(type(error), error, error.__traceback__):
                raise
        return bool(self._first or self._without_key)

    def pages(self) -> Iterator[RawPage]:
        """Pages in the order of cursor and key. Raises KeyTied, ColumnUnsupported, DatabaseUnreachable."""
        pager = Pager(self.name, self._connector.page_rows)
        rows, position = self._first, 0
        with self._stack.pop_all() as stack:
            self._stack = stack
            while rows:
                yield from self._page(pager, rows, position)
                position += len(rows)
                after = self._order_values(rows[-1])
                rows = self._fetch([self._beyond(after)])
            yield from self._page(pager, self._without_key, position)
        self.sha256, self.size = self._hash.hexdigest(), self._size
        if self._watermark is not None and not self._window.backfill:
            saved = (self._window.cursor or {}).get("value")
            top = self._watermark.after(saved)
            self.cursor_after = {"value": top} if top is not None else None

    def close(self) -> None:
        """Ends the snapshot. May be called twice."""
        self._stack.close()

    def _fetch(self, conditions: list[ColumnElement[bool]]) -> list[Sequence[Any]]:
        """The next rows, at most a page of them, cut so that rows of one key never stand on two pages."""
        plan, limit = self._plan, self._connector.page_rows
        query = (
            sa.select(*(column.selected(plan.table) for column in plan.columns))
            .where(*self._bounds, *conditions, *(plan.table.c[column.name].is_not(None) for column in plan.order))
            .order_by(*(plan.table.c[column.name] for column in plan.order))
            .limit(limit + 1)
            .execution_options(stream_results=True)
        )
        rows: list[Sequence[Any]] = []
        size = 0
        with self._connection.execute(query) as result:
            for part in result.partitions(FETCH_ROWS):
                rows.extend(part)
                size += sum(len(value) for row in part for value in row if isinstance(value, str))
                if size > MAX_PAGE_BYTES:
                    break
            more = len(rows) > limit or size > MAX_PAGE_BYTES
        if not more:
            return rows
        last = self._order_values(rows[-1])
        kept = len(rows) - 1
        while kept and self._order_values(rows[kept - 1]) == last:
            kept -= 1
        if not kept:
            names = ", ".join(column.name for column in plan.order)
            raise KeyTied(rows=len(rows) - 1, table=plan.name, columns=names)
        return rows[:kept]

    def _fetch_without_key(self) -> list[Sequence[Any]]:
        """Rows with a null in the key, which no keyset reaches: they are read for the checks to name."""
        plan, limit = self._plan, self._connector.page_rows
        keys = [column for column in plan.order if column.nullable and column is not plan.cursor]
        if not keys:
            return []
        query = (
            sa.select(*(column.selected(plan.table) for column in plan.columns))
            .where(*self._bounds, sa.or_(*(plan.table.c[column.name].is_(None) for column in keys)))
            .limit(limit + 1)
        )
        rows: list[Sequence[Any]] = list(self._connection.execute(query).fetchall())
        if len(rows) > limit:
            raise CursorHasNulls(table=plan.name, column=", ".join(column.name for column in keys))
        return rows

    def _beyond(self, after: tuple[Any, ...]) -> ColumnElement[bool]:
        plan = self._plan
        columns = [plan.table.c[column.name] for column in plan.order]
        values = [column.bound(value) for column, value in zip(plan.order, after, strict=True)]
        if self._connection.dialect.name in ("postgresql", "sqlite", "mysql", "mariadb"):
            return sa.tuple_(*columns) > sa.tuple_(*values)
        steps = []
        for index, (column, value) in enumerate(zip(columns, values, strict=True)):
            same = [one == other for one, other in zip(columns[:index], values[:index], strict=True)]
            steps.append(sa.and_(*same, column > value))
        return sa.or_(*steps)

    def _order_values(self, row: Sequence[Any]) -> tuple[Any, ...]:
        places = {column.name: index for index, column in enumerate(self._plan.columns)}
        return tuple(row[places[column.name]] for column in self._plan.order)

    def _page(self, pager: Pager, rows: list[Sequence[Any]], position: int) -> Iterator[RawPage]:
        if not rows:
            return
        plan = self._plan
        given = list(zip(*rows, strict=True))
        texts = [column.text(plan.name, values) for column, values in zip(plan.columns, given, strict=True)]
        table = pa.table(texts, names=[column.name for column in plan.columns])
        written = io.BytesIO()
        pa_csv.write_csv(table, written, pa_csv.WriteOptions(include_header=position == 0))
        self._hash.update(written.getvalue())
        self._size += written.tell()
        if plan.cursor is not None and self._watermark is not None:
            field = self._connector.contract.field(self._connector.contract.cursor or "")
            ends = table.column(plan.cursor.name)
            # The pages come in the cursor's order, but for rows without a key, and for values such as infinity. Of a
            # page that ends in the future every value is looked at: which is the last that doesn't?
            last = greatest(field, [ends[-1].as_py()])
            ordered = rows is not self._without_key and last is not None and not self._watermark.ahead(last)
            self._watermark.note([last] if ordered else ends.to_pylist())
        numbers = np.arange(position + 1, position + 1 + len(rows))
        yield from pager.add(table, order=numbers, source_rows=numbers)


def _moment(cursor: Column, limit: datetime) -> str:
    """An interval's end as the cursor's column would hold it: dates and times without zone are Beijing's."""
    if cursor.kind == "date":
        return limit.astimezone(BEIJING).date().isoformat()
    if cursor.kind == "instant":
        return limit.astimezone(timezone(timedelta(0))).isoformat()
    return limit.astimezone(BEIJING).replace(tzinfo=None).isoformat(sep=" ")
