"""COPY in and out of PostgreSQL as columns, on the SQLAlchemy connection's own driver connection and transaction."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.csv as pcsv
import sqlalchemy as sa
from psycopg import sql

from contracts.normalise.assembly import RowBytes
from warehouse.arrow import binary_copy
from warehouse.arrow.columns import bytes_of
from warehouse.engine import driver

_WRITE = pcsv.WriteOptions(include_header=False, quoting_style="all_valid", batch_size=8_192)
_PIECE = 1 << 20
_BLOCK = 8 << 20  # read at a time: no row is longer, an event's JSON stays under one MiB
_ROWS = 2_048  # made at a time: they stay in the processor's cache


def csv_of(columns: Mapping[str, pa.StringArray]) -> pa.Buffer:
    """Text columns as CSV for COPY: every value quoted, null as nothing at all, so that '' and NULL differ."""
    sink = pa.BufferOutputStream()
    pcsv.write_csv(pa.table(dict(columns)), sink, _WRITE)
    return sink.getvalue()


def copy_in(conn: sa.Connection, table: sa.Table | str, columns: Sequence[str], data: pa.Buffer) -> None:
    """Streams CSV made by `csv_of` into the named columns of a table."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        _identifier(table), sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    )
    view = memoryview(data)
    with driver(conn).cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, len(view), _PIECE):
            copy.write(view[start : start + _PIECE])


def copy_in_binary(conn: sa.Connection, table: sa.Table | str, columns: Sequence[str], rows: RowBytes) -> None:
    """Streams rows of `binary_copy`'s fragments into the named columns of a table, making them as it goes."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        _identifier(table), sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    )
    with driver(conn).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(binary_copy.HEADER)
        for piece in rows.slices(_ROWS):
            copy.write(memoryview(bytes_of(piece)))
        copy.write(binary_copy.END)


def copy_out(conn: sa.Connection, query: sql.Composable, schema: pa.Schema) -> pa.Table:
    """The rows of a query as a table of that schema. '' and NULL are told apart."""
    sink = io.BytesIO()
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(query)
    with driver(conn).cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            sink.write(piece)
    if not sink.tell():
        return schema.empty_table()
    sink.seek(0)
    return pcsv.read_csv(
        sink,
        read_options=pcsv.ReadOptions(column_names=schema.names, use_threads=False, block_size=_BLOCK),
        parse_options=pcsv.ParseOptions(newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(
            column_types={name: schema.field(name).type for name in schema.names},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _identifier(table: sa.Table | str) -> sql.Identifier:
    if isinstance(table, str):
        return sql.Identifier(table)
    return sql.Identifier(*(part for part in (table.schema, table.name) if part))
