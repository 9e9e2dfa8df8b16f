"""A feed's current state as its readers may see it, page by page, from one moment of the database.

What an event would say, no more: published fields only, none at all of a feed that publishes references; no content of
a withdrawn record. Withdrawn records stay, with their revision, so that a reader who goes on from here can tell an event
that it need not apply from one that it must.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from contracts.checks.schema import arrow_type
from contracts.model import FeedContract, FieldSpec
from hub.said import Said
from warehouse.arrow.columns import flat
from warehouse.arrow.copying import copy_out
from warehouse.changeset import event_ids
from warehouse.errors import NothingLoaded, TableMismatch
from warehouse.feeds.tables import CORE, column_type, core_table

PAGE_ROWS = 20_000

OWN = (
    pa.field("hub_key", pa.string(), nullable=False),
    pa.field("hub_revision", pa.int32(), nullable=False),
    pa.field("hub_event_id", pa.string(), nullable=False),  # ce_id of the event that brought this revision
    pa.field("hub_subject", pa.string()),  # Kafka key
    pa.field("hub_record_hash", pa.string(), nullable=False),
    pa.field("hub_withdrawn", pa.bool_(), nullable=False),
    pa.field("hub_emptied", pa.bool_(), nullable=False),  # held, but its content is past its retention
    pa.field("hub_loaded_at", pa.timestamp("us", "UTC"), nullable=False),
)
"""The hub's columns; the record's fields follow. No field's name starts with hub_."""

_COPIED = tuple(field for field in OWN if field.name != "hub_event_id")


def published(contract: FeedContract) -> list[FieldSpec]:
    """The fields that a reader gets."""
    return [] if contract.publish == "reference" else [spec for spec in contract.fields if spec.published]


def schema(contract: FeedContract) -> pa.Schema:
    """The columns of a page: the hub's own, then the published fields in contract order."""
    return pa.schema([*OWN, *(pa.field(spec.name, arrow_type(spec)) for spec in published(contract))])


def pages(conn: sa.Connection, contract: FeedContract) -> Iterator[pa.Table]:
    """The feed's rows in key order, at most PAGE_ROWS at a time. `conn` is in a transaction of repeatable reads.

    A field that the contract has and the table not yet is null. Raises NothingLoaded, TableMismatch.
    """
    fields = published(contract)
    select = _select(conn, contract, fields)
    copied = pa.schema([*_COPIED, *(pa.field(spec.name, arrow_type(spec)) for spec in fields)])
    made, last = schema(contract), None
    while True:
        after = sql.SQL("true") if last is None else sql.SQL("hub_key > {}").format(sql.Literal(last))
        query = sql.SQL("{} where {} order by hub_key limit {}").format(select, after, sql.Literal(PAGE_ROWS))
        page = copy_out(conn, query, copied)
        if not page.num_rows:
            return
        keys, revisions = flat(page.column("hub_key")), flat(page.column("hub_revision"))
        page = page.append_column("hub_event_id", event_ids(contract.id, keys, revisions))
        yield page.select(made.names).cast(made)
        last = keys[-1].as_py()
        if page.num_rows < PAGE_ROWS:
            return


def _select(conn: sa.Connection, contract: FeedContract, fields: list[FieldSpec]) -> sql.Composed:
    if column_type(conn, contract.id, "hub_key") is None:
        raise NothingLoaded(feed=contract.id)
    table = core_table(contract)
    there = [spec.name for spec in contract.fields if _there(conn, contract, table.columns[spec.name])]
    # A row past its retention keeps key, revision, hash and subject only.
    every = sql.SQL(", ").join(sql.Identifier(name) for name in there)
    columns = [
        sql.SQL("hub_key, hub_revision, hub_subject, encode(hub_hash, 'hex'), hub_withdrawn"),
        sql.SQL("not hub_withdrawn and row({}) is null").format(every),
        _instant(sql.Identifier("hub_loaded_at")),
        *(_value(spec) if spec.name in there else sql.SQL("null") for spec in fields),
    ]
    where = sql.Identifier(CORE, contract.id)
    return sql.SQL("select {} from {}").format(sql.SQL(", ").join(columns), where)


def _there(conn: sa.Connection, contract: FeedContract, column: sa.Column[object]) -> bool:
    """Whether the table has the column. Raises TableMismatch where it has it as something else."""
    found = column_type(conn, contract.id, column.name)
    due = column.type.compile(conn.dialect).split(" COLLATE")[0].lower().replace(", ", ",")
    if found is not None and found != due:
        raise TableMismatch(
            feed=contract.id,
            version=contract.version,
            reason=Said(
                f"{column.name} is {found} in the table and {due} in the contract",
                f"{column.name} 在表中为 {found}，在契约中为 {due}",
            ),
        )
    return found is not None


def _value(spec: FieldSpec) -> sql.Composable:
    name = sql.Identifier(spec.name)
    shown = _instant(name) if spec.type == "timestamp" else name
    return sql.SQL("case when not hub_withdrawn then {} end").format(shown)


def _instant(value: sql.Composable) -> sql.Composable:
    # As pyarrow's CSV reader takes an instant with its zone.
    return sql.SQL("to_char({} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").format(value)
