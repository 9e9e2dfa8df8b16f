"""Patterns over whole texts. Most ask for some characters of one class, which a look at the bytes answers."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.buffers import text_bytes

_CLASS = re.compile(r"(\[(?:[0-9A-Za-z_/. ]|[0-9A-Za-z]-[0-9A-Za-z])+\]|\\d)(\+|\*|\{(\d+)(,(\d*))?\})?")


@lru_cache(maxsize=512)
def _one_class(pattern: str) -> tuple[npt.NDArray[np.bool_], int, int] | None:
    """The bytes and the least and greatest length that a pattern like `[A-Z0-9]{10,24}` asks for; None for another."""
    match = _CLASS.fullmatch(pattern)
    if match is None:
        return None
    letters = re.compile(match.group(1), re.ASCII)
    table = np.array([byte < 0x80 and letters.fullmatch(chr(byte)) is not None for byte in range(256)], dtype=np.bool_)
    repeat, least, more, most = match.group(2, 3, 4, 5)
    if repeat is None:
        return table, 1, 1
    if repeat in {"+", "*"}:
        return table, int(repeat == "+"), 2**31
    return table, int(least), int(least) if more is None else int(most) if most else 2**31


def mismatches(values: pa.StringArray, pattern: str) -> pa.BooleanArray:
    """Which texts don't match the whole pattern (RE2 syntax); null for null."""
    simple = _one_class(pattern)
    if simple is not None and len(values):
        table, least, most = simple
        view = text_bytes(values)
        lengths = view.lengths
        if int(lengths.min()) >= least and int(lengths.max()) <= most and bool(table[view.data].all()):
            return pa.array(np.zeros(len(values), dtype=np.bool_))
    return pc.invert(pc.match_substring_regex(values, rf"\A(?:{pattern})\z"))
