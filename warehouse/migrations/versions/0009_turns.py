"""Turns of the feeds that the worker takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "feed_turn",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("schedule", sa.Text),
        sa.Column("served", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("began_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("holder", sa.Text),
        sa.Column("turns", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("seconds", sa.Float),
        sa.Column("error", JSONB),
        schema="hub",
    )
    op.create_index("feed_turn_due", "feed_turn", ["due_at"], schema="hub", postgresql_where=sa.text("served"))


def downgrade() -> None:
    """Goes back."""
    op.drop_table("feed_turn", schema="hub")
