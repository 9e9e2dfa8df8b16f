"""Sums over groups against a naive reading of the same rows."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.checks import explain, groups
from contracts.checks.groups import GroupSumFinder
from contracts.rules import KINDS
from tests.kernels import bounded
from tests.kernels.bounded import ROOMS
from tests.kernels.making import check, contract, rule, spec

Place = tuple[int, int]  # page, position among its good rows
Row = tuple[str | None, int | None, int | None, bool]  # group, part, total, whether the row passed the row checks
BY = {"by": ["voucher"], "parts": ["amount"], "total": "sum"}
TYPES = [pa.decimal128(18, 2), pa.decimal128(30, 2), pa.int64()]


def a_rule(severity: str = "error", **more: object) -> object:
    return rule("adds_up", "group_sum", ["amount", "sum", "voucher"], severity, **{**BY, **more})


def table(rows: list[Row], kind: pa.DataType = TYPES[0], withdrawn: tuple[int, ...] = ()) -> pa.Table:
    def numbers(values: list[int | None]) -> pa.Array:
        if pa.types.is_integer(kind):
            return pa.array(values, kind)
        return pa.array([None if value is None else Decimal(value).scaleb(-2) for value in values], kind)

    return pa.table(
        {
            "voucher": pa.array([row[0] for row in rows], pa.string()),
            "amount": numbers([row[1] for row in rows]),
            "sum": numbers([row[2] for row in rows]),
            "_withdrawn": pa.array([at in withdrawn for at in range(len(rows))], pa.bool_()),
        }
    )


def some_of(rows: pa.Table, names: tuple[str, ...], at: np.ndarray | None) -> pa.Table:
    rows = rows.select(list(names))
    return rows if at is None else rows.take(pa.array(at))


Found = tuple[set[tuple[int, int]], set[tuple[int, int]]]


def stopped(
    pages: list[list[Row]],
    kind: pa.DataType = TYPES[0],
    rejected: object = (),
    repeats: object = (),
    scratch: Any = None,
    **more: object,
) -> Found:
    """(page, position among its good rows) of the rows of broken and of incomplete groups."""
    finder, kept = GroupSumFinder(a_rule(**more), scratch), {}  # type: ignore[arg-type]
    for ordinal in reversed(range(len(pages))):  # the order of feeding must not matter
        kept[ordinal] = table([row for row in pages[ordinal] if row[3]], kind)
        finder.feed(ordinal, kept[ordinal], table([row for row in pages[ordinal] if not row[3]], kind))

    def columns_of(ordinal: int, names: tuple[str, ...], rows: np.ndarray | None) -> pa.Table:
        return some_of(kept[ordinal], names, rows)

    def masks(places: object) -> dict[int, np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for ordinal, at in set(places):  # type: ignore[call-overload]
            found.setdefault(ordinal, np.zeros(kept[ordinal].num_rows, dtype=np.bool_))[at] = True
        return found

    found = finder.finish(columns_of, masks(rejected), masks(repeats))
    again = finder.finish(columns_of, masks(rejected), masks(repeats))
    assert all(
        set(first) == set(second)
        for first, second in ((found.broken, again.broken), (found.incomplete, again.incomplete))
    )
    first, second = (
        {(ordinal, int(at)) for ordinal, mask in one.items() for at in np.flatnonzero(mask)}
        for one in (found.broken, found.incomplete)
    )
    return first, second


def naive(
    pages: list[list[Row]],
    tolerance: int = 0,
    rejected: frozenset[Place] = frozenset(),
    repeats: frozenset[Place] = frozenset(),
) -> Found:
    places, bad = defaultdict(list), set()
    for ordinal, rows in enumerate(pages):
        for at, (voucher, part, total, _) in enumerate(row for row in rows if row[3]):
            if voucher is not None:
                places[voucher].append((ordinal, at, part, total))
                if (ordinal, at) in rejected:
                    bad.add(voucher)
        bad |= {row[0] for row in rows if not row[3]}
    broken, incomplete = set(), set()
    for voucher, rows_of in places.items():
        counted = [row for row in rows_of if row[:2] not in rejected | repeats]
        parts = [part for _, _, part, _ in counted if part is not None]
        totals = {total for *_, total in counted if total is not None}
        there = {(ordinal, at) for ordinal, at, *_ in rows_of} - rejected
        if totals and voucher in bad:
            incomplete |= there
        elif parts and totals and (len(totals) > 1 or abs(sum(parts) - min(totals)) > tolerance):
            broken |= there
    return broken, incomplete


SMALL = st.sampled_from([None, -2, 0, 1, 2, 3])
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d|", "\\|", None]), SMALL, SMALL, st.booleans() | st.just(True)),
    max_size=10,
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[list[Row]], frozenset[Place], frozenset[Place]]:
    """Pages, and which of their good rows are rejected or repeat another."""
    pages = draw(st.lists(ROWS, max_size=4))
    places = [(page, at) for page, rows in enumerate(pages) for at in range(sum(row[3] for row in rows))]
    some = st.frozensets(st.sampled_from(places), max_size=3) if places else st.just(frozenset())
    rejected = draw(st.just(frozenset()) | some)
    return pages, rejected, draw(st.just(frozenset()) | some) - rejected


@given(batches(), st.sampled_from(TYPES), st.sampled_from([0, 1]), ROOMS)
@settings(max_examples=200, deadline=None)
def test_agrees_with_naive(
    batch: tuple[list[list[Row]], frozenset[Place], frozenset[Place]],
    kind: pa.DataType,
    margin: int,
    room: tuple[int, int] | None,
) -> None:
    pages, rejected, repeats = batch
    tolerance = margin if pa.types.is_integer(kind) else str(Decimal(margin).scaleb(-2))
    with bounded.scratch(room) as scratch:
        found = stopped(pages, kind, rejected, repeats, scratch, tolerance=tolerance)
    assert found == naive(pages, margin, rejected, repeats)


@pytest.mark.parametrize("room", [None, (0, 1), (9, 4)])
def test_groups_of_one_hash_are_told_apart(room: tuple[int, int] | None) -> None:
    """Every group gets one of two hashes: what seems wrong together is judged again by its real key."""

    def poor(by: pa.Table, seed: int) -> np.ndarray:
        texts = by.column("voucher").to_pylist()
        if seed == groups._SEEDS[1]:
            return pl.Series(texts, dtype=pl.String).hash().to_numpy()
        return np.array([ord(text[0]) % 2 for text in texts], dtype=np.uint64)

    rows: list[Row] = [(one, part, 10, True) for one in "abcdefgh" for part in (4, 6)]
    rows += [("i", 5, 9, True), ("k", 5, 9, True), ("k", 4, 9, True), ("l", 3, 7, True), ("l", 4, 7, False)]
    with mock.patch.object(groups, "_hashes", poor), bounded.scratch(room) as scratch:
        assert stopped([rows[:9], rows[9:]], scratch=scratch) == naive([rows[:9], rows[9:]])
    assert naive([rows]) == ({(0, 16)}, {(0, 19)})


def test_a_group_over_pages_breaks_as_a_whole() -> None:
    pages: list[list[Row]] = [
        [("v", 300, 600, True), ("w", 5, 5, True)],
        [("v", 200, 600, True)],
        [("v", 99, 600, True)],
    ]
    assert stopped(pages) == ({(0, 0), (1, 0), (2, 0)}, set())
    assert stopped([*pages[:2], [("v", 100, 600, True)]]) == (set(), set())


def test_rows_that_disagree_on_the_total_break_it_whatever_the_tolerance() -> None:
    assert stopped([[("v", 1, 2, True), ("v", 1, 3, True)]], tolerance="9")[0] == {(0, 0), (0, 1)}


def test_sound_rows_wait_for_a_bad_one_of_their_group() -> None:
    """Even where the bad row's amount is nothing and the sum would be right without it."""
    pages: list[list[Row]] = [[("v", 6, 6, True), ("v", 0, 6, False)], [("w", 1, 1, True)]]
    assert stopped(pages) == (set(), {(0, 0)})


