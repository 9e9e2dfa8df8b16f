"""Pauses of feeds, alarms with their notices, and takedowns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _at(name: str, *, required: bool = False) -> sa.Column[object]:
    default = sa.func.now() if required else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not required, server_default=default)


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "feed_pause",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _at("paused_at", required=True),
        schema="hub",
    )
    op.create_table(
        "alarm",
        sa.Column("alarm_no", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("facts", JSONB, nullable=False, server_default="{}"),
        sa.Column("notices", sa.Integer, nullable=False, server_default="0"),
        _at("raised_at", required=True),
        _at("noticed_at", required=True),
        _at("cleared_at"),
        schema="hub",
    )
    op.create_index(
        "alarm_open",
        "alarm",
        ["object", "kind"],
        unique=True,
        schema="hub",
        postgresql_where=sa.text("cleared_at is null"),
    )
    op.create_table(
        "alarm_notice",
        sa.Column("alarm_no", sa.BigInteger, sa.ForeignKey("hub.alarm.alarm_no"), primary_key=True),
        sa.Column("notice_no", sa.Integer, primary_key=True),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("webhook", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("answer", sa.Text),
        _at("made_at", required=True),
        _at("next_at"),
        schema="hub",
    )
    op.create_index(
        "alarm_notice_waiting",
        "alarm_notice",
        ["next_at"],
        schema="hub",
        postgresql_where=sa.text("webhook = 'waiting'"),
    )
    op.create_table(
        "takedown",
        sa.Column("takedown_no", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("record_key", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("facts", JSONB, nullable=False, server_default="{}"),
        _at("begun_at", required=True),
        _at("ended_at"),
        schema="hub",
    )
    op.create_index("takedown_by_key", "takedown", ["feed", "record_key"], schema="hub")


def downgrade() -> None:
    """Goes back."""
    for name in ("takedown", "alarm_notice", "alarm", "feed_pause"):
        op.drop_table(name, schema="hub")
