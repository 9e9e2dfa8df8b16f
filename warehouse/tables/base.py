"""What all of the hub's own tables share: the schema, the metadata, a column of an instant."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, func

SCHEMA = "hub"
metadata = MetaData(schema=SCHEMA)


def at(name: str, *, required: bool = False) -> Column[object]:
    """An instant, UTC; required ones are now unless said otherwise."""
    return Column(name, DateTime(timezone=True), nullable=not required, server_default=func.now() if required else None)