def test_a_contested_row_is_not_added_up_and_its_group_waits() -> None:
    pages: list[list[Row]] = [[("v", 4, 6, True), ("v", 2, 6, True)], [("v", 1, 6, True), ("w", 1, 1, True)]]
    assert stopped(pages, rejected={(0, 1), (1, 0)}) == (set(), {(0, 0)})


def test_a_repeat_counts_once_and_shares_its_records_fate() -> None:
    rows: list[Row] = [("v", 4, 6, True), ("v", 2, 6, True), ("v", 2, 6, True)]
    assert stopped([rows], repeats={(0, 2)}) == (set(), set())
    rows = [("v", 4, 7, True), ("v", 2, 7, True), ("v", 2, 7, True)]
    assert stopped([rows], repeats={(0, 2)})[0] == {(0, 0), (0, 1), (0, 2)}


def test_a_withdrawal_is_no_row_of_a_group() -> None:
    finder = GroupSumFinder(a_rule())  # type: ignore[arg-type]
    good = table([("v", 6, 6, True), ("v", 9, 6, True)], withdrawn=(1,))
    finder.feed(0, good, None)
    assert finder.finish(lambda _, names, rows: some_of(good, names, rows), {}, {}) == groups.GroupsFound({}, {})


def test_sums_beyond_64_bits_are_exact() -> None:
    most = 10**18 - 1
    rows: list[Row] = [("v", most, most, True)] * 40
    assert len(stopped([rows])[0]) == 40, "a sum that wraps would be any number"
    wrapped = most * 37 - 2 * 2**64
    assert len(stopped([[("v", most, wrapped, True)] * 37])[0]) == 37
    rows = [("v", 10**27, 40 * 10**27, True)] * 40
    assert stopped([rows], TYPES[1]) == (set(), set())


