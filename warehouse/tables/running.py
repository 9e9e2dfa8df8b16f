"""What people and alarms did: acts, pauses, alarms with their notices, takedowns, turns of frequent feeds."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.tables.base import at, metadata

# What a named person did: release, reject, fix, replay, rebase, pause …
act = Table(
    "act",
    metadata,
    Column("act_no", BigInteger, Identity(), primary_key=True),
    Column("operator", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default="{}"),
    at("acted_at", required=True),
    Index("act_by_object", "object", "act_no"),
)

# A feed of which nothing is pulled until a named person lets it run again.
feed_pause = Table(
    "feed_pause",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    at("paused_at", required=True),
)

# Something that people should know of; one is open at a time for each object and kind.
alarm = Table(
    "alarm",
    metadata,
    Column("alarm_no", BigInteger, Identity(), primary_key=True),
    Column("object", Text, nullable=False),  # a feed, or `store`, `database`
    Column("kind", Text, nullable=False),  # one of exchange.alarms.conditions.KINDS
    Column("facts", JSONB, nullable=False, server_default="{}"),
    Column("notices", Integer, nullable=False, server_default="0"),
    at("raised_at", required=True),
    at("noticed_at", required=True),
    at("cleared_at"),
    Index("alarm_open", "object", "kind", unique=True, postgresql_where=text("cleared_at is null")),
)

# What was said of an alarm: that it was raised, is still true, or is over.
alarm_notice = Table(
    "alarm_notice",
    metadata,
    Column("alarm_no", BigInteger, ForeignKey("hub.alarm.alarm_no"), primary_key=True),
    Column("notice_no", Integer, primary_key=True),
    Column("change", Text, nullable=False),  # raised repeated cleared
    Column("body", LargeBinary, nullable=False),  # the exact bytes that the webhook gets
    Column("webhook", Text, nullable=False),  # none waiting sent given_up
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("answer", Text),  # the last one: a status, or why there was none
    at("made_at", required=True),
    at("next_at"),
    Index("alarm_notice_waiting", "next_at", postgresql_where=text("webhook = 'waiting'")),
)

# The trace that a record was taken out of every store and topic; never what stood in it.
takedown = Table(
    "takedown",
    metadata,
    Column("takedown_no", BigInteger, Identity(), primary_key=True),
    Column("feed", Text, nullable=False),
    Column("record_key", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # begun stored done lifted; it stands until it is lifted
    Column("facts", JSONB, nullable=False, server_default="{}"),
    at("begun_at", required=True),
    at("ended_at"),
    Index("takedown_by_key", "feed", "record_key"),
)

# A feed that the worker takes, and how its turns go. A turn that began and did not end is under way, or its process is gone.
feed_turn = Table(
    "feed_turn",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("schedule", Text),  # cron; null: only when it is rung
    Column("served", Boolean, nullable=False, server_default="false"),  # whether its DAG is on
    at("due_at"),
    at("began_at"),
    at("ended_at"),
    Column("holder", Text),  # process of the newest turn
    Column("turns", BigInteger, nullable=False, server_default="0"),  # begun, ever
    Column("failed", BigInteger, nullable=False, server_default="0"),  # of them
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row, up to now
    Column("seconds", Float),  # that the newest turn took
    Column("error", JSONB),  # of the newest turn that failed
)
Index("feed_turn_due", feed_turn.c.due_at, postgresql_where=text("served"))
