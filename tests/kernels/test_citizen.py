"""The detectors. All numbers are made here by their rules; none is anyone's."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from contracts.identifiers import citizen
from contracts.rules.divisions import ever_valid
from tests.kernels.making import make_uscc

CHECKS = "10X98765432"


def make(division: str, born: date, order: int) -> str:
    body = f"{division}{born:%Y%m%d}{order:03d}"
    return body + CHECKS[sum(int(d) * pow(2, 17 - at, 11) for at, d in enumerate(body)) % 11]


NUMBERS = st.builds(
    make,
    st.sampled_from(["110101", "330106", "513321", "650102", "820000"]),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)),
    st.integers(0, 999),
)
AROUND = st.text("证号:,。 ab中文(）", max_size=8)


def ever(division: str) -> bool:
    return division in ever_valid()


def wide(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


def spaced(text: str) -> str:
    return f"{text[:6]} {text[6:14]}-{text[14:]}"


@given(NUMBERS, AROUND, AROUND, st.sampled_from([str, str.lower, wide, spaced]))
@settings(max_examples=150)
def test_found_wherever_and_however_it_is_written(number: str, before: str, after: str, write: object) -> None:
    written = write(number)  # type: ignore[operator]
    text = f"{before}{written}{after}"
    spans = list(citizen.citizen_numbers(text, ever))
    assert any(begin <= len(before) and end >= len(before) + len(written) for begin, end in spans)


@given(NUMBERS)
def test_agrees_with_stdnum_on_the_check_character(number: str) -> None:
    assert ric.calc_check_digit(number) == number[-1]
    for letter in "0123456789X":
        assert citizen.is_citizen_number(number[:-1] + letter) == (letter == number[-1])


@given(NUMBERS)
def test_old_form(number: str) -> None:
    if number[6:8] != "19":
        return
    old = number[:6] + number[8:17]
    assert list(citizen.citizen_numbers(f"原号{old}。", ever)) == [(2, 17)]


@given(st.text("0123456789", min_size=19, max_size=30))
def test_longer_runs_of_digits_are_no_number(digits: str) -> None:
    assert not list(citizen.citizen_numbers(digits, ever))


@given(st.sampled_from(["91", "12", "51", "N2"]), st.text("0123456789ABCDEFGH", min_size=9, max_size=9))
def test_a_valid_uscc_is_never_one(head: str, body: str) -> None:
    code = make_uscc(head + "110101", body)
    assert not list(citizen.citizen_numbers(f"单位{code}的款项", ever))


def test_a_number_that_passes_the_uscc_check_by_chance_is_still_found() -> None:
    """One citizen number in 31 has the check character of a USCC; its positions 3-8 are no division."""
    from contracts.identifiers import uscc

    lucky = next(
        number
        for order in range(1000)
        if uscc.findings(number := make("110105", date(1949, 12, 31), order)) & uscc.PAIR
    )
    assert list(citizen.citizen_numbers(lucky, ever)) == [(0, 18)]


def test_nothing_in_wrong_dates_and_places() -> None:
    assert not citizen.is_citizen_number("110101199913011234")
    assert not list(citizen.citizen_numbers("990101491231002", ever))


def test_other_detectors() -> None:
    assert list(citizen.mobiles("电话138-0013-8000。")) == [(2, 15)]
    assert list(citizen.mobiles("+86 13800138000")) == [(0, 15)]
    assert not list(citizen.mobiles("213800138000"))
    hits = [last for last in "0123456789" if list(citizen.bank_cards(f"卡6222 0200 0000 000{last}。"))]
    assert len(hits) == 1  # Luhn lets one last digit through
    assert list(citizen.passports("护照E12345678")) == [(2, 11)]
    assert not list(citizen.passports("VE12345678"))
    assert list(citizen.emails("写信到a.b@example.gov.cn吧")) == [(3, 21)]
