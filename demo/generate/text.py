"""From numpy numbers to Arrow text, whole columns at a time: a million values take milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
EPOCH = date(1970, 1, 1)

_FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)} | {" ": "\u3000"})


def fixed(characters: Bytes) -> pa.StringArray:
    """Strings of equal length from a matrix of ASCII bytes, one row a string."""
    count, width = characters.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(characters)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def digits(values: Ints, width: int) -> pa.StringArray:
    """Decimal digits, padded with zeros on the left to `width`; higher digits are cut."""
    out = np.empty((len(values), width), dtype=np.uint8)
    rest = values.astype(np.int64)
    for position in range(width - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        out[:, position] = digit + ord("0")
    return fixed(out)


def amounts(hundredths: Ints) -> pa.StringArray:
    """Amounts with two decimals, e.g. 123456 -> "1234.56"; not below zero."""
    whole = pc.cast(pa.array(hundredths // 100), pa.string())
    return join(whole, digits(hundredths % 100, 2), between=".")


def join(*parts: pa.Array | str, between: str = "") -> pa.StringArray:
    """The parts of each row, one after another; a plain string stands in every row."""
    return pc.binary_join_element_wise(*parts, between)


def pick(pool: Sequence[str] | pa.Array, index: Ints) -> pa.StringArray:
    """The entries of a pool at these positions."""
    values = pool if isinstance(pool, pa.Array) else pa.array(list(pool), pa.string())
    return values.take(pa.array(index))


def days(day_numbers: Ints, form: str = "%Y%m%d") -> pa.StringArray:
    """Days since 1970-01-01 as text in a strftime form. Each distinct day is formatted once."""
    distinct, inverse = np.unique(day_numbers, return_inverse=True)
    texts = [date.fromordinal(EPOCH.toordinal() + int(day)).strftime(form) for day in distinct]
    return pick(texts, inverse.astype(np.int64))


def instants(seconds: Ints, zone: str = "") -> pa.StringArray:
    """Wall-clock times as YYYY-MM-DDTHH:MM:SS and a zone, from seconds that begin at 1970-01-01 on that clock."""
    times = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s")
    return join(pa.array(times.tolist(), pa.string()), zone)


def optional(mask: npt.NDArray[np.bool_], values: pa.StringArray) -> pa.StringArray:
    """The values where the mask holds, null elsewhere."""
    return pc.if_else(pa.array(mask), values, pa.scalar(None, pa.string()))


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH.toordinal()


def full_width(text: str) -> str:
    """ASCII as the full-width forms that a Chinese input method leaves behind."""
    return text.translate(_FULL_WIDTH)
