"""A table in the run's PostgreSQL, read by a role of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from connectors.places import Place
from contracts.model import FieldSpec
from hub.ids import PlaceId
from tests.connectors.cases.case import COLUMNS, Case, Row
from tests.connectors.making import contract

stack = True


@contextmanager
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    url = sa.make_url(request.getfixturevalue("database_url"))
    admin = request.getfixturevalue("admin_url")
    role = sql.Identifier(f"case_{request.getfixturevalue('unique')}")
    password = "sql-case-secret"

    def run(text: str, values: list[tuple[str, ...]] | None = None) -> None:
        with psycopg.connect(admin, autocommit=True) as connection, connection.cursor() as cursor:
            query = sql.SQL(text).format(role=role, password=sql.Literal(password))  # type: ignore[arg-type]
            cursor.executemany(query, values) if values else cursor.execute(query)

    run("CREATE ROLE {role} LOGIN PASSWORD {password}")
    run("CREATE TABLE things (id int PRIMARY KEY, name text, updated_at timestamptz NOT NULL)")
    run("GRANT SELECT ON things TO {role}")

    def put(rows: list[Row]) -> None:
        run("INSERT INTO things VALUES (%s, %s, %s)", [tuple(row[name] for name in COLUMNS) for row in rows])

    fields = (
        FieldSpec("id", "", "", "integer"),
        FieldSpec("name", "", "", "string"),
        FieldSpec("updated_at", "", "", "timestamp"),
    )
    try:
        yield Case(
            contract(
                fields, connector="sql_table", options={"table": "things"}, cursor="updated_at", cursor_overlap="PT10M"
            ),
            Place(
                id=PlaceId("somewhere"),
                host=url.host,
                port=url.port,
                dialect="postgresql+psycopg",
                database=url.database,
                user=role.as_string().strip('"'),
                password_env="CASE_SECRET",
            ),
            put,
            lambda: run("DROP TABLE things"),
            password,
            Place(id=PlaceId("somewhere"), root=request.getfixturevalue("tmp_path")),
        )
    finally:
        run("DROP OWNED BY {role}")
        run("DROP ROLE {role}")
