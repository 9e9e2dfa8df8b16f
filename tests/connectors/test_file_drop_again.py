"""The drop folder: what was taken before is not given again, and what says something anew is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connectors.base import Window
from tests.connectors.dropped import CSV, names, put
from tests.connectors.making import Remembered, contract, folder, opened, read


def test_what_is_known_is_not_given_again(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=1)
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0})
    (first,) = opened(spec, folder(tmp_path)).deliveries(Window())
    rows, _, _ = read(first)
    assert rows == [{"_row": 1, "_line": 2, "_unit": "a.csv", "id": "1", "name": "a", "amount": "2"}]
    assert first.sha256 == hashlib.sha256(CSV).hexdigest()
    assert first.size == len(CSV)
    before = Remembered()
    before.take(first)
    taken = Window(taken=before, cursor=first.cursor_after)
    assert names(tmp_path, taken) == []
    assert names(tmp_path, replace(taken, cursor=None)) == [], "the cursor saves work, it decides nothing"
    put(tmp_path / "a.csv", mtime=5)
    assert names(tmp_path, taken) == [], "touched"
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    put(tmp_path / "b.csv", mtime=1)
    assert names(tmp_path, taken) == [], "moved"
    put(tmp_path / "copy.csv", mtime=3)
    assert names(tmp_path, taken) == [], "a copy that says what the latest delivery said"
    assert names(tmp_path, replace(taken, taken=replace(before, last="0@0"))) == ["copy.csv"], (
        "the same bytes after something else came"
    )
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=2)
    assert names(tmp_path, taken) == ["b.csv"]


def test_a_feed_that_goes_back_to_what_it_said_gives_a_delivery_each_time(tmp_path: Path) -> None:
    a, b = CSV, CSV + b"2,b,3\n"
    given = visits(tmp_path)
    for at, content in enumerate((a, b, a, a, b), start=1):  # under new names
        put(tmp_path / f"{at}.csv", content, mtime=at)
    assert given() == ["1.csv", "2.csv", "3.csv", "5.csv"], "the fourth says what the third said"
    assert given() == []
    for at, content in enumerate((a, b, a), start=10):  # under one name
        put(tmp_path / "5.csv", content, mtime=at)
        assert given() == ["5.csv"]
        assert given() == []
    put(tmp_path / "5.csv", b, mtime=11)
    assert given() == ["5.csv"], "also when the file is put back with its old time"


def visits(root: Path) -> Callable[[], list[str]]:
    """Takes what waits, and remembers it as the hub would."""
    connector = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(root))
    before, cursor = Remembered(), None

    def given() -> list[str]:
        nonlocal cursor
        found = []
        for delivery in connector.deliveries(Window(taken=before, cursor=cursor)):
            read(delivery)
            found.append(delivery.name)
            before.take(delivery)
            cursor = delivery.cursor_after
        return found

    return given


def test_other_content_of_the_same_size_and_time_is_a_new_delivery(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "a.csv", CSV.replace(b"2", b"3"), mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "new", CSV.replace(b"2", b"4"), mtime=1).replace(tmp_path / "a.csv")
    assert given() == ["a.csv"], "also one that was written elsewhere and moved over it"
    assert given() == []


def test_a_copy_beside_its_original_says_it_anew_a_moved_file_does_not(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=2)
    assert given() == ["b.csv"]
    (tmp_path / "a.csv").rename(tmp_path / "moved.csv")
    assert given() == []
    (tmp_path / "moved.csv").rename(tmp_path / "a.csv")
    time.sleep(0.02)  # file systems tell times in steps of the kernel's clock
    put(tmp_path / "c.csv", mtime=1)
    assert given() == ["c.csv"]
    assert given() == []


def test_a_copy_that_lay_there_all_the_time_says_nothing_anew(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=2)
    put(tmp_path / "copy.csv", mtime=2)
    assert given() == ["a.csv"]
    time.sleep(0.02)
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=1)
    assert given() == ["b.csv"]
    assert given() == []


def test_the_cursor_saves_hashing_and_never_hides_a_file_that_was_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=1)
    put(tmp_path / "b.csv", CSV + b"9,z,9\n", mtime=2)
    connector = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(tmp_path))
    a, b = connector.deliveries(Window())
    read(a)
    read(b)
    assert b.cursor_after is not None and set(b.cursor_after["files"]) == {"a.csv", "b.csv"}
    assert json.loads(json.dumps(b.cursor_after)) == b.cursor_after
    # b was read but never loaded: its hash is not among the known ones.
    assert names(tmp_path, Window(taken=Remembered({str(a.appearance)}), cursor=b.cursor_after)) == ["b.csv"]


def test_a_backfill_takes_an_interval_again_and_moves_no_cursor(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp())
    put(tmp_path / "b.csv", mtime=datetime(2024, 3, 2, 12, tzinfo=UTC).timestamp())
    window = Window(
        interval_start=datetime(2024, 3, 1, tzinfo=UTC),
        interval_end=datetime(2024, 3, 2, tzinfo=UTC),
        taken=Remembered({f"{hashlib.sha256(CSV).hexdigest()}@{(tmp_path / 'a.csv').stat().st_mtime_ns}"}),
    )
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0})
    (delivery,) = opened(spec, folder(tmp_path)).deliveries(window)
    read(delivery)
    assert (delivery.name, delivery.cursor_after) == ("a.csv", None)
