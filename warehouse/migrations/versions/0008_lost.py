"""What a restored database must know: that it was restored, which topics were compared since, and events that it lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    now = sa.func.now()
    op.create_table(
        "restored",
        sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.CheckConstraint("one", name="restored_one_row"),
        schema="hub",
    )
    op.add_column("topic", sa.Column("compared_at", sa.DateTime(timezone=True)), schema="hub")
    op.create_table(
        "lost_event",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("record_key", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("hash", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        schema="hub",
    )


def downgrade() -> None:
    """Goes back."""
    op.drop_table("lost_event", schema="hub")
    op.drop_column("topic", "compared_at", schema="hub")
    op.drop_table("restored", schema="hub")
