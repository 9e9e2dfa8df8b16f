"""What the hub must have made of the deliveries: a plain model, row by row, that shares no code with the hub.

Fed with the deliveries in the order of their batches it says what becomes of every row, what the feed's table holds in
the end, and which events its readers see, in which order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.crash.feeds import BALANCES, LARGE, VOID

Row = Mapping[str, str]


@dataclass
class Held:
    """What is known of a key."""

    revision: int
    record: dict[str, Any]
    subject: str
    withdrawn: bool
    order: int


@dataclass
class Fate:
    """What became of a delivery's rows."""

    loaded: int = 0
    unchanged: int = 0
    refused: int = 0
    quarantined: dict[int, list[str]] = field(default_factory=dict)  # row number -> rules

    def counts(self) -> tuple[int, int, int, int]:
        """(loaded, unchanged, quarantined, refused)."""
        return self.loaded, self.unchanged, len(self.quarantined), self.refused


class Model:
    """One feed."""

    def __init__(self, feed: str) -> None:
        self.feed = feed
        self.table: dict[str, Held] = {}
        self.history: set[tuple[str, int]] = set()
        self.events: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        """Kafka key -> (event id, digest) in order."""
        self.dead: set[str] = set()
        """Ids of events that no broker takes."""
        self.snapshots: list[tuple[int, set[str]]] = []
        """(order, keys with a row in quarantine) of every whole delivery of `balances`."""

    def take(self, rows: Iterable[tuple[int, Row]], *, order: int, replay: bool = False) -> Fate:
        """Applies a delivery's numbered rows; `order`: its place in the order of loads (a replay has its parent's)."""
        fate, good, delivered = Fate(), list[tuple[int, dict[str, Any]]](), set[str]()
        keys: dict[int, str] = {}
        all_keys_known = True
        for number, row in rows:
            if row["note"].strip() == "秘密":
                fate.refused += 1
                all_keys_known = False
                continue
            record, rules = judged(row)
            all_keys_known &= record["number"] is not None
            delivered.add(record["number"])
            keys[number] = record["number"]
            if rules:
                fate.quarantined[number] = rules
            else:
                good.append((number, record))
        for record in self._single(good, fate):
            self._merge(record, order, replay=replay, fate=fate)
        if self.feed == BALANCES and not replay:
            self.snapshots.append((order, {keys[number] for number in fate.quarantined}))
            for key in sorted(set(self.table) - delivered if all_keys_known else ()):
                self._missing(key, order)
        return fate

    def _spoken_of(self, key: str, order: int) -> bool:
        """Whether a snapshot that came after `order` said something of the key: that it is gone, or what it is."""
        return any(at > order and key not in broken for at, broken in self.snapshots)

    def _single(self, good: list[tuple[int, dict[str, Any]]], fate: Fate) -> list[dict[str, Any]]:
        """Rows whose key no other row contradicts and whose ticket no other row has, each once."""
        by_key, by_ticket = defaultdict(set), defaultdict(set)
        for _, record in good:
            content = json.dumps(record)
            by_key[record["number"]].add(content)
            by_ticket[record["ticket"]].add(content)
        single, seen = [], set()
        for number, record in good:
            rules = ["_key.conflict"] if len(by_key[record["number"]]) > 1 else []
            if self.feed != BALANCES and record["ticket"] is not None and len(by_ticket[record["ticket"]]) > 1:
                rules.append("ticket.unique")
            if rules:
                fate.quarantined[number] = rules
            elif record["number"] in seen:
                fate.unchanged += 1
            else:
                seen.add(record["number"])
                single.append(record)
        return single

    def _merge(self, record: dict[str, Any], order: int, *, replay: bool, fate: Fate) -> None:
        key, subject, held = record["number"], record["payee"], self.table.get(record["number"])
        withdraws = self.feed != BALANCES and record["status"] == VOID
        spoken = replay and self._spoken_of(key, order)
        if held is None:
            if withdraws or spoken:
                fate.unchanged += 1
                return
            held = self.table[key] = Held(0, {}, subject, withdrawn=True, order=0)
        else:
            older = spoken or (replay and held.order > order)
            if self.feed != BALANCES:
                older = record["version"] < held.record["version"] or (
                    older and record["version"] == held.record["version"]
                )
            nothing_new = not held.withdrawn and not withdraws and record == held.record
            if nothing_new or (withdraws and held.withdrawn and not older):
                # A later word for the same: what came before it, corrected since, is older than it.
                held.order = max(held.order, order)
            if nothing_new or older or (withdraws and held.withdrawn):
                fate.unchanged += 1
                return
            self.history.add((key, held.revision))
        fate.loaded += 1
        was = held.subject
        if withdraws:
            held.revision += 1
            self._event(was, key, held.revision, "withdrawn")
        elif held.withdrawn or subject == was:
            change = "recorded" if held.withdrawn else "corrected"
            held.revision, held.subject = held.revision + 1, subject
            self._event(subject, key, held.revision, change, record)
        else:
            held.revision, held.subject = held.revision + 2, subject
            self._event(was, key, held.revision - 1, "withdrawn", moved_to=subject)
            self._event(subject, key, held.revision, "recorded", record, moved_from=was)
        held.record, held.withdrawn, held.order = record, withdraws, order

    def _missing(self, key: str, order: int) -> None:
        held = self.table[key]
        if held.withdrawn:
            return
        self.history.add((key, held.revision))
        held.revision, held.withdrawn, held.order = held.revision + 1, True, order
        self._event(held.subject, key, held.revision, "withdrawn")

    def _event(
        self, subject: str, key: str, revision: int, change: str, record: Mapping[str, Any] | None = None, **moved: str
    ) -> None:
        event_id = f"{self.feed}:{key}:{revision}"
        if self.feed == BALANCES and record is not None and len(record["note"] or "") > LARGE:
            self.dead.add(event_id)
            return
        said = {"key": key, "revision": revision, "change": change, "record": record, **moved}
        self.events[subject].append((event_id, digest(said)))


def judged(row: Row) -> tuple[dict[str, Any], list[str]]:
    """The record that a row says, and the rules it breaks."""
    record: dict[str, Any] = {name: value.strip() if name == "note" else value for name, value in row.items()}
    record = {name: value or None for name, value in record.items()}
    rules = [f"{name}.required" for name in ("number", "payee") if record[name] is None]
    try:
        amount = Decimal(row["amount"])
        record["amount"] = f"{amount:.2f}"
        if amount < 0:
            rules.append("amount.range")
    except InvalidOperation:
        rules.append("amount.type")
    if record["version"] is not None:
        record["version"] = int(record["version"])
    return record, rules


def digest(said: Mapping[str, Any]) -> bytes:
    """What tells one event's content from another's."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()[:8]


def mended(rows: Iterable[tuple[int, Row]], fate: Fate) -> list[tuple[int, Row]]:
    """The rows that the engineer corrects and replays: a negative amount is made positive."""
    return [
        (number, {**row, "amount": row["amount"].removeprefix("-")})
        for number, row in rows
        if number in fate.quarantined and row["amount"].startswith("-")
    ]


def rules_of(fate: Fate) -> Counter[tuple[int, str]]:
    """(row, rule) of every quarantined row."""
    return Counter((number, rule) for number, rules in fate.quarantined.items() for rule in rules)
