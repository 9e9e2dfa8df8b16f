from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import dates
from contracts.normalise import FORMS, STEPS, UNITS, form_problems
from contracts.normalise.booleans import parse_booleans
from contracts.normalise.numbers import parse_numbers
from contracts.normalise.text import STEP_KERNELS, half_width_text
from contracts.normalise.times import INSTANT, parse_dates, parse_timestamps
from tests.kernels.making import spec
from tests.kernels.single_times import parse_timestamp

TEXTS = st.lists(
    st.one_of(st.none(), st.text("aZ09 \t\u3000\u00a0\u2003'-–A9,\u200b\ufeff中。ßé", max_size=8)), max_size=12
)
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
NAIVE = {
    "trim": str.strip,
    "half_width": half_width_text,
    "collapse_space": lambda text: re.sub(r"\s+", " ", text),
    "remove_space": lambda text: re.sub(r"\s+", "", text),
    "remove_hyphen": lambda text: re.sub("[-\u2010-\u2015\u2212\uff0d]", "", text),
    "remove_invisible": lambda text: INVISIBLE.sub("", text),
    "strip_quote": lambda text: text.removeprefix("'"),
    "upper": lambda text: "".join("ẞ" if letter == "ß" else letter.upper() for letter in text),
    "lower": str.lower,
}


def test_every_step_has_a_kernel_and_a_naive_reading() -> None:
    assert set(STEPS) == set(STEP_KERNELS) == set(NAIVE)


@pytest.mark.parametrize("step", sorted(NAIVE))
@given(TEXTS)
@settings(max_examples=60)
def test_steps_agree_with_naive(step: str, texts: list[str | None]) -> None:
    column = pa.array(["xx", *texts], pa.string()).slice(1)  # a slice, so that offsets don't begin at 0
    after = STEP_KERNELS[step](column)
    found = texts if after is None else after.to_pylist()
    assert found == [None if text is None else NAIVE[step](text) for text in texts]


DATES = st.dates(date(1000, 1, 1), date(9998, 12, 31))
WRITTEN = {
    "YYYY-MM-DD": "{d:%Y-%m-%d}",
    "YYYYMMDD": "{d:%Y%m%d}",
    "YYYY/M/D": "{d.year}/{d.month}/{d.day}",
    "YYYY.M.D": "{d.year}.{d.month}.{d.day:02}",
    "YYYY年M月D日": "{d.year}年{d.month}月{d.day}日",
    "DD/MM/YYYY": "{d.day:02}/{d.month:02}/{d.year}",
    "MM/DD/YYYY": "{d.month:02}/{d.day:02}/{d.year}",
    "DD-Mon-YYYY": "{d.day:02}-{b}-{d.year}",
    "timestamp": "{d:%Y-%m-%d}T08:00:00+08:00",
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@given(DATES, st.sampled_from(sorted(WRITTEN)))
def test_dates_are_read_in_every_form(day: date, form: str) -> None:
    text = WRITTEN[form].format(d=day, b=MONTHS[day.month - 1])
    assert dates.parse_date(text, [form]) == day
    if form != "YYYYMMDD":
        assert dates.parse_date(text, ["YYYYMMDD"]) is None


def test_dates_that_are_none() -> None:
    for text in (
        "2024-02-30",
        "20241301",
        "2024-3-1",
        "２０２４-03-01",
        "2024-03-01 ",
        "",
        "00000000",
        "2024年13月1日",
    ):
        assert dates.parse_date(text, [form for form in FORMS["date"] if form not in {"YYYY", "YYYY-MM"}]) is None, text


def test_two_digit_years_follow_posix() -> None:
    read = [dates.parse_date(text, ["DD-Mon-YY"]) for text in ("26-Sep-13", "01-jan-68", "01-Jan-69")]
    assert read == [date(2013, 9, 26), date(2068, 1, 1), date(1969, 1, 1)]


def test_forms_are_tried_in_order() -> None:
    assert dates.parse_date("03/04/2024", ["DD/MM/YYYY", "MM/DD/YYYY"]) == date(2024, 4, 3)
    assert dates.parse_date("03/14/2024", ["DD/MM/YYYY", "MM/DD/YYYY"]) == date(2024, 3, 14)
    assert dates.parse_date("2024", ["YYYY-MM", "YYYY"]) == date(2024, 1, 1)


def test_every_date_form_is_tested_and_lint_knows_no_other() -> None:
    assert set(FORMS["date"]) - {"DD-Mon-YY", "YYYY-MM", "YYYY"} == set(WRITTEN)
    assert form_problems("date", ("YYYYMMDD",)) == []
    assert form_problems("date", ("yyyymmdd",))


STAMPS = st.lists(
    st.one_of(
        st.none(),
        st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.isoformat() + "+08:00"),
        st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.isoformat().lower() + "z"),
        st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.isoformat(sep=" ")),
        st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)).map(lambda d: f"{d:%Y%m%d%H%M%S}".zfill(14)),
        st.sampled_from(
            [
                "2024-02-30T00:00:00Z",
                "2024-03-01",
                "2024-03-01T24:00:00Z",
                "2024-03-01T08:00+0800",
                "x",
                "9999-12-31T23:59:59-08:00",
                "2024-03-01T08:00:00.1234567Z",
                "20240301",
                "2024-03-01T23:59:60Z",
            ]
        ),
    ),
    max_size=10,
)


