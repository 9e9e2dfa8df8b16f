"""When a version of a contract last came into use: one that comes back is held against the one that it replaces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A replay is judged by the version of its parent where that is asked for: it says nothing of what is in use.
_BY_BATCHES = """
update hub.contract_version v set last_used_at = greatest(v.first_used_at, (
  select max(b.opened_at) from hub.batch b
  where b.feed = v.feed and b.contract_sha256 = v.sha256 and b.kind in ('pull', 'push', 'backfill')
))
"""


def upgrade() -> None:
    """Adds the column."""
    column = sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    op.add_column("contract_version", column, schema="hub")
    op.execute(_BY_BATCHES)


def downgrade() -> None:
    """Goes back."""
    op.drop_column("contract_version", "last_used_at", schema="hub")
