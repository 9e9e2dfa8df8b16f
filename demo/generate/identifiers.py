"""Unified social credit codes with right check digits, and numbers of persons who can't exist.

Source: GB 32100-2015 (codes), GB 11714-1997 (their inner organisation code), GB 11643-1999 (citizen numbers).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from demo.generate.text import Bytes, Ints, fixed

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters; a character's value is its place."""

_WEIGHTS = np.array([pow(3, place, 31) for place in range(17)], dtype=np.int64)
_INNER_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
_BYTES = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_VALUE = np.full(128, -1, dtype=np.int64)
_VALUE[_BYTES] = np.arange(31)
_INNER_VALUE = np.zeros(128, dtype=np.int64)
_INNER_VALUE[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)] = np.arange(36)


def uscc_bytes(kinds: npt.NDArray[np.str_], divisions: npt.NDArray[np.str_], serials: Ints) -> Bytes:
    """Codes as a matrix of 18 ASCII bytes a row.

    `kinds` are the first two characters ("11", "93", "N2" …), `divisions` six digits, `serials` at most six digits
    that make the body "MA" + serial, the form of bodies given out since 2015. All three have the same length.
    """
    count = len(serials)
    out = np.zeros((count, 18), dtype=np.uint8)
    out[:, 0:2] = _matrix(kinds, 2)
    out[:, 2:8] = _matrix(divisions, 6)
    out[:, 8:10] = np.frombuffer(b"MA", dtype=np.uint8)
    rest = serials.astype(np.int64)
    for place in range(15, 9, -1):
        rest, digit = np.divmod(rest, 10)
        out[:, place] = digit + ord("0")
    inner = 11 - (_INNER_VALUE[out[:, 8:16]] @ _INNER_WEIGHTS) % 11
    out[:, 16] = np.where(inner == 10, ord("X"), np.where(inner == 11, ord("0"), inner + ord("0")))
    out[:, 17] = _BYTES[check_values(out)]
    return out


def check_values(codes: Bytes) -> Ints:
    """The value (0 … 30) that the 18th character of each code must have."""
    total = _VALUE[codes[:, :17]] @ _WEIGHTS
    return np.asarray((31 - total % 31) % 31, dtype=np.int64)


def broken(codes: Bytes) -> Bytes:
    """The same codes, each with a wrong 18th character."""
    out = codes.copy()
    out[:, 17] = _BYTES[(_VALUE[codes[:, 17]] + 7) % 31]
    return out


def elsewhere(codes: Bytes, division: str) -> Bytes:
    """The same codes, registered in another division, check characters made right for it."""
    out = codes.copy()
    out[:, 2:8] = np.frombuffer(division.encode(), dtype=np.uint8)
    out[:, 17] = _BYTES[check_values(out)]
    return out


def as_text(codes: Bytes) -> pa.StringArray:
    """Codes as Arrow strings."""
    return fixed(codes)


def as_bytes(codes: Sequence[str]) -> Bytes:
    """Codes back as a matrix of bytes."""
    return np.frombuffer("".join(codes).encode("ascii"), dtype=np.uint8).reshape(len(codes), 18)


def impossible_citizen_numbers(count: int) -> list[str]:
    """Citizen numbers that every detector must find and nobody can hold.

    Their division is a whole municipality (numbers are given out by counties), the birthday lies in 1900 and the
    sequence is 000, which is not given out; the check digit is right.
    """
    numbers = []
    for place in range(count):
        body = f"1100001900{place % 12 + 1:02d}{place // 12 % 28 + 1:02d}000"
        total = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(body))
        numbers.append(body + "10X98765432"[total % 11])
    return numbers


def _matrix(texts: npt.NDArray[np.str_], width: int) -> Bytes:
    return np.frombuffer(texts.astype(f"S{width}").tobytes(), dtype=np.uint8).reshape(len(texts), width)
