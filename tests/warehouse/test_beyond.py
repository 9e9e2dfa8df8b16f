"""Loads into a restored table, of which subscribers know more: every id keeps its content, and all agree in the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.feeds import contract
from warehouse.loading import beyond, merge

CONTRACT = contract(source_version=None)


class Said(NamedTuple):
    """A row of a delivery: a record's content and subject; no content withdraws it."""

    key: str
    content: str | None
    subject: str = "S"


class Event(NamedTuple):
    """What goes on the topic. The id is (key, revision)."""

    key: str
    revision: int
    change: str
    content: str | None
    subject: str


@dataclass
class Table:
    """The feed's table, as `merge.against` is told of it: key -> (revision, content, subject, withdrawn)."""

    rows: dict[str, tuple[int, str, str, bool]] = field(default_factory=dict)

    def state(self) -> pa.Table:
        made = [
            {
                "key": key,
                "revision": revision,
                "hash": digest(content).hex(),
                "subject": subject,
                "version": None,
                "withdrawn": withdrawn,
                "order_no": 1,
                "emptied": False,
            }
            for key, (revision, content, subject, withdrawn) in self.rows.items()
        ]
        return pa.Table.from_pylist(made, merge._STATE)

    def load(self, delivery: list[Said], lost: beyond.Lost | None) -> list[Event]:
        page = pa.table(
            {
                "_key": pa.array([row.key for row in delivery], pa.string()),
                "_subject": pa.array([row.subject for row in delivery], pa.string()),
                "_hash": pa.array([digest(row.content) for row in delivery], pa.binary(32)),
                "_version": pa.nulls(len(delivery), pa.string()),
                "_withdrawn": pa.array([row.content is None for row in delivery], pa.bool_()),
                "content": pa.array([row.content for row in delivery], pa.string()),
            }
        )
        merged = merge.against(self.state(), CONTRACT, page, lost=lost)
        events = []
        for row in merged.load.to_pylist():
            key, revision, content = row["_key"], row["_revision"], row["content"]
            assert row["_existed"] == (key in self.rows)
            if row["_moved"]:
                events.append(Event(key, revision - 1, "moved", None, row["_old_subject"]))
            events.append(Event(key, revision, row["_change"], content, row["_subject"]))
            withdrawn = row["_change"] == "withdrawn"
            held = self.rows[key][1] if withdrawn and key in self.rows else content or ""
            self.rows[key] = (revision, held, row["_subject"], withdrawn)
        return events


def digest(content: str | None) -> bytes:
    return hashlib.sha256((content or "").encode()).digest()


def lost_of(events: list[Event], *, settled: bool = False) -> beyond.Lost | None:
    """As `hub.lost_event` holds them."""
    if not events:
        return None
    rows = [
        {
            "key": event.key,
            "revision": event.revision,
            "change": event.change,
            "hash": digest(event.content).hex(),
            "subject": event.subject,
            "settled": settled,
        }
        for event in sorted(events, key=lambda event: (event.key, event.revision))
    ]
    return beyond.made(pa.Table.from_pylist(rows, beyond._EVENTS))


class Subscriber:
    """Keeps what it was told last of each record, and drops ids that it knows."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], tuple[str | None, str]] = {}
        self.now: dict[str, dict[str, str]] = {}

    def take(self, events: list[Event]) -> None:
        for event in events:
            known = self.known.get((event.key, event.revision))
            if known is not None:
                assert known == (event.content, event.subject), "an id was given to other content"
                continue
            assert event.revision == 1 or (event.key, event.revision - 1) in self.known, "a gap"
            self.known[event.key, event.revision] = (event.content, event.subject)
            of_subject = self.now.setdefault(event.subject, {})
            if event.content is None:
                of_subject.pop(event.key, None)
            else:
                of_subject[event.key] = event.content

    def records(self) -> dict[tuple[str, str], str]:
        return {(subject, key): held for subject, rows in self.now.items() for key, held in rows.items()}


def deliveries(most: int) -> st.SearchStrategy[list[list[Said]]]:
    row = st.builds(Said, st.sampled_from("ab"), st.sampled_from(["1", "2", "3", None]), st.sampled_from(["S", "T"]))
    return st.lists(st.lists(row, max_size=2, unique_by=lambda said: said.key), max_size=most)


@settings(deadline=None)
@given(deliveries(3), deliveries(4))
@example([[Said("a", "1")]], [[Said("a", "2")], [Said("a", "1")], [Said("a", "2", "T")]])
@example([], [[Said("a", "1")], [Said("a", None)], [Said("a", "1")]])
def test_deliveries_that_come_again_in_order_get_the_ids_they_had(
    before: list[list[Said]], after: list[list[Said]]
) -> None:
    table, subscriber = Table(), Subscriber()
    for delivery in before:
        subscriber.take(table.load(delivery, None))
    backup, lost = Table(dict(table.rows)), list[Event]()
    for delivery in after:
        lost += table.load(delivery, None)
    subscriber.take(lost)
    again = list[Event]()
    for delivery in after:
        again += backup.load(delivery, lost_of(lost))
    assert again == lost and backup.rows == table.rows


@settings(deadline=None)
@given(deliveries(3), deliveries(4), deliveries(4), deliveries(3))
@example([[Said("a", "1")]], [[Said("a", "2")]], [[Said("a", "1")]], [])
@example([[Said("a", "1")]], [[Said("a", "2", "T")]], [[Said("a", "3")]], [])
@example([], [[Said("a", "1")]], [[Said("a", None)]], [])
@example([], [[Said("a", "1")], [Said("a", "2")], [Said("a", "3")]], [[Said("a", "2")], [Said("a", "4")]], [])
@example([[Said("a", "1")]], [[Said("a", "2")], [Said("a", "3")]], [], [[Said("a", "2")]])
@example([[Said("a", "1")]], [[Said("a", None)], [Said("a", "3")]], [], [[Said("a", None)]])
@example([[Said("a", "1", "T")]], [[Said("a", "1", "S")], [Said("a", None, "S")]], [], [])
def test_whatever_comes_instead_no_id_gets_other_content_and_all_agree_in_the_end(
    before: list[list[Said]], after: list[list[Said]], instead: list[list[Said]], settled: list[list[Said]]
) -> None:
    table, subscriber = Table(), Subscriber()
    for delivery in before:
        subscriber.take(table.load(delivery, None))
    restored, lost = Table(dict(table.rows)), list[Event]()
    for delivery in after:
        lost += table.load(delivery, None)
    subscriber.take(lost)
    for delivery in instead:
        subscriber.take(restored.load(delivery, lost_of(lost)))
    # Once the lane is settled, the sources' next word of every record brings all to agree.
    for delivery in settled:
        subscriber.take(restored.load(delivery, lost_of(lost, settled=True)))
        for said in delivery:
            assert {key: held for (_, key), held in subscriber.records().items()}.get(said.key) == said.content
    last = {said.key: said for delivery in [*before, *after, *instead, *settled] for said in delivery}
    for said in last.values():
        subscriber.take(restored.load([said], lost_of(lost, settled=True)))
    held = {(row[2], key): row[1] for key, row in restored.rows.items() if not row[3]}
    assert subscriber.records() == held
    assert held == {(said.subject, said.key): said.content for said in last.values() if said.content is not None}
    # And the next is an ordinary revision again.
    for said in last.values():
        subscriber.take(restored.load([said._replace(content="9", subject="U")], lost_of(lost, settled=True)))
    assert set(subscriber.records()) == {("U", key) for key in last}
