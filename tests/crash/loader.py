"""A loader that is killed: appends change sets and single events to the outbox through the warehouse's own functions.

Keys are shared by all loaders and lanes' partitions, so that order per key is at stake; now and then a batch holds an
event that is too large for its topic.
"""

from __future__ import annotations

import random
import time

import pyarrow as pa

from hub.crash import point
from hub.ids import BatchId, LaneId, TopicName, new_batch_id
from hub.settings import settings
from warehouse.changeset import ChangeSetFacts, ChangeSetWriter, event_type
from warehouse.engine import transaction
from warehouse.errors import DatabaseUnavailable
from warehouse.outbox import append_changes, append_event
from warehouse.store import Store

KEYS = 40
TOO_LARGE = 150_000
"""Bytes of a poisoned event's data; its topic takes less (harness.POISON_LIMIT)."""


def load_for_ever(topics: list[str], poison_topic: str, seed: int) -> None:
    """Loads small batches until killed; waits while the database is away."""
    chance = random.Random(seed)
    while True:
        try:
            load_one(topics, poison_topic, chance)
        except DatabaseUnavailable:
            time.sleep(0.2)
        time.sleep(chance.uniform(0.005, 0.04))


def load_one(topics: list[str], poison_topic: str, chance: random.Random) -> None:
    """One batch on one topic: a change set, or a single event."""
    topic, batch = chance.choice(topics), new_batch_id()
    if chance.random() < 0.2:
        one_event(topic, batch, chance)
        return
    rows = chance.choice((1, 3, 20, 60, 300))
    poisoned = chance.randrange(rows) if topic == poison_topic and chance.random() < 0.01 else -1
    path, sha256 = write_changes(topic, batch, rows, poisoned, chance)
    point("load.changes_written")
    with transaction() as conn:
        append_changes(
            conn,
            lane_id=LaneId(topic),
            topic_name=TopicName(topic),
            batch_id=batch,
            part_no=0,
            path=path,
            sha256=sha256,
            records=rows,
        )
        point("load.before_commit")
        if chance.random() < 0.1:
            # A slow commit while the lane's lock is held: others must not overtake it.
            time.sleep(0.02)
    point("load.part_committed")


def write_changes(topic: str, batch: BatchId, rows: int, poisoned: int, chance: random.Random) -> tuple[str, str]:
    """Writes a change set of `rows` events; returns path and SHA-256. Event number `poisoned` is too large."""
    keys = [f"K{chance.randrange(KEYS):03d}" for _ in range(rows)]
    ids = [f"{'poison' if number == poisoned else 'crash'}:{batch}.{number}:1" for number in range(rows)]
    data = [b'{"n":%d}' % number for number in range(rows)]
    if poisoned >= 0:
        # Random bytes, so that no compression makes it fit.
        data[poisoned] = b'{"n":"' + chance.randbytes(TOO_LARGE).hex().encode() + b'"}'
    changes = pa.table(
        {
            "key": keys,
            "event_id": ids,
            "record_key": keys,
            "revision": pa.array([1] * rows, pa.int32()),
            "change": ["recorded"] * rows,
            "data": pa.array(data, pa.large_binary()),
        }
    )
    facts = ChangeSetFacts("crash", "1.0.0", topic, batch, "0", event_type(topic), "2026-01-01T00:00:00Z")
    path = f"crash/{batch}.arrow"
    with ChangeSetWriter(Store(settings().landing_dir), path, facts) as writer:
        writer.write(changes)
    return path, writer.sha256


def one_event(topic: str, batch: BatchId, chance: random.Random) -> None:
    """A single event with its payload in the outbox."""
    event_id = f"crash:{batch}.0:1"
    headers = {"ce_id": event_id, "ce_type": "crash.event.recorded", "ce_source": "/tests/crash"}
    key = f"K{chance.randrange(KEYS):03d}"
    with transaction() as conn:
        append_event(
            conn, lane_id=LaneId(topic), topic_name=TopicName(topic), key=key, headers=headers, data={"n": "0"}
        )
        point("load.before_commit")
    point("load.part_committed")
