"""Numbers that identify a person, found in text so that they can be taken out. Nothing here validates for keeping.

Citizen number, GB 11643-1999: 6 division, 8 birth date, 3 sequence, 1 check (weights 2^(17-i) mod 11); the form
before 1999 has 15 digits and no check. Found in digits of any script, with signs that look like an X, and with any
number of `GAPS` between digits: the steps of a contract would take these out after the gate. The long form is also
found parted by `PARTS`, where its division was ever valid; without a check character that would find amounts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import date

from contracts.identifiers import uscc
from contracts.normalise.text import DASHES, INVISIBLES, SPACES, Ranges, half_width_text

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

_UNSEEN: Ranges = (
    *INVISIBLES, (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x2065, 0x2065), (0x206A, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB), (0xE0000, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
GAP_RANGES: Ranges = (*SPACES, *DASHES, *_UNSEEN)
GAPS = "".join(sorted({chr(code) for low, high in GAP_RANGES for code in range(low, high + 1)}))
"""What may stand between two digits of a number: all white space, dashes, invisible signs; whatever a step removes."""
PARTS = "./_,\u00b7\u2022\u2027\u3001\u3002\u30fb\uff0c\uff0e\uff0f\uff3f\uff61\uff65"
"""Signs that people write between the parts of a number."""
TENS = "xX\u0425\u0445\u03a7\u03c7\u2169\u2179\uff38\uff58\u00d7\u2715\u24cd\u24e7" + "".join(
    chr(code) for code in range(0x1D400, 0x1D6A8) if unicodedata.normalize("NFKC", chr(code)) in {"x", "X"}
)
"""Signs that are read as the check character X."""

_GAP, _PART = " ", ","


def _numerals() -> dict[str, int]:
    """Signs of one figure that are no decimal digit: 一 and 壹, 〇 and 零, ① and ㈠, and how they are read out."""
    values = {chr(code): unicodedata.numeric(chr(code), -1) for code in range(0x800, 0x10000)}
    found = {
        sign: int(value)
        for sign, value in values.items()
        if value in range(10) and unicodedata.decimal(sign, None) is None
    }
    return found | {"两": 2, "幺": 1, "○": 0, "◯": 0}


NUMERALS = _numerals()
"""Numeral -> figure. They make words as well (一九八〇年), so a number within them must pass its check character."""


class _Plain(dict[int, int]):
    """One sign for each: a digit for all digits of its value, one gap for all gaps, one parting sign for all of them."""

    def __missing__(self, code: int) -> int:
        sign = chr(code)
        digit = unicodedata.decimal(sign, None)
        if digit is not None:
            plain = 48 + digit
        elif sign in _GAP_SET:
            plain = ord(_GAP)
        elif sign in PARTS:
            plain = ord(_PART)
        else:
            plain = ord(half_width_text(sign))
        self[code] = plain
        return plain


_GAP_SET = frozenset(GAPS)
_PLAIN = _Plain()
_READ = _Plain({ord(sign): 48 + value for sign, value in NUMERALS.items()})
_NUMERAL = re.compile("[" + "".join(NUMERALS) + "]")

# Gaps are taken whole (possessive), so that the time is linear in them.
_BETWEEN = f"{_GAP}*+"
_PARTED_BETWEEN = f"[{_GAP}{_PART}]{{0,4}}+"
_CHECK = f"[0-9{TENS}]"
_LONG = re.compile(rf"(?<![0-9])(?=([1-9](?:{_BETWEEN}[0-9]){{16}}{_BETWEEN}{_CHECK})(?![0-9]))")
_WITHIN = re.compile(rf"(?=([1-9](?:{_BETWEEN}[0-9]){{16}}{_BETWEEN}{_CHECK}))")  # a numeral before it may be a word's
_PARTED = re.compile(rf"(?<![0-9])(?=([1-9](?:{_PARTED_BETWEEN}[0-9]){{16}}{_PARTED_BETWEEN}{_CHECK})(?![0-9]))")
_OLD = re.compile(rf"(?<![0-9A-Za-z])(?=([1-9](?:{_BETWEEN}[0-9]){{14}})(?![0-9A-Za-z]))")
_TOKEN = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}(?![0-9A-Z])")
_MOBILE = re.compile(rf"(?<![0-9])(?=((?:(?:\+|00)?86{_BETWEEN})?1{_BETWEEN}[3-9](?:{_BETWEEN}[0-9]){{9}})(?![0-9]))")
_CARD = re.compile(rf"(?<![0-9])(?=([3-6](?:{_BETWEEN}[0-9]){{15,18}})(?![0-9]))")
_PASSPORT = re.compile(
    r"(?<![0-9A-Za-z])(?=((?:[DEGKPSdegkps](?:I[0-9]){8}|[Ee]I[A-Za-z](?:I[0-9]){7}"
    r"|[CHMchm](?:I[0-9]){8}(?:(?:I[0-9]){2})?)(?![0-9A-Za-z])))".replace("I", "\x00*+")
)
_HIDDEN = dict.fromkeys((code for low, high in _UNSEEN for code in range(low, high + 1)), 0)
_EMAIL = re.compile(r"(?=([A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,5}))")


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
    flat = text.translate(_PLAIN)
    organisations = list(_organisation_spans(half_width_text(text), is_division))
    for pattern in (_LONG, _OLD, _PARTED) if _PART in flat else (_LONG, _OLD):
        for match in pattern.finditer(flat):
            begin, end = match.span(1)
            if any(begin < stop and start < end for start, stop in organisations):
                continue
            found = match.group(1)
            bare = found.replace(_GAP, "").replace(_PART, "")
            if bare[-1] in TENS:
                bare = bare[:-1] + "X"
            if not is_citizen_number(bare):
                continue
            if pattern is not _PARTED or (_PART in found and is_division(bare[:6])):
                yield begin, end
    if _NUMERAL.search(text):
        yield from _read_out(text, is_division)


def _read_out(text: str, is_division: Callable[[str], bool]) -> Iterator[Span]:
    """Numbers of the long form that are written with numerals, in whole or in part."""
    for match in _WITHIN.finditer(text.translate(_READ)):
        begin, end = match.span(1)
        bare = match.group(1).replace(_GAP, "")
        if bare[-1] in TENS:
            bare = bare[:-1] + "X"
        if _NUMERAL.search(text, begin, end) and is_citizen_number(bare) and is_division(bare[:6]):
            yield begin, end


def _organisation_spans(flat: str, is_division: Callable[[str], bool]) -> Iterator[Span]:
    upper = flat.upper() if flat.isascii() else "".join(c.upper() if c.isascii() else c for c in flat)
    for match in _TOKEN.finditer(upper):
        code = match.group()
        if uscc.findings(code) & uscc.PAIR and is_division(uscc.division(code)):
            yield match.span()


def mobiles(text: str) -> Iterator[Span]:
    """Mainland mobile numbers, with or without +86."""
    found = [match.span(1) for match in _MOBILE.finditer(text.translate(_PLAIN))]
    if _NUMERAL.search(text):
        found += [match.span(1) for match in _MOBILE.finditer(text.translate(_READ))]
    return _apart(sorted(set(found)))


def bank_cards(text: str) -> Iterator[Span]:
    """Bank card numbers of 16 to 19 digits that satisfy Luhn."""
    for match in _CARD.finditer(text.translate(_PLAIN)):
        digits = [int(letter) for letter in match.group(1) if letter.isdigit()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0:
            yield match.span(1)


def passports(text: str) -> Iterator[Span]:
    """Chinese passports and travel permits: a letter or two and seven to ten digits."""
    return (match.span(1) for match in _PASSPORT.finditer(half_width_text(text).translate(_HIDDEN)))


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
