"""Outbox entries that a rebase passed over say so; topics remember which settings the brokers were given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; topics that exist were made with the settings that stand beside them."""
    op.add_column("outbox", sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=True), schema="hub")
    op.add_column("topic", sa.Column("applied", postgresql.JSONB(), nullable=True), schema="hub")
    op.execute("update hub.topic set applied = config where uuid is not null")


def downgrade() -> None:
    """Goes back."""
    op.drop_column("topic", "applied", schema="hub")
    op.drop_column("outbox", "skipped_at", schema="hub")
