"""A feed's two tables, made from its contract: `core.<feed>` (what holds now) and `history.<feed>` (what held before).

Both have the contract's fields, all nullable (what is required is the checks' business and may change with the
contract), and the hub's own columns, which say where a row came from. Names are quoted, never spliced.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.schema import CreateColumn, CreateTable
from sqlalchemy.types import TypeEngine

from contracts.model import FeedContract, FieldSpec
from hub.said import Said
from warehouse.engine import lock_transaction
from warehouse.errors import TableMismatch

CORE = "core"
HISTORY = "history"

_HUB_COLUMNS: tuple[tuple[str, TypeEngine[Any], bool], ...] = (
    ("hub_key", sa.Text(collation="C"), False),  # bytes order: the index is a third cheaper than under a language's
    ("hub_revision", sa.Integer(), False),  # 1, 2, 3 … for each key
    ("hub_hash", BYTEA(32), False),  # SHA-256 of the canonical record
    ("hub_subject", sa.Text(), True),  # Kafka key
    ("hub_version", sa.Text(), True),  # source version, sortable as text
    ("hub_batch_no", sa.BigInteger(), False),
    ("hub_row", sa.BigInteger(), False),  # row in the delivery
    ("hub_changes", sa.BigInteger(), False),  # bit i: normalisation step i changed something
    ("hub_withdrawn", sa.Boolean(), False),
    ("hub_loaded_at", sa.DateTime(timezone=True), False),
)

HUB_COLUMNS = tuple(name for name, _, _ in _HUB_COLUMNS)
REPLACED_BY = "hub_replaced_by_batch"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def _hub_column(
    name: str, kind: TypeEngine[Any], nullable: bool, keys: tuple[str, ...], *, core: bool
) -> sa.Column[Any]:
    # COPY leaves the time out: one value less to send and parse for each row.
    default = sa.func.now() if core and name == "hub_loaded_at" else None
    return sa.Column(name, kind, nullable=nullable, primary_key=name in keys, server_default=default)


def core_table(contract: FeedContract) -> sa.Table:
    """`core.<feed>`: one row a key, in the contract's field order, then the hub's columns."""
    return sa.Table(
        _name(contract, contract.id),
        sa.MetaData(schema=CORE),
        *_field_columns(contract),
        *(_hub_column(name, kind, nullable, ("hub_key",), core=True) for name, kind, nullable in _HUB_COLUMNS),
    )


def history_table(contract: FeedContract) -> sa.Table:
    """`history.<feed>`: one row for each revision that was replaced or withdrawn, and by which batch."""
    return sa.Table(
        _name(contract, contract.id),
        sa.MetaData(schema=HISTORY),
        *_field_columns(contract),
        *(
            _hub_column(name, kind, nullable, ("hub_key", "hub_revision"), core=False)
            for name, kind, nullable in _HUB_COLUMNS
        ),
        sa.Column(REPLACED_BY, sa.BigInteger(), nullable=False),
    )


def ensure_tables(conn: sa.Connection, contract: FeedContract) -> None:
    """Makes the feed's tables, or adds the nullable columns that a later contract version brings.

    Serial for each feed by an advisory lock. Raises TableMismatch where a field's type changed, a field went away
    or a new one is required: no rows are rewritten behind anybody's back.
    """
    lock_transaction(conn, "tables", contract.id)
    for statement in statements(conn, contract):
        conn.execute(statement)


def statements(conn: sa.Connection, contract: FeedContract) -> list[sa.Executable]:
    """What `ensure_tables` would do now: the tables as a whole, or the columns they lack. Raises TableMismatch."""
    due: list[sa.Executable] = []
    for table in (core_table(contract), history_table(contract)):
        found = _columns(conn, table)
        due += _altered(conn, contract, table, found) if found else [CreateTable(table)]
    return due


def ensure_reference(conn: sa.Connection, feed: str, field: str) -> None:
    """Makes an index for a text field of another feed's table that rules refer to, once that table is there.

    A hash index: an entry of a B-tree can't be longer than 2,704 bytes, and what is delivered may be.
    """
    if column_type(conn, feed, field) != "text":
        return
    index = "reference_" + hashlib.sha256(f"{feed}.{field}".encode()).hexdigest()[:16]
    # Asked first: `if not exists` waits for the other feed's load even where the index is there.
    if conn.scalar(sa.text("select to_regclass(:name)"), {"name": f"{CORE}.{index}"}) is not None:
        return
    quoted = conn.dialect.identifier_preparer.quote
    where = f"{CORE}.{quoted(feed)} using hash ({quoted(field)}) where not hub_withdrawn"
    conn.execute(sa.text(f"create index if not exists {index} on {where}"))


def column_type(conn: sa.Connection, feed: str, field: str) -> str | None:
    """The type of a field's column in a feed's table, as PostgreSQL writes it; None where there is none."""
    query = sa.text(
        "select format_type(a.atttypid, a.atttypmod) from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = :schema and c.relname = :feed and a.attname = :field and not a.attisdropped"
    )
    found = conn.scalar(query, {"schema": CORE, "feed": feed, "field": field})
    return None if found is None else str(found)


def _altered(
    conn: sa.Connection, contract: FeedContract, table: sa.Table, found: dict[str, str]
) -> list[sa.Executable]:
    added: list[sa.Executable] = []
    fields = {spec.name: spec for spec in contract.fields}
    for column in table.columns:
        due = column.type.compile(conn.dialect).split(" COLLATE")[0].lower().replace(", ", ",")
        if column.name not in found:
            spec = fields.get(column.name)
            if spec is None or spec.required or spec.key_position is not None:
                raise TableMismatch(
                    feed=contract.id,
                    version=contract.version,
                    reason=Said(f"{column.name} is new and required", f"{column.name} 为新增且必填"),
                )
            added.append(_column_added(conn, table, column))
        elif found[column.name] != due:
            raise TableMismatch(
                feed=contract.id,
                version=contract.version,
                reason=Said(
                    f"{column.name} is {found[column.name]} in the table and {due} in the contract",
                    f"{column.name} 在表中为 {found[column.name]}，在契约中为 {due}",
                ),
            )
    gone = sorted(set(found) - {column.name for column in table.columns})
    if gone:
        raise TableMismatch(
            feed=contract.id,
            version=contract.version,
            reason=Said(
                f"the table has {', '.join(gone)}, the contract has not", f"表中有 {'、'.join(gone)}，契约中没有"
            ),
        )
    return added


def _column_added(conn: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> sa.Executable:
    where = conn.dialect.identifier_preparer.format_table(table)
    what = CreateColumn(column).compile(dialect=conn.dialect)
    return sa.text(f"alter table {where} add column {what}")


def _columns(conn: sa.Connection, table: sa.Table) -> dict[str, str]:
    """Columns of the table as it stands: name -> type as PostgreSQL writes it; empty where there is no table."""
    rows = conn.execute(
        sa.text(
            "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
            " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = :schema and c.relname = :name and a.attnum > 0 and not a.attisdropped"
        ),
        {"schema": table.schema, "name": table.name},
    )
    return {str(name): str(kind) for name, kind in rows}


def _field_columns(contract: FeedContract) -> list[sa.Column[Any]]:
    return [sa.Column(_name(contract, spec.name), _column_type(spec), nullable=True) for spec in contract.fields]


def _column_type(spec: FieldSpec) -> TypeEngine[Any]:
    match spec.type:
        case "string":
            return sa.Text()
        case "integer":
            return sa.BigInteger()
        case "decimal":
            return sa.Numeric(spec.precision, spec.scale)
        case "date":
            return sa.Date()
        case "timestamp":
            return sa.DateTime(timezone=True)
        case "boolean":
            return sa.Boolean()


def _name(contract: FeedContract, name: str) -> str:
    # The lint says so first; this is the last door before DDL.
    if not _NAME.fullmatch(name) or name.startswith("hub_"):
        raise TableMismatch(
            feed=contract.id,
            version=contract.version,
            reason=Said(f"{name!r} can't name a table or column", f"{name!r} 不能用作表名或列名"),
        )
    return name
