"""The hub's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward."""
    op.create_table(
        "act",
        sa.Column("act_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("act_no"),
        schema="hub",
    )
    op.create_table(
        "batch",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("batch_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("contract_version", sa.Text(), nullable=False),
        sa.Column("contract_sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_batch", sa.Text(), nullable=True),
        sa.Column("order_no", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("delivery_sha256", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("rows_in", sa.BigInteger(), nullable=True),
        sa.Column("rows_loaded", sa.BigInteger(), nullable=True),
        sa.Column("rows_unchanged", sa.BigInteger(), nullable=True),
        sa.Column("rows_quarantined", sa.BigInteger(), nullable=True),
        sa.Column("rows_refused", sa.BigInteger(), nullable=True),
        sa.Column("rows_stale", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_missing", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("parts_loaded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cursor_before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("cursor_after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("interval_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interval_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state not in ('loaded', 'held', 'released', 'rejected') or rows_in = rows_loaded + rows_unchanged + rows_quarantined + rows_refused",
            name="rows_add_up",
        ),
        sa.ForeignKeyConstraint(
            ["parent_batch"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.UniqueConstraint("batch_no"),
        schema="hub",
    )
    op.create_index("batch_by_delivery", "batch", ["feed", "delivery_sha256"], unique=False, schema="hub")
    op.create_index("batch_by_feed", "batch", ["feed", "batch_no"], unique=False, schema="hub")
    op.create_table(
        "contract_version",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("feed", "sha256"),
        schema="hub",
    )
    op.create_table(
        "cursor",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("feed", "source"),
        schema="hub",
    )
    op.create_table(
        "dead_letter",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
        schema="hub",
    )
    op.create_table(
        "fix",
        sa.Column("fix_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("editor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fixed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("fix_no"),
        schema="hub",
    )
    op.create_index("fix_by_row", "fix", ["batch_id", "row_no"], unique=False, schema="hub")
    op.create_table(
        "lane",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("lane"),
        schema="hub",
    )
    op.create_table(
        "source_look",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("empty_looks", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("feed", "source"),
        schema="hub",
    )
    op.create_table(
        "landed_object",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "kind", "ordinal"),
        schema="hub",
    )
    op.create_table(
        "masking",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("hmac", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "row_no", "field", "rule"),
        schema="hub",
    )
    op.create_table(
        "outbox",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("part_no", sa.Integer(), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("event", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'changes') = (path is not null)", name="changes_have_a_path"),
        sa.CheckConstraint("(kind = 'event') = (event is not null)", name="events_have_a_payload"),
        sa.ForeignKeyConstraint(
            ["lane"],
            ["hub.lane.lane"],
        ),
        sa.PrimaryKeyConstraint("lane", "seq"),
        sa.UniqueConstraint("batch_id", "part_no", "topic", name="outbox_part_once"),
        sa.UniqueConstraint("entry_id"),
        schema="hub",
    )
    op.create_table(
        "quarantine",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("source_row", sa.BigInteger(), nullable=True),
        sa.Column("record_key", sa.Text(), nullable=True),
        sa.Column("rules", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("fixed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("replay_batch", sa.Text(), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "row_no"),
        schema="hub",
    )
    op.create_index("quarantine_by_feed", "quarantine", ["feed", "state"], unique=False, schema="hub")
    op.create_index("quarantine_by_key", "quarantine", ["feed", "record_key"], unique=False, schema="hub")
    op.create_table(
        "receipt",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "version"),
        schema="hub",
    )
    op.create_table(
        "refusal",
        sa.Column("refusal_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("source_row", sa.BigInteger(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("hmac", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("refusal_no"),
        schema="hub",
    )
    op.create_index("refusal_by_batch", "refusal", ["batch_id"], unique=False, schema="hub")
    op.create_table(
        "relay_position",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("rebased", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["lane"],
            ["hub.lane.lane"],
        ),
        sa.PrimaryKeyConstraint("lane"),
        schema="hub",
    )
    op.create_table(
        "topic",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=True),
        sa.Column("partitions", sa.Integer(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("uuid", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["lane"],
            ["hub.lane.lane"],
        ),
        sa.PrimaryKeyConstraint("topic"),
        schema="hub",
    )


def downgrade() -> None:
    """Goes back."""
    op.drop_table("topic", schema="hub")
    op.drop_table("relay_position", schema="hub")
    op.drop_index("refusal_by_batch", table_name="refusal", schema="hub")
    op.drop_table("refusal", schema="hub")
    op.drop_table("receipt", schema="hub")
    op.drop_index("quarantine_by_key", table_name="quarantine", schema="hub")
    op.drop_index("quarantine_by_feed", table_name="quarantine", schema="hub")
    op.drop_table("quarantine", schema="hub")
    op.drop_table("outbox", schema="hub")
    op.drop_table("masking", schema="hub")
    op.drop_table("landed_object", schema="hub")
    op.drop_table("source_look", schema="hub")
    op.drop_table("lane", schema="hub")
    op.drop_index("fix_by_row", table_name="fix", schema="hub")
    op.drop_table("fix", schema="hub")
    op.drop_table("dead_letter", schema="hub")
    op.drop_table("cursor", schema="hub")
    op.drop_table("contract_version", schema="hub")
    op.drop_index("batch_by_feed", table_name="batch", schema="hub")
    op.drop_index("batch_by_delivery", table_name="batch", schema="hub")
    op.drop_table("batch", schema="hub")
    op.drop_table("act", schema="hub")
