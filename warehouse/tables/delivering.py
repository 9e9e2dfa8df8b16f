"""What a delivery leaves on its way: contract versions, batches, landing, verdicts, quarantine, cursors, receipts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from warehouse.tables.base import at, metadata

_UNFINISHED = "state in ('opened', 'landed', 'checked', 'loading')"
WAITING = (
    "(state = 'held' or state = 'refused' and kind = 'pull' and appearance is not null"
    " and not (appearance between 'hmac:' and 'hmac;'))"
)
"""Batches that may come late: held for a person, or a file that could not be read and may be one day. What the gate
refused bears the HMAC of its appearance: that was decided."""

# A version of a contract that was used at least once; old ones stay readable.
contract_version = Table(
    "contract_version",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("document", Text, nullable=False),
    at("first_used_at", required=True),
    at("last_used_at", required=True),  # when it last came into use: noted where the run before used another
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
    at("opened_at", required=True),
    at("landed_at"),
    at("checked_at"),
    at("loaded_at"),
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
    at("purged_at"),  # noted after the file went
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
    at("refused_at", required=True),
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
    at("quarantined_at", required=True),
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
    at("fixed_at", required=True),
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
    at("moved_at", required=True),
)

# When a source was last looked at, and how often in a row there was nothing: an empty pull makes no batch.
source_look = Table(
    "source_look",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    at("looked_at", required=True),
    at("found_at"),
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
    Column("kid", Text),  # of the hub's key that signed it; null: from before receipts were signed
    Column("signature", LargeBinary),
    at("made_at", required=True),
    Index("receipt_by_age", "made_at"),
)
