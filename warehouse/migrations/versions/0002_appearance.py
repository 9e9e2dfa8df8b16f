"""Batches remember which file at its source they took, not only its bytes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column and its index."""
    op.add_column("batch", sa.Column("appearance", sa.Text(), nullable=True), schema="hub")
    op.create_index("batch_by_appearance", "batch", ["feed", "source", "appearance"], unique=False, schema="hub")


def downgrade() -> None:
    """Goes back."""
    op.drop_index("batch_by_appearance", table_name="batch", schema="hub")
    op.drop_column("batch", "appearance", schema="hub")
