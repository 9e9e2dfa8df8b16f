"""Upkeep finds what it may still remove by an index: outbox entries note when their change set went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEPT = sa.text("purged_at is null")
_FILES = sa.text("path is not null and purged_at is null")


def upgrade() -> None:
    """Adds the column and the indexes of what is not purged yet."""
    op.add_column("outbox", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True), schema="hub")
    op.create_index("outbox_kept", "outbox", ["created_at"], schema="hub", postgresql_where=_FILES)
    op.create_index("landed_object_kept", "landed_object", ["batch_id"], schema="hub", postgresql_where=_KEPT)
    op.create_index("landed_object_by_path", "landed_object", ["path"], schema="hub", postgresql_where=_KEPT)
    op.create_index("quarantine_by_age", "quarantine", ["feed", "quarantined_at"], schema="hub")
    op.create_index("receipt_by_age", "receipt", ["made_at"], schema="hub")


def downgrade() -> None:
    """Goes back."""
    op.drop_index("receipt_by_age", table_name="receipt", schema="hub")
    op.drop_index("quarantine_by_age", table_name="quarantine", schema="hub")
    op.drop_index("landed_object_by_path", table_name="landed_object", schema="hub")
    op.drop_index("landed_object_kept", table_name="landed_object", schema="hub")
    op.drop_index("outbox_kept", table_name="outbox", schema="hub")
    op.drop_column("outbox", "purged_at", schema="hub")
