r"""Canonical texts and bytes: record keys, source versions, record hashes. These forms never change.

Text of a value: see `contracts.normalise.texts`.

Key: the texts of the key fields in key order, `\` written `\\` and `|` written `\|`, joined by `|`.

Record: the fields that have a value, in the order of their names (by code point). First come the 32 bytes of the
SHA-256 of the head, which is these names, each followed by a line feed; then for each field a line feed and its text,
in which `\` is written `\\` and a line feed `\n`; all in UTF-8. A field without value stands nowhere, so that a contract
may gain an optional field and no hash changes. The head fixes how many texts follow and whose they are, and no text
holds a line feed: two records give the same bytes only if they are the same. `_hash` is the SHA-256 of these bytes.

Version: the text of the source version field, such that texts sort as the values do: numbers are padded with
zeros to their greatest width; a negative one is `-` and the complement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.assembly import Few, Fragment, RowBytes, grouped
from contracts.normalise.buffers import Mask, text_bytes
from contracts.normalise.column import FieldColumn
from contracts.normalise.texts import canonical_text

Rows = npt.NDArray[np.intp]
_SLICE = 2_048  # records that are joined and hashed at a time


def _escaped(texts: pa.StringArray, special: str, written: str) -> pa.StringArray:
    data = text_bytes(texts).data
    if (data == ord("\\")).any():
        texts = pc.replace_substring(texts, "\\", "\\\\")
    if (data == ord(special)).any():
        texts = pc.replace_substring(texts, special, written)
    return texts


def escaped_key_text(values: pa.Array) -> pa.StringArray:
    """The texts of one key field's values, ready to be joined."""
    return _escaped(canonical_text(values), "|", "\\|")


def key_texts(columns: Sequence[FieldColumn]) -> pa.StringArray:
    """The record keys of all rows; null where a part of the key is."""
    parts = [column.text.take(_escaped(column.texts, "|", "\\|")) for column in columns]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


def version_texts(column: FieldColumn) -> pa.StringArray:
    """The source versions of all rows, sortable as text."""
    values = column.values
    if pa.types.is_integer(values.type):
        values = values.cast(pa.decimal128(19, 0))
    if not pa.types.is_decimal(values.type):
        return column.text.take(column.texts)
    width = values.type.precision + (1 if values.type.scale else 0)
    wide = values.cast(pa.decimal256(values.type.precision + 2, values.type.scale))
    whole = pa.scalar(Decimal(10) ** (values.type.precision - values.type.scale), pa.decimal256(40, 0))
    below = pc.less(wide, pa.scalar(Decimal(0), wide.type))
    padded = pc.utf8_lpad(canonical_text(pc.if_else(below, pc.add(wide, whole), wide)), width, "0")
    signed = pc.if_else(below, pc.binary_join_element_wise(pa.scalar("-"), padded, ""), padded)
    return column.text.take(signed)


def record_hashes(columns: Sequence[FieldColumn], keep: Rows | None) -> pa.FixedSizeBinaryArray:
    """The SHA-256 of the canonical bytes of each row, or of the rows `keep` (sorted positions).

    In slices that stay in the processor's cache. hashlib over a list took 33 ms for 65 k records of 270 bytes here;
    for records of 770 bytes hashlib took 58 ms, DuckDB's sha256 181, the interpreter's own 190.
    """
    records = _records(columns, keep)
    sha256 = hashlib.sha256
    digests: list[bytes] = []
    for piece in records.slices(_SLICE):
        digests += [sha256(record).digest() for record in piece.to_pylist()]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), records.rows, [None, pa.py_buffer(b"".join(digests))])


def record_bytes(columns: Sequence[FieldColumn], keep: Rows | None = None) -> list[bytes]:
    """The canonical bytes of each row, or of the rows `keep`: what is hashed."""
    return [record for piece in _records(columns, keep).slices(_SLICE) for record in piece.to_pylist()]


def chosen_rows(keep: Rows, size: int) -> pa.BooleanArray:
    """Sorted row positions as a filter: where most rows stay, filtering is several times as fast as taking."""
    chosen = np.zeros(size, dtype=np.bool_)
    chosen[keep] = True
    return pa.array(chosen)


def _records(columns: Sequence[FieldColumn], keep: Rows | None) -> RowBytes:
    """The head's digest, then in the order of the fields' names a line feed and the text of each value there is."""
    ordered = sorted(columns, key=lambda column: column.spec.name)
    size = columns[0].text.size if keep is None else len(keep)
    chosen = None if keep is None else chosen_rows(keep, columns[0].text.size)
    few: list[Few | None] = []
    fragments = []
    for column in ordered:
        texts = _escaped(column.texts, "\n", "\\n").cast(pa.binary())
        if column.text.codes is None:
            texts = texts if chosen is None else texts.filter(chosen)
            few.append(None)
            if texts.null_count == 0:
                fragments.append(Fragment((texts,), before=b"\n"))
            else:
                fragments.append(Fragment((_with_line_feed(texts),)))
            continue
        codes = column.text.codes if keep is None else column.text.codes[keep]
        few.append(Few.of(codes, len(texts)))
        fragments.append(Fragment((_with_line_feed(pa.concat_arrays([texts, pa.nulls(1, pa.binary())])),)))
    head = _heads(ordered, keep)
    records = RowBytes(size)
    if isinstance(head, pa.Scalar):
        records.word(head.as_py())
    else:
        records.column(head)
    return records.columns(grouped(few, size), fragments)


def _with_line_feed(texts: pa.BinaryArray) -> pa.BinaryArray:
    """A line feed and the text; nothing where there is no text."""
    return pc.fill_null(pc.binary_join_element_wise(pa.scalar(b"\n"), texts, b""), b"")


def head_digest(names: Sequence[str]) -> bytes:
    """The SHA-256 of the head of records that have values in these fields."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).digest()


def _heads(columns: Sequence[FieldColumn], keep: Rows | None) -> pa.Array | pa.Scalar:
    """The head's digest for each row: one for all where no row lacks a value that another has."""
    size = columns[0].text.size if keep is None else len(keep)
    full: list[str] = []
    some: dict[str, Mask] = {}
    for column in columns:
        absent = column.absent if keep is None or column.absent is None else column.absent[keep]
        lacking = 0 if absent is None else int(np.count_nonzero(absent))
        if lacking < size or size == 0:
            full.append(column.spec.name)
        if absent is not None and 0 < lacking < size:
            some[column.spec.name] = ~absent
    if not some:
        return pa.scalar(head_digest(full), pa.binary())
    # Rows by which of these fields they have: few patterns, however many rows.
    pattern = np.zeros(size, dtype=np.int64)
    seen: list[tuple[bool, ...]] = [()]
    for mask in some.values():
        encoded = pa.array(pattern * 2 + mask).dictionary_encode()
        seen = [(*seen[code // 2], bool(code % 2)) for code in encoded.dictionary.to_pylist()]
        pattern = encoded.indices.to_numpy().astype(np.int64)
    digests = []
    for present in seen:
        has = dict(zip(some, present, strict=True))
        digests.append(head_digest([name for name in full if has.get(name, True)]))
    return pa.array(digests, pa.binary()).take(pa.array(pattern))
