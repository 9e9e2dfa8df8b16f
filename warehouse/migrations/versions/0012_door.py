"""The door: agencies, their keys and rights, what they pushed, nonces, the access log; receipts are signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LOG_PARTITIONS = "hub_access"
"""Schema of the access log's partitions, one a month; the default one takes what no month is there for."""


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "agency",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("uscc", sa.Text(), nullable=True),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("division", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agency"),
        sa.UniqueConstraint("uscc"),
        schema="hub",
    )
    op.create_table(
        "agency_contact",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency"],
            ["hub.agency.agency"],
        ),
        sa.PrimaryKeyConstraint("agency", "role"),
        schema="hub",
    )
    op.create_table(
        "agency_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("revoked_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agency"],
            ["hub.agency.agency"],
        ),
        sa.PrimaryKeyConstraint("kid"),
        schema="hub",
    )
    op.create_index("agency_key_by_agency", "agency_key", ["agency"], unique=False, schema="hub")
    op.create_table(
        "agency_feed",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("may", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency"],
            ["hub.agency.agency"],
        ),
        sa.PrimaryKeyConstraint("agency", "feed", "may"),
        schema="hub",
    )
    op.create_index(
        "agency_feed_one_sender",
        "agency_feed",
        ["feed"],
        unique=True,
        schema="hub",
        postgresql_where=sa.text("may = 'push'"),
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("jwk", JSONB, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid"),
        schema="hub",
    )
    op.create_table(
        "push",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("body_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("business", JSONB, server_default="{}", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("receipt_kid", sa.Text(), nullable=False),
        sa.Column("receipt_signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency"],
            ["hub.agency.agency"],
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["hub.batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id"),
        schema="hub",
    )
    op.create_index("push_by_agency", "push", ["agency", "received_at"], unique=False, schema="hub")
    op.create_index("push_by_idempotency_key", "push", ["agency", "feed", "idempotency_key"], unique=True, schema="hub")
    op.create_table(
        "door_nonce",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("kid", "nonce"),
        schema="hub",
    )
    op.create_index("door_nonce_by_end", "door_nonce", ["expires_at"], unique=False, schema="hub")
    op.create_table(
        "access_log",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agency", sa.Text(), nullable=True),
        sa.Column("kid", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("represented", sa.Text(), nullable=True),
        sa.Column("officer", sa.Text(), nullable=True),
        sa.Column("issue", sa.Text(), nullable=True),
        sa.Column("client_request", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("request", "at"),
        schema="hub",
        postgresql_partition_by="range (at)",
    )
    op.create_index("access_log_by_agency", "access_log", ["agency", "at"], unique=False, schema="hub")
    op.add_column("receipt", sa.Column("kid", sa.Text), schema="hub")
    op.add_column("receipt", sa.Column("signature", sa.LargeBinary), schema="hub")
    op.execute(sa.schema.CreateSchema(LOG_PARTITIONS, if_not_exists=True))
    op.execute(f"create table {LOG_PARTITIONS}.others partition of hub.access_log default")
    # Whoever writes it, the table's owner too, adds lines and changes none; a month that is past its time goes as a whole.
    op.execute(
        "create function hub.access_log_stays() returns trigger language plpgsql as"
        " $$ begin raise exception 'the access log is only added to'; end $$"
    )
    op.execute(
        "create trigger access_log_stays before update or delete on hub.access_log"
        " for each row execute function hub.access_log_stays()"
    )
    op.execute(
        f"create trigger stays before truncate on {LOG_PARTITIONS}.others"
        " for each statement execute function hub.access_log_stays()"
    )
    op.execute(
        "create trigger access_log_stays_whole before truncate on hub.access_log"
        " for each statement execute function hub.access_log_stays()"
    )


def downgrade() -> None:
    """Goes back."""
    op.drop_column("receipt", "signature", schema="hub")
    op.drop_column("receipt", "kid", schema="hub")
    for name in (
        "access_log",
        "door_nonce",
        "push",
        "signing_key",
        "agency_feed",
        "agency_key",
        "agency_contact",
        "agency",
    ):
        op.drop_table(name, schema="hub")
    op.execute("drop function hub.access_log_stays()")
    op.execute(sa.schema.DropSchema(LOG_PARTITIONS, if_exists=True))
