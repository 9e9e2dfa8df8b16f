"""Alembic's entry: runs the steps on the connection that `warehouse.migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from warehouse.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
