"""What a late load must not undo is noted; unfinished and waiting batches, children and acts are found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("state in ('opened', 'landed', 'checked', 'loading')")
_WAITING = sa.text("state in ('held', 'refused')")


def upgrade() -> None:
    """Adds the table and the indexes."""
    op.create_table(
        "confirmed",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("order_no", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "record_key"),
        schema="hub",
    )
    children = sa.text("parent_batch is not null")
    op.create_index("batch_by_parent", "batch", ["parent_batch"], schema="hub", postgresql_where=children)
    op.create_index("batch_unfinished", "batch", ["feed", "batch_no"], schema="hub", postgresql_where=_UNFINISHED)
    op.create_index("batch_waiting", "batch", ["feed"], schema="hub", postgresql_where=_WAITING)
    op.create_index("act_by_object", "act", ["object", "act_no"], schema="hub")


def downgrade() -> None:
    """Goes back."""
    op.drop_index("act_by_object", table_name="act", schema="hub")
    op.drop_index("batch_waiting", table_name="batch", schema="hub")
    op.drop_index("batch_unfinished", table_name="batch", schema="hub")
    op.drop_index("batch_by_parent", table_name="batch", schema="hub")
    op.drop_table("confirmed", schema="hub")
