"""The hub's own tables (schema `hub`) as SQLAlchemy Core. Feeds' tables are made from contracts in `warehouse.feeds.tables`.

Every table says what a row of it is. Ids that appear in events and receipts are text; `batch_no` is the short
form that record rows carry.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "hub"
metadata = MetaData(schema=SCHEMA)
_NOW = func.now()
_UNFINISHED = "state in ('opened', 'landed', 'checked', 'loading')"
WAITING = (
    "(state = 'held' or state = 'refused' and kind = 'pull' and appearance is not null"
    " and not (appearance between 'hmac:' and 'hmac;'))"
)
"""Batches that may come late: held for a person, or a file that could not be read and may be one day. What the gate
refused bears the HMAC of its appearance: that was decided."""


def _at(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=not required, server_default=_NOW if required else None)


# A version of a contract that was used at least once; old ones stay readable.
contract_version = Table(
    "contract_version",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("document", Text, nullable=False),
    _at("first_used_at", required=True),
)

# A delivery on its way, whatever became of it. rows_in = loaded + unchanged + quarantined + refused once decided.
batch = Table(
    "batch",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("batch_no", BigInteger, Identity(), nullable=False, unique=True),
    Column("feed", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("contract_sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),  # pull push replay backfill rerun
    Column("parent_batch", Text, ForeignKey("hub.batch.batch_id")),
    Column(
        "order_no", BigInteger
    ),  # batch_no whose place in the order a replay, or a delivery read late, keeps; null: its own
    Column("source", Text, nullable=False),
    Column("delivery", Text, nullable=False),
    Column("delivery_sha256", Text),
    Column("appearance", Text),  # of a file: SHA-256@time of writing, tells the file met again from its bytes sent anew
    # opened landed checked held loading loaded released rejected refused abandoned
    Column("state", Text, nullable=False),
    Column("state_reason", Text),
    Column("rows_in", BigInteger),
    Column("rows_loaded", BigInteger),
    Column("rows_unchanged", BigInteger),
    Column("rows_quarantined", BigInteger),
    Column("rows_refused", BigInteger),
    Column("rows_stale", BigInteger),  # part of unchanged: older than the version already here
    Column("withdrawn_missing", BigInteger),  # snapshot feeds: keys withdrawn because they no longer come
    Column("events", BigInteger),  # events handed to the outbox
    Column("parts", Integer),
    Column("parts_loaded", Integer, nullable=False, server_default="0"),
    Column("cursor_before", JSONB),
    Column("cursor_after", JSONB),
    Column("interval_start", DateTime(timezone=True)),
    Column("interval_end", DateTime(timezone=True)),
    Column("facts", JSONB, nullable=False, server_default="{}"),  # manifest facts, metrics, verdicts
    Column("operator", Text),
    _at("opened_at", required=True),
    _at("landed_at"),
    _at("checked_at"),
    _at("loaded_at"),
    CheckConstraint(
        "state not in ('loaded', 'held', 'released', 'rejected') or rows_in = rows_loaded + rows_unchanged + rows_quarantined + rows_refused",
        name="rows_add_up",
    ),
    Index("batch_by_feed", "feed", "batch_no"),
    Index("batch_by_delivery", "feed", "delivery_sha256"),
    Index("batch_by_appearance", "feed", "source", "appearance"),
    Index("batch_by_parent", "parent_batch", postgresql_where=text("parent_batch is not null")),
    Index("batch_unfinished", "feed", "batch_no", postgresql_where=text(_UNFINISHED)),
    Index("batch_by_place", "feed", "source", text("coalesce(order_no, batch_no)")),
    Index("batch_waiting", "feed", postgresql_where=text(WAITING)),
)

# Bytes in the store that belong to a batch.
landed_object = Table(
    "landed_object",
    metadata,
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # original rows manifest hashes
    Column("ordinal", Integer, primary_key=True),
    Column("path", Text, nullable=False),  # relative to the store's root
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("unit", Text),
    _at("purged_at"),  # noted after the file went
    Index("landed_object_kept", "batch_id", postgresql_where=text("purged_at is null")),
    Index("landed_object_by_path", "path", postgresql_where=text("purged_at is null")),
)

# The trace of a refused row or delivery; never its body.
refusal = Table(
    "refusal",
    metadata,
    Column("refusal_no", BigInteger, Identity(), primary_key=True),
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), nullable=False),
    Column("feed", Text, nullable=False),
    Column("row_no", BigInteger),
    Column("unit", Text, nullable=False),
    Column("source_row", BigInteger),
    Column("rule", Text, nullable=False),
    Column("hmac", Text, nullable=False),
    Column("sender", Text, nullable=False),
    _at("refused_at", required=True),
    Index("refusal_by_batch", "batch_id"),
)

# The trace of a masked or dropped value; row_no below 0: of a page as a whole (-1 the first), a column or its name.
masking = Table(
    "masking",
    metadata,
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), primary_key=True),
    Column("row_no", BigInteger, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("hmac", Text, nullable=False),
)

# A row that broke a rule, with every rule it broke.
quarantine = Table(
    "quarantine",
    metadata,
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), primary_key=True),
    Column("row_no", BigInteger, primary_key=True),
    Column("feed", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("source_row", BigInteger),
    Column("record_key", Text),
    Column("rules", ARRAY(Text), nullable=False),
    Column("raw", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),  # open fixed replayed rejected
    Column("fixed", JSONB),  # corrected raw values, waiting for replay
    Column("replay_batch", Text),
    _at("quarantined_at", required=True),
    Index("quarantine_by_feed", "feed", "state"),
    Index("quarantine_by_key", "feed", "record_key"),
    Index("quarantine_by_age", "feed", "quarantined_at"),
)

# A record that a delivery brought as it was known, while an older one of the feed waited (held, in quarantine, not yet
# readable): what waits is older than that, though the feed's table doesn't say so. Gone when nothing waits any more.
confirmed = Table(
    "confirmed",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("record_key", Text, primary_key=True),
    Column("order_no", BigInteger, nullable=False),  # place in the order of the latest such delivery
)

# One corrected value of a quarantined row: who, why, from, to.
fix = Table(
    "fix",
    metadata,
    Column("fix_no", BigInteger, Identity(), primary_key=True),
    Column("batch_id", Text, nullable=False),
    Column("row_no", BigInteger, nullable=False),
    Column("field", Text, nullable=False),
    Column("old_value", Text),
    Column("new_value", Text),
    Column("editor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _at("fixed_at", required=True),
    Index("fix_by_row", "batch_id", "row_no"),
)

# Where the next pull of a source starts; moved in the transaction that loads (or holds) the rows.
cursor = Table(
    "cursor",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("batch_id", Text, nullable=False),
    _at("moved_at", required=True),
)

# When a source was last looked at, and how often in a row there was nothing: an empty pull makes no batch.
source_look = Table(
    "source_look",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    _at("looked_at", required=True),
    _at("found_at"),
    Column("empty_looks", BigInteger, nullable=False, server_default="0"),
)

# The final word on a batch: canonical bytes, later signed. A further version says what was fixed or replayed since.
receipt = Table(
    "receipt",
    metadata,
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    _at("made_at", required=True),
    Index("receipt_by_age", "made_at"),
)

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
    _at("acted_at", required=True),
    Index("act_by_object", "object", "act_no"),
)

# What keeps order. `last_seq` moves only under the lane's advisory transaction lock.
lane = Table(
    "lane",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    _at("compared_at"),  # since the database was restored: when it and Kafka were found to agree, or made to
)

# The last time that this database came from a backup; no row, never.
restored = Table(
    "restored",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("backup", Text, nullable=False),  # when it was taken
    _at("restored_at", required=True),
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
    _at("found_at", required=True),
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
    _at("created_at"),
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
    _at("created_at", required=True),
    _at("published_at"),  # noted after the Kafka commit
    _at("skipped_at"),  # a named person's rebase passed it over: not known as sent, and not sent any more
    _at("purged_at"),  # noted after the change set went
    UniqueConstraint("batch_id", "part_no", "topic", name="outbox_part_once"),
    CheckConstraint("(kind = 'changes') = (path is not null)", name="changes_have_a_path"),
    CheckConstraint("(kind = 'event') = (event is not null)", name="events_have_a_payload"),
    Index("outbox_kept", "created_at", postgresql_where=text("path is not null and purged_at is null")),
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
    _at("noted_at", required=True),
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
    _at("noted_at", required=True),
)

# A feed of which nothing is pulled until a named person lets it run again.
feed_pause = Table(
    "feed_pause",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _at("paused_at", required=True),
)

# Something that people should know of; one is open at a time for each object and kind.
alarm = Table(
    "alarm",
    metadata,
    Column("alarm_no", BigInteger, Identity(), primary_key=True),
    Column("object", Text, nullable=False),  # a feed, or `store`, `database`
    Column("kind", Text, nullable=False),  # freshness volume held latency storage
    Column("facts", JSONB, nullable=False, server_default="{}"),
    Column("notices", Integer, nullable=False, server_default="0"),
    _at("raised_at", required=True),
    _at("noticed_at", required=True),
    _at("cleared_at"),
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
    _at("made_at", required=True),
    _at("next_at"),
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
    Column("state", Text, nullable=False),  # begun stored done
    Column("facts", JSONB, nullable=False, server_default="{}"),
    _at("begun_at", required=True),
    _at("ended_at"),
    Index("takedown_by_key", "feed", "record_key"),
)
