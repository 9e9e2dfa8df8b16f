"""Typed identifiers. A function that takes a `FeedId` can't be handed a `BatchId` unnoticed."""

from __future__ import annotations

from typing import NewType

import uuid6

FeedId = NewType("FeedId", str)  # contract id = file stem = DAG suffix = table name
BatchId = NewType("BatchId", str)  # time-ordered UUIDv7 text; sorts by creation
RuleId = NewType("RuleId", str)  # "<field>.<kind>" or the id given in the contract
RecordKey = NewType("RecordKey", str)  # canonical text of the key fields, joined by "|"
LaneId = NewType("LaneId", str)  # what keeps order; one for each topic at first
TopicName = NewType("TopicName", str)
EntryId = NewType("EntryId", str)  # identity of one outbox entry, kept in the relay's position metadata
AgencyId = NewType("AgencyId", str)
PlaceId = NewType("PlaceId", str)  # a host or root that the operator listed


def new_batch_id() -> BatchId:
    """A fresh batch id; later ids sort after earlier ones."""
    return BatchId(str(uuid6.uuid7()))


def new_entry_id() -> EntryId:
    """A fresh identity for an outbox entry."""
    return EntryId(str(uuid6.uuid7()))
