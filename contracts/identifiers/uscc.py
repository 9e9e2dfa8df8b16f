"""Unified social credit codes, GB 32100-2015: 18 characters of an alphabet of 31, letters in position 1 included.

Own implementation: python-stdnum refuses every code that begins with A, N or Y (military, village collectives,
others). Each finding is a bit, so that a contract can ask for as much as its source can promise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts.identifiers import organisation
from contracts.normalise.buffers import fixed_rows

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS: Final = tuple(pow(3, power, 31) for power in range(17))

# Table 2 and 3: department -> category characters that the standard lists.
LISTED: Final = {
    "1": "1239",
    "2": "19",
    "3": "123459",
    "4": "19",
    "5": "1239",
    "6": "129",
    "7": "129",
    "8": "19",
    "9": "123",
    "A": "19",
    "N": "1239",
    "Y": "1",
}
TOLERATED: Final = {"9": "9"}  # in use, though the standard does not list it

CHECKSUM: Final = 1  # 18 characters of the alphabet, check character right
PAIR: Final = 2  # positions 1-2 in use
LISTED_PAIR: Final = 4  # positions 1-2 listed by the standard
ORGANISATION: Final = 8  # positions 9-17 satisfy GB 11714

_VALUE = np.full(256, 255, dtype=np.uint8)
_VALUE[np.frombuffer(ALPHABET.encode(), dtype=np.uint8)] = np.arange(31, dtype=np.uint8)
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)


def _pairs(table: dict[str, str]) -> npt.NDArray[np.bool_]:
    found = np.zeros((256, 256), dtype=np.bool_)
    for department, categories in table.items():
        for category in categories:
            found[ord(department), ord(category)] = True
    return found


_LISTED_PAIRS = _pairs(LISTED)
_PAIRS = _LISTED_PAIRS | _pairs(TOLERATED)


def check_character(body: str) -> str:
    """Position 18 for positions 1-17. Raises ValueError on a character outside the alphabet."""
    total = sum(ALPHABET.index(letter) * weight for letter, weight in zip(body, WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def findings(code: str) -> int:
    """The bits that hold for one code: CHECKSUM, PAIR, LISTED_PAIR, ORGANISATION; 0 where the form is wrong."""
    if len(code) != 18 or not set(code) <= set(ALPHABET) or check_character(code[:17]) != code[17]:
        return 0
    found = CHECKSUM
    if code[1] in LISTED.get(code[0], ""):
        found |= PAIR | LISTED_PAIR
    elif code[1] in TOLERATED.get(code[0], ""):
        found |= PAIR
    if organisation.is_valid(code[8:17]):
        found |= ORGANISATION
    return found


def division(code: str) -> str:
    """Positions 3-8: the division at registration, which may have been abolished since; 100000 is central."""
    return code[2:8]


def findings_of(values: pa.StringArray) -> npt.NDArray[np.uint8]:
    """The bits of `findings` for each value; 0 for null. Vectorised: give distinct values."""
    bits = np.zeros(len(values), dtype=np.uint8)
    where, rows = fixed_rows(values, 18)
    if where.size == 0:
        return bits
    # One vector for each of the 18 positions: short rows are slow to reduce.
    digits = _VALUE[np.ascontiguousarray(rows.T)]
    known = digits.max(axis=0) < len(ALPHABET)
    total = np.zeros(where.size, dtype=np.uint16)
    for digit, weight in zip(digits[:17], WEIGHTS, strict=True):
        total += digit.astype(np.uint16) * np.uint16(weight)
    right = known & (_LETTERS[(31 - total % 31) % 31] == rows[:, 17])
    found = np.zeros(where.size, dtype=np.uint8)
    found[right] = CHECKSUM
    found[right & _PAIRS[rows[:, 0], rows[:, 1]]] |= PAIR
    found[right & _LISTED_PAIRS[rows[:, 0], rows[:, 1]]] |= LISTED_PAIR
    found[right & organisation.valid_matrix(np.ascontiguousarray(rows[:, 8:17]))] |= ORGANISATION
    bits[where] = found
    return bits
