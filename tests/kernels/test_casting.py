"""Casting texts that may be wrong: exact, and quick however many are wrong."""

from __future__ import annotations

import time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.normalise.casting import cast_or_null

DIGITS = st.text("0123456789", max_size=25)
TEXTS = st.one_of(
    st.builds(lambda sign, whole, point, rest: f"{sign}{whole}{point}{rest}",
              st.sampled_from(["", "+", "-", "--"]), DIGITS, st.sampled_from(["", "."]), DIGITS),
    st.sampled_from(["", ".", "-", "1e3", "1.5E-1", "1E40", "1-2", "0.10", "000000000000000000000000001.50", "1.230", "x"]),
    st.none(),
)  # fmt: skip


def one_by_one(values: pa.Array, target: pa.DataType) -> list[object]:
    found: list[object] = []
    for number in range(len(values)):
        try:
            found.append(values.slice(number, 1).cast(target)[0].as_py())
        except pa.ArrowInvalid:
            found.append(None)
    return found


@given(st.lists(TEXTS, max_size=30), st.sampled_from([(18, 2), (5, 0), (38, 6), (4, 4)]))
def test_decimals_are_those_that_fit_one_by_one(texts: list[str | None], shape: tuple[int, int]) -> None:
    values, target = pa.array(texts, pa.string()), pa.decimal128(*shape)
    assert cast_or_null(values, target).to_pylist() == one_by_one(values, target)


@given(st.lists(TEXTS, max_size=30))
def test_integers_are_those_that_fit_one_by_one(texts: list[str | None]) -> None:
    values = pa.array(texts, pa.string())
    assert cast_or_null(values, pa.int64()).to_pylist() == one_by_one(values, pa.int64())


@given(
    st.lists(st.one_of(st.none(), st.decimals("-1e20", "1e20", places=4, allow_nan=False)), max_size=20),
    st.sampled_from([pa.int64(), pa.decimal128(12, 2), pa.decimal128(38, 6)]),
)
def test_decimals_into_narrower_types(numbers: list[Decimal | None], target: pa.DataType) -> None:
    values = pa.array(numbers, pa.decimal128(38, 4))
    assert cast_or_null(values, target).to_pylist() == one_by_one(values, target)


@pytest.mark.parametrize(
    ("text", "target"),
    [("1234.567", pa.decimal128(18, 2)), ("12345678901234567890.5", pa.decimal128(18, 2)), ("1-2", pa.int64())],
)
def test_a_column_that_is_wrong_throughout_is_told_at_once(text: str, target: pa.DataType) -> None:
    size = 200_000
    wrong, sound = pa.array([text, "7"] * (size // 2)), pa.array(["7"] * size)
    started = time.perf_counter()
    cast_or_null(sound, target)
    quick = time.perf_counter() - started
    started = time.perf_counter()
    found = cast_or_null(wrong, target)
    assert time.perf_counter() - started < 30 * quick + 0.2
    assert found.null_count == size // 2


def test_units_that_leave_parts_throughout_are_told_at_once() -> None:
    values = pa.array([Decimal("1.5"), Decimal("2.0")] * 100_000, pa.decimal128(38, 1))
    started = time.perf_counter()
    assert cast_or_null(values, pa.int64()).null_count == 100_000
    assert time.perf_counter() - started < 1
