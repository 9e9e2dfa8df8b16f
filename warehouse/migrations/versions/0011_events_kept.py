"""Upkeep finds events that stand in the outbox themselves by the index by which it finds change sets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FILES = sa.text("path is not null and purged_at is null")
_ALL = sa.text("purged_at is null")


def upgrade() -> None:
    """Takes every entry into the index."""
    op.drop_index("outbox_kept", table_name="outbox", schema="hub")
    op.create_index("outbox_kept", "outbox", ["created_at"], schema="hub", postgresql_where=_ALL)


def downgrade() -> None:
    """Goes back."""
    op.drop_index("outbox_kept", table_name="outbox", schema="hub")
    op.create_index("outbox_kept", "outbox", ["created_at"], schema="hub", postgresql_where=_FILES)
