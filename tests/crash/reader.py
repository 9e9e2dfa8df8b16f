"""An independent subscriber: all that a read_committed consumer sees of the topics and of the dead letters.

It shares no code with the relay: confluent's plain consumer, plain JSON. Of each event it keeps its id, a digest of
what it says, and of each key the last revision.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.crash.model import digest

DEAD_LETTERS = "hub.dead.letters.v1"
SAID = ("key", "revision", "change", "record", "moved_to", "moved_from")


@dataclass
class Seen:
    """What came from one topic."""

    events: dict[str, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    """Kafka key -> (event id, digest) in the order of offsets."""
    last: dict[str, tuple[int, str, dict[str, Any] | None]] = field(default_factory=dict)
    """Record key -> (revision, change, record) of its greatest revision."""
    misplaced: list[str] = field(default_factory=list)
    """Events whose id says something else than what they hold, or that lie on another partition than their key."""
    dead: list[str] = field(default_factory=list)
    """Ids of dead letters."""
    where: dict[str, int] = field(default_factory=dict)
    """Kafka key -> partition."""


class Reader:
    """Reads topics of `partitions` each from their beginning."""

    def __init__(self, kafka: dict[str, Any], topics: dict[str, int]) -> None:
        self.seen = {topic: Seen() for topic in topics}
        self.count = 0
        self._consumer = Consumer(
            kafka
            | {"group.id": "crash-reader", "isolation.level": "read_committed", "enable.auto.commit": False}
            | {"auto.offset.reset": "earliest"}
        )
        everything = {**topics, DEAD_LETTERS: 1}
        self._consumer.assign([TopicPartition(t, n, 0) for t, count in everything.items() for n in range(count)])

    def step(self) -> int:
        """Reads what is there; returns how many messages came."""
        messages = [one for one in self._consumer.consume(2_000, 0.2) if one.error() is None]
        for message in messages:
            if message.topic() == DEAD_LETTERS:
                self._take_dead(json.loads(message.value()))
            else:
                self._take(message)
        return len(messages)

    def close(self) -> None:
        """Gives the consumer back."""
        self._consumer.close()

    def _take(self, message: Any) -> None:
        seen, said = self.seen[message.topic()], json.loads(message.value())
        event_id, subject = dict(message.headers())["ce_id"].decode(), message.key().decode()
        self.count += 1
        seen.events[subject].append(
            (event_id, digest({"record": None} | {name: said[name] for name in SAID if name in said}))
        )
        if event_id != f"{said['feed']}:{said['key']}:{said['revision']}":
            seen.misplaced.append(event_id)
        if seen.where.setdefault(subject, message.partition()) != message.partition():
            seen.misplaced.append(event_id)
        if said["revision"] > seen.last.get(said["key"], (0,))[0]:
            seen.last[said["key"]] = (said["revision"], said["change"], said.get("record"))

    def _take_dead(self, letter: dict[str, str]) -> None:
        if letter["topic"] in self.seen:
            self.seen[letter["topic"]].dead.append(letter["event_id"])
