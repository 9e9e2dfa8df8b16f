"""The last word of a source and what waits of a feed are found by an index, however long the feed runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WAITED = sa.text("state in ('held', 'refused')")
_WAITING = sa.text(
    "(state = 'held' or state = 'refused' and kind = 'pull' and appearance is not null"
    " and not (appearance between 'hmac:' and 'hmac;'))"
)


def upgrade() -> None:
    """Adds one index and narrows the other: what the gate refused doesn't wait."""
    place = sa.text("coalesce(order_no, batch_no)")
    op.create_index("batch_by_place", "batch", ["feed", "source", place], schema="hub")
    op.drop_index("batch_waiting", table_name="batch", schema="hub")
    op.create_index("batch_waiting", "batch", ["feed"], schema="hub", postgresql_where=_WAITING)


def downgrade() -> None:
    """Goes back."""
    op.drop_index("batch_waiting", table_name="batch", schema="hub")
    op.create_index("batch_waiting", "batch", ["feed"], schema="hub", postgresql_where=_WAITED)
    op.drop_index("batch_by_place", table_name="batch", schema="hub")