@given(STAMPS, st.lists(st.sampled_from(sorted(FORMS["timestamp"])), min_size=1, max_size=3, unique=True))
@settings(max_examples=60)
def test_timestamp_columns_agree_with_single_times(texts: list[str | None], forms: list[str]) -> None:
    parsed = parse_timestamps(pa.array(texts, pa.string()), forms, {})
    naive = [None if text is None else parse_timestamp(text, forms) for text in texts]
    assert parsed.typed.to_pylist() == naive
    assert parsed.typed.type == INSTANT
    assert parsed.bad.tolist() == [text is not None and stamp is None for text, stamp in zip(texts, naive, strict=True)]


def test_times_become_utc() -> None:
    assert parse_timestamp("2024-03-01T07:00:00+08:00", ["rfc3339"]) == datetime(2024, 2, 29, 23, tzinfo=UTC)
    assert parse_timestamp("2024-03-01 07:00:00", ["beijing"]) == datetime(2024, 2, 29, 23, tzinfo=UTC)
    assert parse_timestamp("2024-03-01 07:00:00", ["rfc3339"]) is None


def test_date_columns_note_what_was_rewritten() -> None:
    parsed = parse_dates(pa.array(["2024-03-01", "20240301", None, "x"]), ["YYYY-MM-DD", "YYYYMMDD"], {})
    assert parsed.changed is not None
    assert (parsed.bad.tolist(), parsed.changed.tolist()) == ([False, False, False, True], [False, True, False, False])


