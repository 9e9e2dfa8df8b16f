"""The independent reader: what a read_committed consumer sees, against what PostgreSQL committed.

It shares no code with the relay: confluent's plain consumer, plain SQL, plain Arrow files. Expected is, for each
topic and key, the events of the outbox in the lane's order; seen is what comes from the topic. It works beside the
killing, so that its memory holds only what is under way and 8 bytes for each event seen.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

DEAD_LETTERS = "hub.dead.letters.v1"


@dataclass
class Verdict:
    """The count, and the first few offenders of each kind."""

    events: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    dead: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def blame(self, kind: str, what: str) -> None:
        """Keeps an example."""
        kept = self.examples.setdefault(kind, [])
        if len(kept) < 5:
            kept.append(what)

    @property
    def good(self) -> bool:
        """Nothing lost, doubled or out of order."""
        return not (self.lost or self.doubled or self.out_of_order)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Verifier:
    """Compares the topics with the outbox as both grow."""

    def __init__(self, dsn: str, store: Path, kafka: dict[str, Any], partitions: dict[str, int]) -> None:
        self._dsn = dsn
        self._store = store
        self._partitions = partitions
        self._read = dict.fromkeys(partitions, 0)
        self._due: dict[tuple[str, str], deque[str]] = defaultdict(deque)
        self._due_dead: set[str] = set()
        self._seen: set[int] = set()
        self._conn: psycopg.Connection[Any] | None = None
        self.verdict = Verdict()
        self._consumer = Consumer(
            kafka
            | {"group.id": "crash-verifier", "isolation.level": "read_committed", "enable.auto.commit": False}
            | {"auto.offset.reset": "earliest"}
        )
        everything = {**partitions, DEAD_LETTERS: 1}
        self._consumer.assign([TopicPartition(t, n, 0) for t, count in everything.items() for n in range(count)])

    def step(self) -> int:
        """Reads what is there and compares; returns how many messages came."""
        messages = self._consumer.consume(2_000, 0.2)
        for message in messages:
            if message.error() is None:
                self._take(message)
        return len(messages)

    def finish(self, quiet: float, timeout: float) -> Verdict:
        """Goes on until nothing is due and nothing came for `quiet` seconds, or the time is up; what is due then is lost."""
        until, last = time.monotonic() + timeout, time.monotonic()
        while time.monotonic() < until:
            if self.step():
                last = time.monotonic()
            elif time.monotonic() - last > quiet:
                self._refresh()
                if not any(self._due.values()) and not self._due_dead:
                    break
        for (topic, key), ids in self._due.items():
            self.verdict.lost += len(ids)
            for event_id in ids:
                self.verdict.blame("lost", f"{topic} {key} {event_id}")
        self.verdict.lost += len(self._due_dead)
        for event_id in self._due_dead:
            self.verdict.blame("lost dead letter", event_id)
        self._consumer.close()
        return self.verdict

    def _take(self, message: Any) -> None:
        headers = dict(message.headers() or [])
        event_id, topic = headers["ce_id"].decode(), message.topic()
        place = f"{topic}[{message.partition()}]@{message.offset()} {event_id}"
        if topic == DEAD_LETTERS:
            self._take_dead(json.loads(message.value()), place)
            return
        self.verdict.events += 1
        due = self._due[topic, message.key().decode()]
        if event_id not in due:
            # The outbox was committed before the event could be sent, so reading it now must show the event.
            self._refresh()
        if due and due[0] == event_id:
            due.popleft()
        elif event_id in due:
            self.verdict.out_of_order += 1
            self.verdict.blame("out of order", place)
            due.remove(event_id)
        else:
            self.verdict.doubled += 1
            self.verdict.blame("doubled" if hash(event_id) in self._seen else "never committed", place)
        self._seen.add(hash(event_id))

    def _take_dead(self, letter: dict[str, str], place: str) -> None:
        if letter["topic"] not in self._partitions:
            return  # another test's
        self.verdict.dead += 1
        if letter["event_id"] not in self._due_dead:
            self._refresh()
        if letter["event_id"] in self._due_dead:
            self._due_dead.remove(letter["event_id"])
        else:
            self.verdict.doubled += 1
            self.verdict.blame("doubled dead letter", place)

    def _refresh(self) -> None:
        """Reads the entries that the outbox has gained; waits while the database is away."""
        query = "select seq, topic, path, event from hub.outbox where lane = %s and seq > %s order by seq"
        until = time.monotonic() + 60
        while True:
            try:
                self._conn = self._conn or psycopg.connect(self._dsn, autocommit=True)
                rows = [
                    (lane, row)
                    for lane in self._partitions
                    for row in self._conn.execute(query, [lane, self._read[lane]])
                ]
                break
            except psycopg.OperationalError:
                self._conn = None
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        for lane, (seq, topic, path, event) in rows:
            self._read[lane] = seq
            if event is not None:
                self._due[topic, event["key"]].append(event["headers"]["ce_id"])
                continue
            changes = pa.ipc.open_file(pa.memory_map(str(self._store / path))).read_all()
            for key, event_id in zip(changes["key"].to_pylist(), changes["event_id"].to_pylist(), strict=True):
                if event_id.startswith("poison"):
                    self._due_dead.add(event_id)
                else:
                    self._due[topic, key].append(event_id)
