"""Numbers that identify a person, found in text so that they can be taken out. Nothing here validates for keeping.

Citizen number, GB 11643-1999: 6 division, 8 birth date, 3 sequence, 1 check (weights 2^(17-i) mod 11); the form
before 1999 has 15 digits and no check. Found with full-width digits, a lower-case x, and up to two of `GAPS` between
digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from contracts.identifiers import uscc
from contracts.normalise.text import half_width_text

Span = tuple[int, int]

PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
        "91",
    ]
)
_WEIGHTS = tuple(pow(2, 17 - at, 11) for at in range(17))
_CHECKS = "10X98765432"

GAPS = "".join(
    chr(code)
    for low, high in (
        (0x09, 0x0D), (0x1C, 0x20), (0x2D, 0x2D), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x1680, 0x1680),
        (0x180E, 0x180E), (0x2000, 0x2015), (0x2028, 0x202F), (0x205F, 0x2064), (0x2066, 0x2069), (0x2212, 0x2212),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFF0D, 0xFF0D),
    )
    for code in range(low, high + 1)
)  # fmt: skip
"""What may stand between two digits of a number: all white space, dashes, invisible signs. The filter by bytes knows
no others, so that none hides a number from it."""
MAX_GAP = 2

_BETWEEN = f"[{re.escape(GAPS)}]{{0,{MAX_GAP}}}"
_LONG = re.compile(rf"(?<![0-9])(?=([1-9](?:{_BETWEEN}[0-9]){{16}}{_BETWEEN}[0-9Xx])(?![0-9]))")
_OLD = re.compile(rf"(?<![0-9A-Za-z])(?=([1-9](?:{_BETWEEN}[0-9]){{14}})(?![0-9A-Za-z]))")
_TOKEN = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}(?![0-9A-Z])")
_MOBILE = re.compile(rf"(?<![0-9])(?=((?:(?:\+|00)?86{_BETWEEN})?1[3-9](?:{_BETWEEN}[0-9]){{9}})(?![0-9]))")
_CARD = re.compile(rf"(?<![0-9])(?=([3-6](?:{_BETWEEN}[0-9]){{15,18}})(?![0-9]))")
_PASSPORT = re.compile(
    r"(?<![0-9A-Za-z])(?=((?:[DEGKPSdegkps][0-9]{8}|[Ee][A-Za-z][0-9]{7}|[CHMchm][0-9]{8}(?:[0-9]{2})?)(?![0-9A-Za-z])))"
)
_EMAIL = re.compile(r"(?=([A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,5}))")
_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]")


def is_citizen_number(number: str) -> bool:
    """Whether 18 characters (check character X upper-case) form a citizen number, or 15 digits its old form."""
    if not number.isascii() or (number[:2] not in PROVINCES and not (number[0] == "9" and number[1:3] in PROVINCES)):
        return False
    if len(number) == 15:
        return number.isdigit() and _is_date("19" + number[6:12])
    if len(number) != 18 or not number[:17].isdigit() or not _is_date(number[6:14]):
        return False
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11] == number[17]


def citizen_numbers(text: str, is_division: Callable[[str], bool]) -> Iterator[Span]:
    """Where citizen numbers stand in a text.

    A valid USCC is never one: its check comes first, with positions 1-2 and the division in 3-8 (`is_division`: ever
    valid), which of a citizen number that happens to pass the USCC check character, one in 31, hold almost never.
    """
    flat = half_width_text(text)
    organisations = list(_organisation_spans(flat, is_division))
    for pattern in (_LONG, _OLD):
        for match in pattern.finditer(flat):
            bare = _NOT_ALNUM.sub("", match.group(1)).upper()
            begin, end = match.span(1)
            if any(begin < stop and start < end for start, stop in organisations):
                continue
            if is_citizen_number(bare):
                yield begin, end


def _organisation_spans(flat: str, is_division: Callable[[str], bool]) -> Iterator[Span]:
    upper = flat.upper() if flat.isascii() else "".join(c.upper() if c.isascii() else c for c in flat)
    for match in _TOKEN.finditer(upper):
        code = match.group()
        if uscc.findings(code) & uscc.PAIR and is_division(uscc.division(code)):
            yield match.span()


def mobiles(text: str) -> Iterator[Span]:
    """Mainland mobile numbers, with or without +86."""
    return _apart(match.span(1) for match in _MOBILE.finditer(half_width_text(text)))


def bank_cards(text: str) -> Iterator[Span]:
    """Bank card numbers of 16 to 19 digits that satisfy Luhn."""
    for match in _CARD.finditer(half_width_text(text)):
        digits = [int(letter) for letter in match.group(1) if letter.isdigit()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0:
            yield match.span(1)


def passports(text: str) -> Iterator[Span]:
    """Chinese passports and travel permits: a letter or two and seven to ten digits."""
    return (match.span(1) for match in _PASSPORT.finditer(half_width_text(text)))


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses."""
    return _apart(match.span(1) for match in _EMAIL.finditer(half_width_text(text)))


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans that begin after the one before has ended: patterns look ahead and find the ends of a find again."""
    done = 0
    for begin, end in spans:
        if begin >= done:
            yield begin, end
            done = end


def _is_date(text: str) -> bool:
    if text[:2] not in {"18", "19", "20"}:
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return False
    return True
