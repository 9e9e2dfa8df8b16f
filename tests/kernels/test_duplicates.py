"""The duplicates finder against a naive reading of the same rows."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checks import duplicates
from contracts.checks.duplicates import DuplicateFinder, RowsOf, UniqueFinder
from tests.kernels import bounded
from tests.kernels.bounded import ROOMS
from tests.kernels.making import rule

Row = tuple[str, str]  # key, content


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def feed(pages: list[list[Row]], scratch: Any = None) -> tuple[DuplicateFinder, RowsOf]:
    finder, rows = DuplicateFinder(scratch), {}
    for ordinal in reversed(range(len(pages))):  # the order of feeding must not matter
        keys = pa.array([key for key, _ in pages[ordinal]], pa.string())
        rows[ordinal] = keys, pa.array([digest(text) for _, text in pages[ordinal]], pa.binary(32))
        finder.feed(ordinal, keys)
    return finder, rows.__getitem__


def naive(pages: list[list[Row]]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    places = defaultdict(list)
    for ordinal, rows in enumerate(pages):
        for at, (key, text) in enumerate(rows):
            places[key].append((ordinal, at, text))
    identical, conflicting = set(), set()
    for rows_of_key in places.values():
        if len({text for _, _, text in rows_of_key}) > 1:
            conflicting |= {(ordinal, at) for ordinal, at, _ in rows_of_key}
        else:
            identical |= {(ordinal, at) for ordinal, at, _ in rows_of_key[1:]}
    return identical, conflicting


def marked(masks: object) -> set[tuple[int, int]]:
    return {(ordinal, int(at)) for ordinal, mask in dict(masks).items() for at in np.flatnonzero(mask)}  # type: ignore[call-overload]


ROWS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), max_size=12)


@given(st.lists(ROWS, max_size=5), ROOMS)
@settings(max_examples=120, deadline=None)
def test_agrees_with_naive(pages: list[list[Row]], room: tuple[int, int] | None) -> None:
    with bounded.scratch(room) as scratch:
        finder, rows_of = feed(pages, scratch)
        found = finder.finish(rows_of)
    assert (marked(found.identical), marked(found.conflicting)) == naive(pages)
    assert found.identical_rows == len(naive(pages)[0])
    assert found.conflicting_rows == len(naive(pages)[1])


@given(st.lists(ROWS, max_size=5), ROOMS)
@settings(max_examples=120, deadline=None)
def test_keys_of_one_hash_are_told_apart(pages: list[list[Row]], room: tuple[int, int] | None) -> None:
    """Every key gets one of two hashes, so that most groups are collisions."""

    def poor(texts: pa.StringArray) -> np.ndarray:
        return np.array([ord(text[0]) % 2 for text in texts.to_pylist()], dtype=np.uint64)

    with mock.patch.object(duplicates, "_hash64", poor), bounded.scratch(room) as scratch:
        finder, rows_of = feed(pages, scratch)
        found = finder.finish(rows_of)
    assert (marked(found.identical), marked(found.conflicting)) == naive(pages)


def test_pages_are_asked_again_only_where_a_key_may_stand_twice() -> None:
    finder, rows_of = feed([[("a", "1"), ("b", "1")], [("c", "1")], [("c", "2")]])
    asked = []

    def noted(ordinal: int) -> tuple[pa.StringArray, pa.Array]:
        asked.append(ordinal)
        return rows_of(ordinal)

    assert marked(finder.finish(noted).conflicting) == {(1, 0), (2, 0)}
    assert asked == [1, 2]
    finder, _ = feed([[("a", "1"), ("b", "1")], [("c", "1")]])
    assert finder.finish(noted) == duplicates.Duplicates({}, {}) and asked == [1, 2]


@pytest.mark.parametrize("same", [False, True], ids=["all keys differ", "one key in every row"])
def test_what_is_kept_is_bounded_however_many_rows_come(same: bool) -> None:
    """In memory no more than the bound; on the disk 8 bytes a row, in parts that are small beside the whole."""
    pages, size = 60, 1_000
    keys = pa.array(["key"] * size) if same else None
    with bounded.scratch((4_000, 1_000)) as scratch:
        finder = DuplicateFinder(scratch)
        for ordinal in range(pages):
            finder.feed(ordinal, pa.array([f"key {ordinal} {row}" for row in range(size)]) if keys is None else keys)
            assert finder._kept._rows <= 4_000
        parts = [part.num_rows for part in finder._kept.parts()]
    assert sum(parts) <= (2 * pages if same else pages * size)
    assert max(parts) < pages * size / 2


def good(rows: list[tuple[str, str | None]]) -> pa.Table:
    return pa.table(
        {
            "doc_no": pa.array([value for _, value in rows], pa.string()),
            "_key": pa.array([key for key, _ in rows], pa.string()),
            "_hash": pa.array([digest(f"{key}/{value}") for key, value in rows], pa.binary(32)),
        }
    )


VALUES = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3", None])), max_size=10)


@given(st.lists(VALUES, max_size=4), ROOMS)
@settings(max_examples=80, deadline=None)
def test_unique_field_over_pages(pages: list[list[tuple[str, str | None]]], room: tuple[int, int] | None) -> None:
    """Rows of different records that share a value; a row without one is like no other."""
    rows = [(value, key, (page, at)) for page, some in enumerate(pages) for at, (key, value) in enumerate(some)]
    records = defaultdict(set)
    for value, key, _ in rows:
        records[value].add(key)
    tables = [good(page) for page in pages]
    with bounded.scratch(room) as scratch:
        finder = UniqueFinder(rule("doc_no.unique", "unique", ["doc_no"]), scratch)
        for ordinal, page in enumerate(tables):
            finder.feed(ordinal, page)
        found = marked(finder.finish(lambda page: tables[page].select(finder.needs)))
    assert found == {place for value, _, place in rows if value is not None and len(records[value]) > 1}


def test_a_record_that_repeats_exactly_does_not_break_unique() -> None:
    page = good([("a", "1"), ("a", "1"), ("b", "2")])
    finder = UniqueFinder(rule("doc_no.unique", "unique", ["doc_no"]))
    finder.feed(0, page)
    assert not finder.finish(lambda _: page)
