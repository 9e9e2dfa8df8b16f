"""The duplicates finder against a naive reading of the same rows."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checks import duplicates
from contracts.checks.duplicates import DuplicateFinder, UniqueFinder
from tests.kernels.making import rule

Row = tuple[str, str]  # key, content


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def feed(pages: list[list[Row]]) -> tuple[DuplicateFinder, dict[int, pa.Array]]:
    finder, keys = DuplicateFinder(), {}
    for ordinal in reversed(range(len(pages))):  # the order of feeding must not matter
        keys[ordinal] = pa.array([key for key, _ in pages[ordinal]], pa.string())
        finder.feed(ordinal, keys[ordinal], pa.array([digest(text) for _, text in pages[ordinal]], pa.binary(32)))
    return finder, keys


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


@given(st.lists(ROWS, max_size=5))
@settings(max_examples=80, deadline=None)
def test_agrees_with_naive(pages: list[list[Row]]) -> None:
    finder, keys = feed(pages)
    found = finder.finish(keys.__getitem__)
    assert (marked(found.identical), marked(found.conflicting)) == naive(pages)
    assert found.identical_rows == len(naive(pages)[0])
    assert found.conflicting_rows == len(naive(pages)[1])


@given(st.lists(ROWS, max_size=5))
@settings(max_examples=80, deadline=None)
def test_keys_of_one_hash_are_told_apart(pages: list[list[Row]]) -> None:
    """Every key gets one of two hashes, so that most groups are collisions."""

    def poor(texts: pa.StringArray) -> np.ndarray:
        return np.array([ord(text[0]) % 2 for text in texts.to_pylist()], dtype=np.uint64)

    with mock.patch.object(duplicates, "_hash64", poor):
        finder, keys = feed(pages)
        found = finder.finish(keys.__getitem__)
    assert (marked(found.identical), marked(found.conflicting)) == naive(pages)


def test_keys_are_asked_for_only_where_one_may_stand_twice() -> None:
    finder, _ = feed([[("a", "1"), ("b", "1")], [("c", "1")]])

    def never(ordinal: int) -> pa.Array:
        raise AssertionError(ordinal)

    assert finder.finish(never) == duplicates.Duplicates({}, {})


def test_memory_stays_near_24_bytes_a_row() -> None:
    finder = DuplicateFinder()
    count = 200_000
    keys = pa.array([f"key {number}" for number in range(count)])
    finder.feed(0, keys, _hashes(count))
    page = finder._pages[0]
    assert (page.keys.nbytes + page.contents.nbytes) / count == 24


def _hashes(count: int) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), count, [None, pa.py_buffer(np.random.default_rng(1).bytes(32 * count))]
    )


def good(rows: list[tuple[str, str | None]]) -> pa.Table:
    return pa.table(
        {
            "doc_no": pa.array([value for _, value in rows], pa.string()),
            "_key": pa.array([key for key, _ in rows], pa.string()),
            "_hash": pa.array([digest(f"{key}/{value}") for key, value in rows], pa.binary(32)),
        }
    )


def test_unique_field_over_pages() -> None:
    pages = [good([("a", "1"), ("b", None), ("c", "2")]), good([("d", "1"), ("e", None), ("f", "3")])]
    finder = UniqueFinder(rule("doc_no.unique", "unique", ["doc_no"]))
    for ordinal, page in enumerate(pages):
        finder.feed(ordinal, page)
    assert marked(finder.finish(pages.__getitem__)) == {(0, 0), (1, 0)}


def test_a_record_that_repeats_exactly_does_not_break_unique() -> None:
    page = good([("a", "1"), ("a", "1"), ("b", "2")])
    finder = UniqueFinder(rule("doc_no.unique", "unique", ["doc_no"]))
    finder.feed(0, page)
    assert not finder.finish(lambda _: page)
