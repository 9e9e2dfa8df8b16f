"""What keeps the order of events: lanes, topics, the outbox, the relay's positions, and what a restore lost."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.tables.base import at, metadata

# What keeps order. `last_seq` moves only under the lane's advisory transaction lock.
lane = Table(
    "lane",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
)

# The last time that this database came from a backup; no row, never.
restored = Table(
    "restored",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("taken_at", DateTime(timezone=True), nullable=False),  # when the backup was
    at("restored_at", required=True),
    CheckConstraint("one", name="restored_one_row"),
)

# An event of a record that is on its topic, and that this database lost when it was restored; see warehouse/lost.py.
lost_event = Table(
    "lost_event",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("record_key", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("change", Text, nullable=False),  # recorded | corrected | withdrawn | moved (the old subject's half)
    Column("hash", Text),  # hex; null where the topic holds two contents of this revision
    Column("subject", Text),
    Column("settled", Boolean, nullable=False, server_default="false"),
    at("found_at", required=True),
)

# A topic as the hub made it; another UUID on the broker means that somebody deleted and made it anew.
topic = Table(
    "topic",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("lane", Text, ForeignKey("hub.lane.lane"), nullable=False),
    Column("feed", Text),
    Column("partitions", Integer, nullable=False),
    Column("config", JSONB, nullable=False, server_default="{}"),  # as the contract wants it
    Column("applied", JSONB(none_as_null=True)),  # as the relay set it on the brokers; null until made
    Column("uuid", Text),  # null until made on the broker
    at("created_at"),
    at("compared_at"),  # since the database was restored: when it was noted what the topic holds beyond it
)

# What waits for the relay, in commit order per lane: a change set in the store, or one event with its payload.
outbox = Table(
    "outbox",
    metadata,
    Column("lane", Text, ForeignKey("hub.lane.lane"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("entry_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # changes | event
    Column("topic", Text, nullable=False),
    Column("batch_id", Text),
    Column("part_no", Integer),
    Column("path", Text),  # change set, relative to the store's root
    Column("sha256", Text),
    Column("records", BigInteger, nullable=False),
    Column("event", JSONB),  # {"key", "headers", "data"}
    at("created_at", required=True),
    at("published_at"),  # noted after the Kafka commit
    at("skipped_at"),  # a named person's rebase passed it over: not known as sent, and not sent any more
    at("purged_at"),  # noted after the change set went, or with an event's data
    UniqueConstraint("batch_id", "part_no", "topic", name="outbox_part_once"),
    CheckConstraint("(kind = 'changes') = (path is not null)", name="changes_have_a_path"),
    CheckConstraint("(kind = 'event') = (event is not null)", name="events_have_a_payload"),
    Index("outbox_kept", "created_at", postgresql_where=text("purged_at is null")),
)

# How far the relay got, noted after each Kafka commit; the start is the greater of this and Kafka's own.
relay_position = Table(
    "relay_position",
    metadata,
    Column("lane", Text, ForeignKey("hub.lane.lane"), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # entry being sent, or the last one sent whole
    Column("record", BigInteger, nullable=False),  # records of it that are on the topic
    Column("entry_id", Text, nullable=False),
    Column("cluster_id", Text, nullable=False),
    Column("rebased", Boolean, nullable=False, server_default="false"),
    at("noted_at", required=True),
)

# An event that could not be sent; its dead letter on Kafka holds references only.
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("record_key", Text),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    at("noted_at", required=True),
)
