"""Columns as text, once for both COPY and the events: decimals plain, dates ISO, instants RFC 3339 in UTC.

Everything here works on whole columns; the few values that need escaping are found first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FieldSpec
from contracts.normalise.buffers import Mask, to_mask

_INSTANT = "%Y-%m-%dT%H:%M:%S%.fZ"
_SHORT = {"\b": "\\b", "\f": "\\f"}


def texts(table: pa.Table, fields: tuple[FieldSpec, ...]) -> dict[str, pa.StringArray]:
    """Each field of `table` as one string array; null stays null.

    12345.60 · 2025-01-31 · 2025-01-31T08:00:00Z · true. Decimals never in scientific form.
    """
    found: dict[str, pa.StringArray] = {}
    by_polars: list[pl.Expr] = []
    for spec in fields:
        column = flat(table.column(spec.name))
        if spec.type == "decimal":
            by_polars.append(pl.col(spec.name).cast(pl.String))
        elif spec.type == "timestamp":
            # Polars writes instants ten times faster than Arrow.
            by_polars.append(pl.col(spec.name).dt.strftime(_INSTANT))
        else:
            found[spec.name] = column if pa.types.is_string(column.type) else column.cast(pa.string())
    if by_polars:
        names = [spec.name for spec in fields if spec.type in ("decimal", "timestamp")]
        frame = pl.from_arrow(table.select(names))
        assert isinstance(frame, pl.DataFrame)
        made = frame.select(by_polars).to_arrow()
        for name in names:
            found[name] = flat(made.column(name)).cast(pa.string())
    return {spec.name: found[spec.name] for spec in fields}


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def agree(one: pa.StringArray, other: pa.StringArray) -> Mask:
    """Where two columns say the same; nothing and nothing are the same."""
    return to_mask(pc.equal(one, other)) | (to_mask(one.is_null()) & to_mask(other.is_null()))


def hexed(column: pa.Array) -> pa.StringArray:
    """Bytes as lower-case hex text."""
    series = pl.from_arrow(column.cast(pa.binary()))
    assert isinstance(series, pl.Series)
    return series.bin.encode("hex").to_arrow().cast(pa.string())


def json_quoted(column: pa.StringArray) -> pa.StringArray:
    """Each text as a JSON string with its quotation marks; null becomes the JSON null."""
    escaped = json_escaped(column)
    mark = pa.scalar('"')
    quoted = pc.binary_join_element_wise(mark, escaped, mark, "")
    return quoted.fill_null("null") if quoted.null_count else quoted


def json_escaped(column: pa.StringArray) -> pa.StringArray:
    """Each text as it stands between the quotation marks of a JSON string; null stays null."""
    control, special = _marks(column)
    if special:
        column = pc.replace_substring(column, "\\", "\\\\")
        column = pc.replace_substring(column, '"', '\\"')
    if control:
        for char, written in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            column = pc.replace_substring(column, char, written)
        rest = pc.match_substring_regex(column, r"[\x00-\x1f]").fill_null(False)
        if pc.any(rest).as_py():
            # What is left are the control characters that no text should have: a handful of rows.
            mended = [_controls_escaped(value) for value in column.filter(rest).to_pylist()]
            column = pc.replace_with_mask(column, rest, pa.array(mended, pa.string()))
    return column


def has_nul(column: pa.StringArray) -> bool:
    """Whether any text has a NUL, which PostgreSQL can't hold."""
    data = _bytes_of(column)
    return bool(len(data) and data.min() == 0)


def json_objects(columns: Mapping[str, pa.StringArray]) -> pa.StringArray:
    """One JSON object a row from text columns, nulls as null; NUL as U+FFFD, since jsonb refuses it."""
    parts: list[pa.Array | pa.Scalar] = []
    for number, (name, column) in enumerate(columns.items()):
        clean = pc.replace_substring(column, "\0", "\ufffd") if has_nul(column) else column
        lead = "{" if number == 0 else ","
        parts += [
            pa.scalar(lead + json.dumps(name.replace("\0", "\ufffd"), ensure_ascii=False) + ":"),
            json_quoted(clean),
        ]
    return pc.binary_join_element_wise(*parts, pa.scalar("}"), "")


def repeated(value: str, count: int) -> pa.StringArray:
    """A column that says the same in every row."""
    return pa.repeat(pa.scalar(value, pa.string()), count)


def _marks(column: pa.StringArray) -> tuple[bool, bool]:
    """Whether any byte is a control character, and whether any is a quotation mark or backslash."""
    data = _bytes_of(column)
    if not len(data):
        return False, False
    view = data.tobytes()
    return bool(data.min() < 0x20), b'"' in view or b"\\" in view


def bytes_of(column: pa.Array) -> pa.Buffer:
    """The bytes of all values of a text or binary array, one after another."""
    return pa.py_buffer(_bytes_of(column))


def _bytes_of(column: pa.StringArray) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The text bytes of exactly this array, also of a slice."""
    _, offsets, data = column.buffers()
    if data is None or offsets is None or not len(column):
        return np.empty(0, np.uint8)
    wide = np.int64 if pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type) else np.int32
    bounds = np.frombuffer(offsets, wide)
    first, last = bounds[column.offset], bounds[column.offset + len(column)]
    return np.frombuffer(data, np.uint8)[first:last]


def _controls_escaped(value: str) -> str:
    return "".join(_SHORT.get(char) or (f"\\u{ord(char):04x}" if ord(char) < 0x20 else char) for char in value)