def test_several_parts_of_different_scale() -> None:
    made = pa.table(
        {
            "voucher": ["v", "v"],
            "tax": pa.array([Decimal("0.125"), None], pa.decimal128(9, 3)),
            "net": pa.array([7, 1], pa.int64()),
            "sum": pa.array([Decimal("8.1250")] * 2, pa.decimal128(12, 4)),
            "_withdrawn": [False, False],
        }
    )
    for total, due in (("8.1250", 0), ("8.1251", 2)):
        made = made.set_column(3, "sum", pa.array([Decimal(total)] * 2, pa.decimal128(12, 4)))
        finder = GroupSumFinder(a_rule(parts=["tax", "net"]))  # type: ignore[arg-type]
        finder.feed(0, made, None)
        found = finder.finish(lambda _, names, rows, made=made: some_of(made, names, rows), {}, {})  # type: ignore[misc]
        assert sum(int(mask.sum()) for mask in found.broken.values()) == due


def test_pages_are_asked_again_only_where_a_group_seems_wrong() -> None:
    finder = GroupSumFinder(a_rule())  # type: ignore[arg-type]
    finder.feed(0, table([("v", 4, 6, True), ("v", 2, 6, True), ("w", 1, 1, True)]), None)

    def never(ordinal: int, *_: object) -> pa.Table:
        raise AssertionError(ordinal)

    assert finder.finish(never, {}, {}) == groups.GroupsFound({}, {})


def test_memory_stays_at_24_bytes_a_row() -> None:
    finder = GroupSumFinder(a_rule())  # type: ignore[arg-type]
    count = 100_000
    finder.feed(0, table([(f"v{at}", at, at, True) for at in range(count)]), None)
    assert finder._rows._pages[0].nbytes / count == 24


@pytest.mark.parametrize("same", [False, True], ids=["all groups differ", "one group"])
def test_what_is_kept_is_bounded_however_many_rows_come(same: bool) -> None:
    """Good rows and those left out alike: in memory no more than the bound, on the disk in parts that are small beside the whole."""
    pages, size = 30, 1_000
    with bounded.scratch((4_000, 1_000)) as scratch:
        finder = GroupSumFinder(a_rule(), scratch)  # type: ignore[arg-type]
        for page in range(pages):
            rows = table([("v" if same else f"v{page} {at}", 1, 1, True) for at in range(size)])
            finder.feed(page, rows, rows)
            assert max(finder._rows._rows, finder._left_out._rows) <= 4_000
        for kept in (finder._rows, finder._left_out):
            kept.spill()
            parts = [part.num_rows for part in kept.parts()]
            assert sum(parts) == (1 if same else pages * size)
            assert max(parts) < pages * size / 2


FIELDS = [
    spec("id", label_zh="编号"),
    spec("voucher", label_zh="凭证号"),
    spec("amount", "decimal", label_zh="金额", precision=18, scale=2),
    spec("sum", "decimal", label_zh="凭证金额", precision=18, scale=2),
    spec("day", "date"),
    spec("huge", "decimal", precision=38, scale=20),
]


def test_the_checker_says_which_groups_lack_a_row() -> None:
    made = contract(FIELDS, rules=[a_rule(), rule("amount.required", "required", ["amount"])])  # type: ignore[list-item]
    checked = check(made, {"id": ["1", "2"], "voucher": ["v", "w"], "amount": ["1.00", None], "sum": ["1.00", "1.00"]})
    assert checked.left_out is not None and checked.left_out.to_pydict() == {"voucher": ["w"]}
    assert check(contract(FIELDS), {"id": ["1"]}).left_out is None


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"by": []}, "a list of fields is due"),
        ({"by": ["voucher", "voucher"]}, "each once"),
        ({"by": ["nothing"]}, "no field 'nothing'"),
        ({"parts": ["day"]}, "the field day is date"),
        ({"total": "voucher"}, "the field voucher is string"),
        ({"parts": ["amount", "sum"]}, "one of its own parts"),
        ({"by": ["voucher", "amount"]}, "can't make the group"),
        ({"tolerance": "-1"}, "not below 0"),
        ({"parts": ["huge"], "total": "sum"}, None),
        ({"more": 1}, "no argument 'more'"),
        ({}, None),
    ],
)
def test_what_lint_says_of_its_use(args: dict[str, object], reason: str | None) -> None:
    found = KINDS["group_sum"].problems({**BY, **args}, [], {one.name: one for one in FIELDS})
    assert (found == []) if reason is None else any(reason in text for text in found), found
    assert KINDS["group_sum"].problems(BY, [FIELDS[1]], {one.name: one for one in FIELDS}), "it stands on no field"


def test_it_explains_itself() -> None:
    made = contract(FIELDS, rules=[a_rule()])  # type: ignore[list-item]
    assert explain(made, "adds_up", "zh").sentence == "凭证号相同的各行，其金额之和须等于各行所载的凭证金额"
    assert "amount of the rows that share voucher" in explain(made, "adds_up", "en").sentence
    waiting = explain(made, "adds_up.incomplete", "zh")
    assert (waiting.sentence, waiting.severity) == ("凭证号相同的另一行已被隔离，无法核对该组合计（adds_up）", "error")
    assert "replay all rows of the group together" in explain(made, "adds_up.incomplete").remedy
