"""Organisation codes, GB 11714-1997: eight characters 0-9A-Z and a check character, written XXXXXXXX-C."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "0123456789X"  # index = check value; 10 is X, 11 counts as 0

_VALUE = np.full(256, 255, dtype=np.uint8)
_VALUE[np.frombuffer(ALPHABET.encode(), dtype=np.uint8)] = np.arange(36, dtype=np.uint8)
_CHECK_BYTES = np.frombuffer(CHECKS.encode(), dtype=np.uint8)


def check_character(body: str) -> str:
    """The ninth character for eight characters. Raises ValueError on a character outside 0-9A-Z."""
    total = sum(ALPHABET.index(letter) * weight for letter, weight in zip(body, WEIGHTS, strict=True))
    return CHECKS[(11 - total % 11) % 11]


def is_valid(code: str) -> bool:
    """Whether nine characters, with or without the hyphen before the last, are a valid code."""
    bare = code[:8] + code[9:] if len(code) == 10 and code[8] == "-" else code
    return len(bare) == 9 and set(bare) <= set(ALPHABET) and check_character(bare[:8]) == bare[8]


def valid_matrix(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """For rows of nine bytes each, shape (n, 9): which are valid codes."""
    values = _VALUE[np.ascontiguousarray(codes[:, :8].T)]
    known = values.max(axis=0) < len(ALPHABET)
    total = np.zeros(len(codes), dtype=np.uint16)
    for value, weight in zip(values, WEIGHTS, strict=True):
        total += value.astype(np.uint16) * np.uint16(weight)
    checks: npt.NDArray[np.bool_] = known & (_CHECK_BYTES[(11 - total % 11) % 11] == codes[:, 8])
    return checks