def naive_number(text: str, forms: list[str]) -> Decimal | None:
    number = r"(?:\d+\.?\d*|\.\d+)"
    grouped = r"\d{1,3}(?:,\d{3})+(?:\.\d*)?"
    either = f"(?:{grouped}|{number})"
    for form in forms:
        plain = None
        if form == "plain" and re.fullmatch(rf"[+-]?{number}", text, re.ASCII):
            plain = text
        elif form == "thousands" and re.fullmatch(rf"[+-]?{grouped}", text, re.ASCII):
            plain = text.replace(",", "")
        elif form == "parentheses" and re.fullmatch(rf"\({either}\)", text, re.ASCII):
            plain = "-" + text[1:-1].replace(",", "")
        elif form == "comma" and re.fullmatch(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+", text, re.ASCII):
            plain = text.replace(".", "").replace(",", ".")
        elif form == "exponent" and re.fullmatch(rf"[+-]?{number}[Ee][+-]?\d{{1,2}}", text, re.ASCII):
            plain = text
        elif form == "currency" and re.fullmatch(
            rf"[+-]?(?:[¥£]) ?[+-]?{either}|[+-]?{either} ?元|\(£{either}\)", text, re.ASCII
        ):
            plain = re.sub("[¥£元 ,]", "", text)
            plain = "-" + plain[1:-1] if plain.startswith("(") else plain
        if plain is not None:
            try:
                return Decimal(plain)
            except InvalidOperation:
                return None
    return None


NUMBERS = st.one_of(
    st.none(),
    st.text("0123456789,.-+()Ee¥元 ", max_size=9),
    st.decimals(-(10**9), 10**9, places=2).map(str),
    st.decimals(-(10**9), 10**9, places=3).map(lambda number: f"{number:,}"),
    st.decimals(0, 10**9, places=2).map(lambda number: f"({number:,})"),
    st.decimals(0, 10**9, places=2).map(lambda number: f"£{number:,}"),
    st.integers(-(10**12), 10**12).map(str),
)


@given(
    st.lists(NUMBERS, max_size=10),
    st.lists(st.sampled_from(sorted(FORMS["decimal"])), min_size=1, max_size=3, unique=True),
    st.sampled_from([None, *UNITS]),
)
@settings(max_examples=100)
def test_decimal_columns_agree_with_naive(texts: list[str | None], forms: list[str], unit: str | None) -> None:
    field = spec("amount", "decimal", precision=12, scale=2, unit=unit)
    parsed = parse_numbers(pa.array(texts, pa.string()), field, forms)
    expected = []
    for text in texts:
        value = None if text is None else naive_number(text, forms)
        if value is not None:
            value *= UNITS[unit] if unit else 1
            exact = value == value.quantize(Decimal("0.01")) if abs(value) < 10**15 else False
            value = value if exact and abs(value) < 10**10 else None
        expected.append(value)
    assert parsed.typed.to_pylist() == expected
    assert parsed.bad.tolist() == [
        text is not None and value is None for text, value in zip(texts, expected, strict=True)
    ]


@given(st.lists(NUMBERS, max_size=10), st.sampled_from([None, "wan_yuan"]))
@settings(max_examples=100)
def test_integer_columns_agree_with_naive(texts: list[str | None], unit: str | None) -> None:
    parsed = parse_numbers(pa.array(texts, pa.string()), spec("n", "integer", unit=unit), ["plain", "thousands"])
    expected = []
    for text in texts:
        value = None if text is None else naive_number(text, ["plain", "thousands"])
        if value is not None and unit:
            value *= 10_000
        elif value is not None and "." in str(text):
            value = None  # a whole number is written without a point
        expected.append(int(value) if value is not None and value == int(value) and abs(value) < 2**63 else None)
    assert parsed.typed.to_pylist() == expected


def test_units_are_exact() -> None:
    field = spec("amount", "decimal", precision=18, scale=2, unit="wan_yuan")
    read = parse_numbers(pa.array(["2377.2", "0.000001", "0.0000001", "1,000"]), field, ["plain", "thousands"])
    assert read.typed.to_pylist() == [Decimal("23772000.00"), Decimal("0.01"), None, Decimal("10000000.00")]
    cents = parse_numbers(pa.array(["123", "1.5"]), spec("a", "decimal", precision=9, scale=2, unit="fen"), ["plain"])
    assert cents.typed.to_pylist() == [Decimal("1.23"), None]


def test_truth_values() -> None:
    read = parse_booleans(pa.array(["YES", "n", "是", "0", None, "maybe", "true"]), ["yes/no", "是/否", "1/0"])
    assert read.typed.to_pylist() == [True, False, True, False, None, None, None]
    assert read.bad.tolist() == [False] * 5 + [True, True]
