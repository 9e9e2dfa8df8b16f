"""Which cells of a column may hold a personal number: by their bytes, so that only these go to the detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.gate.picked import Rows
from contracts.identifiers import citizen
from contracts.normalise.buffers import Bytes, Mask, TextBytes, fixed_rows, text_bytes, to_mask
from contracts.normalise.column import text_column
from contracts.normalise.text import sign_class

Span = tuple[int, int]

# Texts of digits and letters alone, with the day of birth told apart; the number may stand between letters.
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_STRICT = (
    rf"(?:^|[^0-9])[1-9][0-9]{{5}}(?:(?:18|19|20)[0-9]{{2}}{_DAY}[0-9]{{3}}[0-9Xx]"
    rf"|[0-9]{{2}}{_DAY}[0-9]{{3}})(?:[^0-9]|$)"
)


def _spread(gap: str) -> str:
    """The strict form with gaps between its digits."""
    day = "(?:0G[1-9]|1G[0-2])G(?:0G[1-9]|[12]G[0-9]|3G[01])"
    long = f"(?:1G[89]|2G0)G[0-9]G[0-9]G{day}(?:G[0-9]){{3}}G[0-9Xx]"
    return rf"(?:^|[^0-9])[1-9](?:G[0-9]){{5}}G(?:{long}|[0-9]G[0-9]G{day}(?:G[0-9]){{3}})(?:[^0-9]|$)".replace(
        "G", gap
    )


_ASCII_GAPS = "".join(sign for sign in citizen.GAPS + citizen.PARTS if sign.isascii())
_ASCII = _spread("[" + "".join(rf"\x{{{ord(sign):02x}}}" for sign in _ASCII_GAPS) + "]*")
_GAPS = sign_class((*citizen.GAP_RANGES, *((ord(sign), ord(sign)) for sign in citizen.PARTS)))
_FIGURE = r"[\p{Nd}" + "".join(citizen.NUMERALS) + "]"
_LOOSE = rf"{_FIGURE}(?:{_GAPS}*{_FIGURE}){{14}}"
_IS_GAP = np.zeros(256, dtype=np.bool_)
_IS_GAP[[ord(sign) for sign in _ASCII_GAPS]] = True

# First bytes of digits that are neither ASCII nor full-width; hardly anything else in Chinese text begins so.
_STRANGE = np.zeros(256, dtype=np.bool_)
_STRANGE[
    sorted(
        {
            chr(code).encode()[0]
            for code in range(0x80, 0x20000)
            if chr(code).isdecimal() and not 0xFF10 <= code <= 0xFF19
        }
    )
] = True

# Numerals (一, 壹, ①) have three bytes each: which two end one, and which code points are one.
_ENDS = np.zeros(1 << 16, dtype=np.bool_)
_ENDS[[int.from_bytes(sign.encode()[1:], "big") for sign in citizen.NUMERALS]] = True
_NUMERAL = np.zeros(1 << 16, dtype=np.bool_)
_NUMERAL[[ord(sign) for sign in citizen.NUMERALS]] = True
_WEIGHTS = np.array([pow(2, 17 - at, 11) for at in range(17)], dtype=np.float32)
_CHECKS = np.frombuffer(b"10X98765432", dtype=np.uint8)


def digit_rows(view: TextBytes, least: int) -> Rows:
    """Values with at least so many digits, half- or full-width; what may be another script's digit counts as one."""
    if view.data.size < least or int(view.lengths.max(initial=0)) < least:
        return np.zeros(0, dtype=np.intp)
    digits = (view.data - np.uint8(48)) < 10
    if not view.ascii:
        wide = np.flatnonzero(view.data[:-2] == 0xEF)
        if wide.size:
            wide = wide[(view.data[wide + 1] == 0xBC) & (view.data[wide + 2] - np.uint8(0x90) < 10)]
            digits[wide] = True
        digits |= _STRANGE[view.data]
        counted = _counted(digits, view)
        # A numeral has three bytes: only a value that is long enough may hold as many as are wanting.
        if bool((view.lengths >= counted + 3 * np.maximum(least - counted, 1)).any()):
            digits[_numerals(view.data)] = True
    if int(np.count_nonzero(digits)) < least:
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(_counted(digits, view) >= least)


def _counted(digits: Mask, view: TextBytes) -> npt.NDArray[np.int32]:
    """The digits of each value."""
    running = np.zeros(view.data.size + 1, dtype=np.int32)
    np.cumsum(digits, out=running[1:])
    at = running[view.offsets]
    return at[1:] - at[:-1]


def _numerals(data: Bytes) -> Rows:
    """Positions of the last byte of every numeral."""
    if data.size < 3:
        return np.zeros(0, dtype=np.intp)
    ends = np.flatnonzero(_ENDS[(data[1:-1].astype(np.uint16) << 8) | data[2:]]) + 2
    first, second, third = (data[ends - back].astype(np.int32) for back in (2, 1, 0))
    code = (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
    found: Rows = ends[(first >= 0xE0) & (first < 0xF0) & _NUMERAL[code]]
    return found


def with_needle(view: TextBytes, needles: tuple[str, ...]) -> Rows:
    """Values that hold any of the needles."""
    found = [view.rows_at(view.find(needle.encode())) for needle in needles]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.intp)


def _citizen_rows(values: pa.StringArray, view: TextBytes) -> Rows:
    if view.data.size < 15 or int(view.lengths.max(initial=0)) < 15:
        return np.zeros(0, dtype=np.intp)
    column = text_column(values)
    if column.codes is not None:
        hits = np.zeros(len(column.values), dtype=np.bool_)
        hits[_among(column.values, text_bytes(column.values))] = True
        return np.flatnonzero(column.spread(hits)) if hits.any() else np.zeros(0, dtype=np.intp)
    return _among(values, view)


def _among(values: pa.StringArray, view: TextBytes) -> Rows:
    rows = digit_rows(view, 15)
    if rows.size == 0:
        return rows
    some = values if rows.size == len(values) else values.take(pa.array(rows))
    inner = text_bytes(some)
    if inner.ascii and _IS_GAP[inner.data].any():
        return rows[to_mask(pc.match_substring_regex(some, _ASCII))]
    if inner.ascii:
        # Digits and letters only: the strict form, and for cells that are one number its check character at once.
        hits = to_mask(pc.match_substring_regex(some, _STRICT))
        where, number = fixed_rows(some, 18)
        if where.size:
            digits = number[:, :17] - np.uint8(48)
            check = _CHECKS[(digits.astype(np.float32) @ _WEIGHTS).astype(np.int32) % 11]
            last = np.where(number[:, 17] == ord("x"), ord("X"), number[:, 17])
            hits[where] &= (check == last) | (digits > 9).any(axis=1)
        return rows[hits]
    return rows[to_mask(pc.match_substring_regex(some, _LOOSE))]


def _by_digits(least: int) -> Callable[[pa.StringArray, TextBytes], Rows]:
    return lambda _, view: digit_rows(view, least)


def _by_at_sign(_: pa.StringArray, view: TextBytes) -> Rows:
    return with_needle(view, ("@", "\uff20"))


SUSPECTS: dict[str, Callable[[pa.StringArray, TextBytes], Rows]] = {
    "citizen_number": _citizen_rows,
    "mobile": _by_digits(11),
    "bank_card": _by_digits(16),
    "passport": _by_digits(7),
    "email": _by_at_sign,
}

FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "mobile": citizen.mobiles,
    "bank_card": citizen.bank_cards,
    "passport": citizen.passports,
    "email": citizen.emails,
}
"""Detector -> where in a text; `citizen_number` needs the divisions as well and stands in the gate."""
