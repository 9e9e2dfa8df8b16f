"""The audit office: a PostgreSQL schema in a database of its own, which the hub may read and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
from psycopg import sql

READER = "audit_office_reader"
DATABASE = "audit_office"
SCHEMA = "audit"


@dataclass(frozen=True)
class Sheet:
    """A table of the office: its rows, the PostgreSQL types of columns that are not text, the column it is read by."""

    name: str
    rows: pa.Table
    order_by: str
    types: Mapping[str, LiteralString] = field(default_factory=dict)


def publish(conninfo: Callable[[str], str], sheet: Sheet, password: str) -> None:
    """Makes database and reader where they are missing, and the table anew.

    `conninfo` gives libpq's connection string of a role that may create databases, for a database's name.
    """
    with psycopg.connect(conninfo("postgres"), autocommit=True) as server:
        if server.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
            server.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        there = server.execute("select 1 from pg_roles where rolname = %s", [READER]).fetchone()
        verb = sql.SQL("alter role {} login password {}") if there else sql.SQL("create role {} login password {}")
        server.execute(verb.format(sql.Identifier(READER), sql.Literal(password)))
        server.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(sql.Identifier(READER)))
    with psycopg.connect(conninfo(DATABASE)) as office:
        _fill(office, sheet)


def _fill(office: psycopg.Connection[Any], sheet: Sheet) -> None:
    target = sql.Identifier(SCHEMA, sheet.name)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(sheet.types.get(column, "text")))
        for column in sheet.rows.column_names
    )
    office.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(SCHEMA)))
    office.execute(sql.SQL("drop table if exists {}").format(target))
    office.execute(sql.SQL("create table {} ({})").format(target, columns))
    with office.cursor().copy(sql.SQL("copy {} from stdin").format(target)) as copy:
        for row in zip(*(column.to_pylist() for column in sheet.rows.columns), strict=True):
            copy.write_row(row)
    office.execute(sql.SQL("create index on {} ({})").format(target, sql.Identifier(sheet.order_by)))
    office.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(SCHEMA), sql.Identifier(READER)))
    office.execute(sql.SQL("grant select on {} to {}").format(target, sql.Identifier(READER)))
