"""A table's columns: their kind, how they are selected, how a value is bound, and their values as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Inspector
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from connectors.errors import ColumnUnsupported, TableMissing
from connectors.places import Place
from connectors.sql.values import from_postgres, from_python
from hub.said import Said


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the database describes it."""

    name: str
    kind: str  # instant (with zone) | moment (without) | date | integer | decimal | float | bytes | other
    type: TypeEngine[Any]
    nullable: bool
    postgres: bool

    def refuse_unsupported(self, table: str) -> None:
        """Raises ColumnUnsupported for bytes."""
        if self.kind == "bytes":
            raise ColumnUnsupported(table=table, column=self.name, type=str(self.type))

    def selected(self, table: sa.TableClause) -> ColumnElement[Any]:
        """The column in a SELECT: PostgreSQL writes the text itself, exactly and faster than Python could."""
        column = table.c[self.name]
        return sa.cast(column, sa.Text()).label(self.name) if self.postgres else column

    def bound(self, value: Any) -> ColumnElement[Any]:
        """A value to compare the column with: never part of the statement's text."""
        if self.postgres:
            return sa.cast(sa.bindparam(None, value, type_=sa.Text(), unique=True), self.type)
        if isinstance(value, str) and self.kind in ("integer", "float", "decimal"):
            value = int(value) if value.lstrip("-").isdigit() else float(value)
        return sa.bindparam(None, value, unique=True)

    def text(self, table: str, values: Sequence[Any]) -> pa.Array:
        """Values of a page as canonical text. Raises ColumnUnsupported."""
        if self.postgres:
            return from_postgres(pa.array(values, pa.string()), self.kind)
        return from_python(table, self.name, values)


def described(inspector: Inspector, place: Place, schema: str, table: str) -> dict[str, Column]:
    """Column name -> column. Raises TableMissing."""
    postgres = inspector.dialect.name == "postgresql"
    try:
        found = inspector.get_columns(table, schema=schema)
    except exc.NoSuchTableError:
        raise TableMissing(place=place.id, missing=Said("such table", "这张表"), table=f"{schema}.{table}") from None
    if not found:
        raise TableMissing(place=place.id, missing=Said("such table", "这张表"), table=f"{schema}.{table}")
    return {
        str(column["name"]): Column(
            str(column["name"]), _kind(column["type"]), column["type"], bool(column.get("nullable", True)), postgres
        )
        for column in found
    }


def _kind(type_: TypeEngine[Any]) -> str:
    if isinstance(type_, sa.DateTime):
        return "instant" if type_.timezone else "moment"
    kinds: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
        (sa.Date, "date"),
        (sa.Integer, "integer"),
        (sa.Float, "float"),
        (sa.Numeric, "decimal"),
        (sa.LargeBinary, "bytes"),
    )
    return next((word for known, word in kinds if isinstance(type_, known)), "other")
