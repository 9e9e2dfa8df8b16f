"""The proof: from the deliveries that were dropped to the events that were seen, through the independent model.

Lost is a row that no batch accounts for, a key, a revision or an event that isn't there or says something else than it
must; doubled is a delivery, a row or an event that is there twice or was never due; out of order is what came too late.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.crash.feeds import FIELDS
from tests.crash.model import Fate, Model, mended, rules_of
from tests.crash.reader import Seen
from warehouse.batches import Counts


@dataclass
class Verdict:
    """The count, and the first few offenders of each kind."""

    deliveries: int = 0
    rows: int = 0
    replays: int = 0
    events: int = 0
    dead: int = 0
    turns: int = 0  # that the worker began
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def blame(self, kind: str, what: str, example: object, count: int = 1) -> None:
        """Counts an offence of a kind (lost | doubled | out_of_order) and keeps an example."""
        setattr(self, kind, getattr(self, kind) + count)
        kept = self.examples.setdefault(f"{kind}: {what}", [])
        if len(kept) < 5:
            kept.append(str(example)[:500])

    @property
    def good(self) -> bool:
        """Nothing lost, doubled or out of order."""
        return not (self.lost or self.doubled or self.out_of_order)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Trial:
    """One feed's proof."""

    def __init__(self, conn: psycopg.Connection[Any], verdict: Verdict, feed: str, journal: Path) -> None:
        self._rows = conn.cursor(row_factory=dict_row)
        self._verdict = verdict
        self._feed = feed
        self._journal = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        self._model = Model(feed)
        self._fates: dict[str, tuple[list[tuple[int, dict[str, str]]], Fate]] = {}

    def judge(self, seen: Seen) -> None:
        """Holds the hub's books, its tables and what was seen against the deliveries."""
        self._deliveries()
        self._table()
        self._events(seen)

    # -- batches -------------------------------------------------------------------------------------------------

    def _deliveries(self) -> None:
        batches = self._all("select * from hub.batch where feed = %s and state <> 'abandoned' order by batch_no")
        due = [entry["name"] for entry in self._due()]
        got = [batch["delivery"] for batch in batches if batch["kind"] == "pull" and batch["state"] == "loaded"]
        by_name = {entry["name"]: entry for entry in self._journal}
        for name in Counter(due) - Counter(got):
            rows = by_name[name]["rows"]
            self._verdict.blame("lost", "delivery without a loaded batch", f"{self._feed} {name}", max(1, len(rows)))
        for name, count in (Counter(got) - Counter(due)).items():
            self._verdict.blame("doubled", "delivery loaded again", f"{self._feed} {name}", count)
        first = list(dict.fromkeys(got))
        if first != (there := [name for name in due if name in set(got)]):
            late = sum(one != two for one, two in zip(first, there, strict=False))
            self._verdict.blame("out_of_order", "deliveries", f"{self._feed} {first[:20]}", late)
        self._refused([batch for batch in batches if batch["state"] == "refused"])
        for batch in batches:
            if batch["state"] not in ("loaded", "refused"):
                self._verdict.blame("lost", "batch left on the way", f"{batch['delivery']} {batch['state']}")
            elif batch["state"] == "loaded":
                self._batch(batch, by_name)
        self._verdict.deliveries += len(self._journal)

    def _due(self) -> Iterable[dict[str, Any]]:
        """Deliveries that make a batch: those that can be read and differ from the one before, or come after one that can't."""
        before = ""
        for entry in self._journal:
            if entry["kind"] == "unreadable":
                before = ""
            if entry["kind"] == "rows" and entry["sha256"] != before:
                before = entry["sha256"]
                yield entry

    def _refused(self, batches: list[dict[str, Any]]) -> None:
        due = Counter(entry["name"] for entry in self._journal if entry["kind"] == "unreadable")
        got = Counter(batch["delivery"] for batch in batches)
        for name in due - got:
            self._verdict.blame("lost", "no refusal of what can't be read", f"{self._feed} {name}")
        for name in got - due:
            self._verdict.blame("doubled", "refusal", f"{self._feed} {name}")

    def _batch(self, batch: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> None:
        if batch["kind"] == "replay":
            self._verdict.replays += 1
            rows = mended(*self._fates[batch["parent_batch"]])
            if not rows:
                self._verdict.blame("doubled", "replay of nothing", batch["batch_id"])
        else:
            rows = list(enumerate(by_name[batch["delivery"]]["rows"], 1))
        order = batch["order_no"] or batch["batch_no"]
        fate = self._model.take(rows, order=order, replay=batch["kind"] == "replay")
        self._fates[batch["batch_id"]] = (rows, fate)
        self._verdict.rows += len(rows)
        got = Counts.of(batch)
        counts = (got.loaded, got.unchanged, got.quarantined, got.refused)
        if counts != fate.counts():
            self._verdict.blame(
                "lost", "counts", f"{self._feed} {batch['delivery']} {batch['kind']} {counts}, due {fate.counts()}"
            )
        query = "select row_no, unnest(rules) as rule from hub.quarantine where batch_id = %s"
        broken = Counter((one["row_no"], one["rule"]) for one in self._all(query, batch["batch_id"]))
        if broken != rules_of(fate):
            self._verdict.blame(
                "lost", "quarantine", f"{batch['delivery']} {broken - rules_of(fate)} {rules_of(fate) - broken}"
            )
        if not self._all("select version from hub.receipt where batch_id = %s", batch["batch_id"]):
            self._verdict.blame("lost", "receipt", batch["batch_id"])

    # -- tables --------------------------------------------------------------------------------------------------

    def _table(self) -> None:
        due = {
            key: {**held.record, "revision": held.revision, "withdrawn": held.withdrawn, "subject": held.subject}
            for key, held in self._model.table.items()
        }
        fields = ", ".join("amount::text as amount" if name == "amount" else name for name in FIELDS)
        got = {
            row["number"]: row
            for row in self._all(
                f"select {fields}, hub_revision as revision, hub_withdrawn as withdrawn, hub_subject as subject"
                f" from core.{self._feed}",
                None,
            )
        }
        for key in due.keys() | got.keys():
            if due.get(key) != got.get(key):
                kind = "doubled" if key not in due else "lost"
                self._verdict.blame(kind, "row of the table", f"{self._feed} {got.get(key)}, due {due.get(key)}")
        history = Counter(
            (row["hub_key"], row["hub_revision"])
            for row in self._all(f"select hub_key, hub_revision from history.{self._feed}", None)
        )
        for entry in self._model.history - history.keys():
            self._verdict.blame("lost", "revision in history", f"{self._feed} {entry}")
        for entry in history - Counter(self._model.history):
            self._verdict.blame("doubled", "revision in history", f"{self._feed} {entry}")

    # -- events --------------------------------------------------------------------------------------------------

    def _events(self, seen: Seen) -> None:
        verdict = self._verdict
        for event_id in seen.misplaced:
            verdict.blame("out_of_order", "event misplaced", event_id)
        for subject in self._model.events.keys() | seen.events.keys():
            self._stream(subject, self._model.events.get(subject, []), seen.events.get(subject, []))
        letters = Counter(seen.dead)
        verdict.dead += len(letters)
        for event_id in self._model.dead - letters.keys():
            verdict.blame("lost", "dead letter", event_id)
        for event_id in letters - Counter(self._model.dead):
            verdict.blame("doubled", "dead letter", event_id)
        # Said again without the model: the last that readers heard of a key is what the table holds.
        for row in self._all(f"select *, amount::text as amount from core.{self._feed}", None):
            revision, change, record = seen.last.get(row["number"], (0, "", None))
            if f"{self._feed}:{row['number']}:{row['hub_revision']}" in letters:
                continue  # a visible gap
            gone = row["hub_withdrawn"]
            says = record is None if gone else record == {name: row[name] for name in FIELDS}
            if revision != row["hub_revision"] or (change == "withdrawn") != gone or not says:
                verdict.blame(
                    "lost", "last event of a key", f"{self._feed} {row['number']} {revision} {change} {record}"
                )

    def _stream(self, subject: str, due: list[tuple[str, bytes]], seen: list[tuple[str, bytes]]) -> None:
        """What one Kafka key's readers saw, beside what they should have."""
        verdict = self._verdict
        place = {event_id: number for number, (event_id, _) in enumerate(due)}
        digests, met, last = dict(due), set[str](), -1
        for event_id, said in seen:
            verdict.events += 1
            if event_id not in place:
                verdict.blame("doubled", "event never due", f"{subject} {event_id}")
                continue
            if event_id in met:
                verdict.blame("doubled", "event", f"{subject} {event_id}")
                continue
            met.add(event_id)
            if digests[event_id] != said:
                verdict.blame("lost", "event says something else", f"{subject} {event_id}")
            if place[event_id] < last:
                verdict.blame("out_of_order", "event", f"{subject} {event_id}")
            last = max(last, place[event_id])
        for event_id in place.keys() - met:
            verdict.blame("lost", "event", f"{subject} {event_id}")

    def _all(self, query: str, param: str | None = "") -> list[dict[str, Any]]:
        args = None if param is None else [param or self._feed]
        return self._rows.execute(query, args).fetchall()  # type: ignore[arg-type]
