"""The hub's own tables (schema `hub`) as SQLAlchemy Core. Feeds' tables are made from contracts in `warehouse.feeds.tables`.

Every table says what a row of it is. Ids that appear in events and receipts are text; `batch_no` is the short form
that record rows carry. Migrations make the tables; a test holds the two against each other.
"""

from __future__ import annotations

from warehouse.tables.base import SCHEMA, metadata
from warehouse.tables.delivering import (
    WAITING,
    batch,
    confirmed,
    contract_version,
    cursor,
    fix,
    landed_object,
    masking,
    quarantine,
    receipt,
    refusal,
    source_look,
)
from warehouse.tables.door import (
    access_log,
    agency,
    agency_contact,
    agency_feed,
    agency_key,
    door_nonce,
    push,
    signing_key,
)
from warehouse.tables.publishing import dead_letter, lane, lost_event, outbox, relay_position, restored, topic
from warehouse.tables.running import act, alarm, alarm_notice, feed_pause, feed_turn, takedown

__all__ = [
    "SCHEMA",
    "WAITING",
    "access_log",
    "act",
    "agency",
    "agency_contact",
    "agency_feed",
    "agency_key",
    "alarm",
    "alarm_notice",
    "batch",
    "confirmed",
    "contract_version",
    "cursor",
    "dead_letter",
    "door_nonce",
    "feed_pause",
    "feed_turn",
    "fix",
    "landed_object",
    "lane",
    "lost_event",
    "masking",
    "metadata",
    "outbox",
    "push",
    "quarantine",
    "receipt",
    "refusal",
    "relay_position",
    "restored",
    "signing_key",
    "source_look",
    "takedown",
    "topic",
]
