"""The agency of the crash test: drops small deliveries without end and keeps a journal of what it dropped.

The journal is the beginning of every proof: what is written there must be accounted for. A delivery is journalled before
its file appears. Files are removed once the hub has settled them, as an agency clears its folder.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.crash.feeds import BALANCES, ENTRIES, FIELDS, FREQUENTS, VOID

Row = dict[str, str]
AHEAD = 3
"""Deliveries of a feed that may wait at a time."""
LETTERS = "bcdfghjkmnpqrstvwxyz"


class Book:
    """What one feed's agency knows, and the deliveries it makes of it."""

    def __init__(self, feed: str, chance: random.Random) -> None:
        self.feed = feed
        self._chance = chance
        self._truth: dict[str, Row] = {}
        self._fresh = 0
        self._broken = 0
        self._sent: list[bytes] = []

    def next(self) -> tuple[str, list[Row], bytes]:
        """(kind, rows, bytes) of the next delivery; kind is `rows` or `unreadable`."""
        chance, dice = self._chance, self._chance.random()
        if dice < 0.04:
            self._broken += 1
            return "unreadable", [], b"number,payee,payee\nK%d,P1,P2\n" % self._broken
        if dice < 0.10 and self._sent:
            content = self._sent[-1]  # the same again
        elif dice < 0.18 and len(self._sent) > 2:
            content = self._sent[-chance.choice((2, 3))]  # from A to B and back to A
        else:
            content = written(list(self._balances() if self.feed == BALANCES else self._entries()))
        self._sent = [*self._sent[-4:], content]
        return "rows", read(content), content

    def _entries(self) -> Iterator[Row]:
        chance, rows = self._chance, list[Row]()
        for _ in range(chance.choice((0, 1, 2, 5, 12, 30, 60))):
            dice = chance.random()
            if rows and dice < 0.04:
                row = dict(chance.choice(rows))  # identical duplicate
            elif rows and dice < 0.07:
                row = dict(chance.choice(rows), amount=self._amount())  # contradicts a row
            else:
                row = self._entry({one["number"] for one in rows})
                if rows and dice < 0.10:
                    row["ticket"] = chance.choice(rows)["ticket"]  # a ticket that another row has
            rows.append(row)
        return iter(rows)

    def _entry(self, used: set[str]) -> Row:
        chance, dice = self._chance, self._chance.random()
        number = f"K{chance.randrange(60):02d}"
        if number in used or dice < 0.15:
            self._fresh += 1
            number = f"N{self._fresh:07d}"
        before = self._truth.get(number)
        row = self._row(number, version=str(int(before["version"]) + 1 if before else 1))
        if before is not None and dice > 0.85:
            return dict(before)  # nothing new
        if before is not None and dice > 0.78:
            return {**row, "version": str(max(0, int(before["version"]) - 1))}  # older than what was said
        if dice > 0.72:
            row["status"] = VOID
        if dice < 0.20:
            return self._spoilt(row)
        self._truth[number] = row
        return row

    def _balances(self) -> Iterator[Row]:
        chance = self._chance
        for _ in range(chance.choice((0, 1, 4, 10))):
            number = f"B{chance.randrange(45):02d}"
            if chance.random() < 0.3:
                self._truth.pop(number, None)
            else:
                self._truth[number] = self._row(number, version="")
                if chance.random() < 0.05:
                    # Too large for its topic, and of letters that no compression makes fit.
                    self._truth[number]["note"] = "".join(chance.choices(LETTERS, k=250_000))
        for row in self._truth.values():
            yield self._spoilt(dict(row)) if chance.random() < 0.01 else row

    def _row(self, number: str, version: str) -> Row:
        chance = self._chance
        return {
            "number": number,
            "payee": f"P{chance.randrange(12):02d}",
            "amount": self._amount(),
            "version": version,
            "status": "",
            "ticket": f"T{chance.randrange(1 << 40):010x}",
            "note": chance.choice(("", " as agreed ", "second half")),
        }

    def _spoilt(self, row: Row) -> Row:
        """A row that breaks a rule, or that the gate refuses."""
        wrong: list[dict[str, str]] = [
            {"amount": "-" + row["amount"]},
            {"amount": "-" + row["amount"], "payee": ""},
            {"amount": "much"},
            {"payee": ""},
            {"note": "秘密"},
            {"number": ""},
        ]
        return {**row, **self._chance.choice([wrong[0], *wrong])}

    def _amount(self) -> str:
        return self._chance.choice(("{:.2f}", "{:.1f}", "{:.0f}")).format(self._chance.randrange(1, 9_000) / 4)


def written(rows: list[Row]) -> bytes:
    """Rows as the bytes of a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(content: bytes) -> list[Row]:
    """The rows of such bytes."""
    csv.field_size_limit(1 << 20)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


class Agency:
    """Drops deliveries of all feeds until told to stop."""

    def __init__(self, folder: Path, dsn: str, seed: int) -> None:
        self._folder = folder
        self._dsn = dsn
        self._books = {feed: Book(feed, random.Random(f"{seed}{feed}")) for feed in (ENTRIES, BALANCES, FREQUENTS)}
        self._chance = random.Random(seed)
        self._waiting: dict[str, list[str]] = {feed: [] for feed in self._books}
        self._count = 0
        self._last_ns = 0
        self._conn: psycopg.Connection[Any] | None = None

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until `stopped` says so."""
        while not stopped():
            for feed in self._books:
                self._clear(feed)
                while len(self._waiting[feed]) < AHEAD and not stopped():
                    self._drop(feed)
            self._ring()
            time.sleep(self._chance.uniform(0.02, 0.1))

    def _drop(self, feed: str) -> None:
        self._count += 1
        name = f"{self._count:06d}.csv"
        kind, rows, content = self._books[feed].next()
        place = self._folder / feed
        hidden = place / f".{name}.tmp"
        hidden.write_bytes(content)
        # Written later than the one before, as the clock alone can't promise.
        self._last_ns = max(time.time_ns(), self._last_ns + 1_000)
        os.utime(hidden, ns=(self._last_ns, self._last_ns))
        entry = {"name": name, "kind": kind, "sha256": hashlib.sha256(content).hexdigest(), "rows": rows}
        with (self._folder / f"{feed}.jsonl").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")
        hidden.rename(place / name)
        self._waiting[feed].append(name)

    def _ring(self) -> None:
        """Says again and again that the worker's feed is due: it has no schedule, and would wait a while after a failure."""
        rung = (
            "with rung as (update hub.feed_turn set due_at = clock_timestamp() where feed = %s"
            " and (due_at is null or due_at > clock_timestamp()) returning feed)"
            " select max(pg_notify('hub_turn', feed)::text) from rung"
        )
        self._ask(rung, FREQUENTS)

    def _clear(self, feed: str) -> None:
        """Removes files up to the newest that the hub has settled: it takes them in the order they were written."""
        settled = self._ask(
            "select max(delivery) from hub.batch where feed = %s and state in ('loaded', 'refused')", feed
        )
        for name in [name for name in self._waiting[feed] if name <= settled]:
            (self._folder / feed / name).unlink()
            self._waiting[feed].remove(name)

    def _ask(self, query: str, feed: str) -> str:
        """What the database answers; nothing while it is away."""
        try:
            self._conn = self._conn or psycopg.connect(self._dsn, autocommit=True)
            return (self._conn.execute(query, [feed]).fetchone() or ("",))[0] or ""
        except psycopg.OperationalError:
            self._conn = None
            return ""
