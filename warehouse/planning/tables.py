"""What a contract asks of the database: the statements that `apply` runs, or why it can't."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from contracts.model import FeedContract
from warehouse.errors import TableMismatch
from warehouse.feeds import tables


@dataclass(frozen=True, slots=True)
class TablePlan:
    """Statements in order, and what stands in their way."""

    statements: tuple[str, ...]
    mismatch: TableMismatch | None = None


def planned(conn: sa.Connection, contract: FeedContract) -> TablePlan:
    """The statements as PostgreSQL would be given them; nothing is run."""
    try:
        due = tables.statements(conn, contract)
    except TableMismatch as error:
        return TablePlan((), error)
    return TablePlan(tuple(_text(statement) for statement in due))


def _text(statement: sa.Executable) -> str:
    compiled = str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[attr-defined,no-untyped-call]
    return "\n".join(line.rstrip() for line in compiled.strip().splitlines())
