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
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.buffers import Mask, text_bytes
from contracts.normalise.column import FieldColumn
from contracts.normalise.texts import canonical_text

Rows = npt.NDArray[np.intp]
_Piece = Any  # a BinaryArray of all rows, or a _Few
_SLICE = 8_192  # records that are joined and hashed at a time
_PAIRS = 2_000_000  # pairs of distinct values that a table is made for
_FEW = 8_192  # pairs met up to which a joined column is worth having


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
    size = columns[0].text.size if keep is None else len(keep)
    head, pieces = _head_and_pieces(columns, keep)
    sha256 = hashlib.sha256
    digests: list[bytes] = []
    for start in range(0, size, _SLICE):
        records = _joined(head, pieces, start, _SLICE)
        digests += [sha256(record).digest() for record in records.to_pylist()]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), size, [None, pa.py_buffer(b"".join(digests))])


def record_bytes(columns: Sequence[FieldColumn], keep: Rows | None = None) -> list[bytes]:
    """The canonical bytes of each row, or of the rows `keep`: what is hashed."""
    size = columns[0].text.size if keep is None else len(keep)
    head, pieces = _head_and_pieces(columns, keep)
    found: list[bytes] = _joined(head, pieces, 0, size).to_pylist() if size else []
    return found


def chosen_rows(keep: Rows, size: int) -> pa.BooleanArray:
    """Sorted row positions as a filter: where most rows stay, filtering is several times as fast as taking."""
    chosen = np.zeros(size, dtype=np.bool_)
    chosen[keep] = True
    return pa.array(chosen)


def _joined(head: pa.Array | pa.Scalar, pieces: Sequence[_Piece], start: int, count: int) -> pa.BinaryArray:
    first = head if isinstance(head, pa.Scalar) else head.slice(start, count)
    parts = [piece.rows(start, count) if isinstance(piece, _Few) else piece.slice(start, count) for piece in pieces]
    return pc.binary_join_element_wise(first, *parts, b"\n", null_handling="skip")


def _head_and_pieces(columns: Sequence[FieldColumn], keep: Rows | None) -> tuple[pa.Array | pa.Scalar, list[_Piece]]:
    """The head's digest, and the texts in the order of the fields' names.

    The join costs by pieces, so neighbouring columns with few distinct values are made one column of few pairs.
    """
    ordered = sorted(columns, key=lambda column: column.spec.name)
    chosen = None if keep is None else chosen_rows(keep, columns[0].text.size)
    pieces: list[_Piece] = []
    for column in ordered:
        texts = _escaped(column.texts, "\n", "\\n").cast(pa.binary())
        if column.text.codes is None:
            pieces.append(texts if chosen is None else texts.filter(chosen))
            continue
        codes = column.text.codes if keep is None else column.text.codes[keep]
        one = _Few.of(texts, codes)
        last = pieces[-1] if pieces else None
        both = last.with_(one) if isinstance(last, _Few) else None
        if both is None:
            pieces.append(one)
        else:
            pieces[-1] = both
    return _heads(ordered, keep), pieces


@dataclass(frozen=True, slots=True)
class _Few:
    """Texts of few distinct values: `codes` point into `values`, which may hold null; None: all rows have the first."""

    values: pa.BinaryArray
    codes: npt.NDArray[np.int32] | None
    size: int

    @classmethod
    def of(cls, values: pa.BinaryArray, codes: npt.NDArray[np.int32]) -> _Few:
        if len(values) <= 1:
            absent = codes < 0
            if absent.all():
                return cls(pa.nulls(1, pa.binary()), None, codes.size)
            if not absent.any():
                return cls(values, None, codes.size)
        elif not (codes < 0).any():
            return cls(values, codes, codes.size)
        ended = pa.concat_arrays([values, pa.nulls(1, pa.binary())])
        return cls(ended, np.where(codes < 0, np.int32(len(values)), codes), codes.size)

    def rows(self, start: int, count: int) -> pa.BinaryArray:
        """The texts of some rows."""
        if self.codes is None:
            count = min(count, self.size - start)
            return self.values.take(pa.array(np.zeros(count, dtype=np.int32)))
        return self.values.take(pa.array(self.codes[start : start + count]))

    def with_(self, other: _Few) -> _Few | None:
        """Both columns joined by a line feed, or None where that makes too many values."""
        if other.codes is None:
            return _Few(_pair(self.values, _repeated(other.values, len(self.values))), self.codes, self.size)
        if self.codes is None:
            return _Few(_pair(_repeated(self.values, len(other.values)), other.values), other.codes, self.size)
        width = len(other.values)
        count = len(self.values) * width
        if count > _PAIRS:
            return None
        pairs = self.codes * np.int32(width) + other.codes
        seen = np.zeros(count, dtype=np.bool_)
        seen[pairs] = True
        met = np.flatnonzero(seen)
        if met.size > _FEW:
            return None
        number = np.empty(count, dtype=np.int32)
        number[met] = np.arange(met.size, dtype=np.int32)
        one, two = self.values.take(pa.array(met // width)), other.values.take(pa.array(met % width))
        return _Few(_pair(one, two), number[pairs], self.size)


def _repeated(value: pa.BinaryArray, count: int) -> pa.BinaryArray:
    return value.take(pa.array(np.zeros(count, dtype=np.int32)))


def _pair(one: pa.BinaryArray, two: pa.BinaryArray) -> pa.BinaryArray:
    """Two texts with a line feed between; one alone where the other is null; null where both are."""
    if one.null_count == 0 or two.null_count == 0:
        return pc.binary_join_element_wise(one, two, b"\n", null_handling="skip")
    # Arrow's join leaves a row out altogether where every argument is null, and the array comes out shorter.
    absent = pc.and_(pc.is_null(one), pc.is_null(two))
    text = pc.binary_join_element_wise(pc.if_else(absent, b"", one), two, b"\n", null_handling="skip")
    return pc.if_else(absent, pa.scalar(None, pa.binary()), text)


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
