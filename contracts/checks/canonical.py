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

from contracts.normalise.buffers import text_bytes
from contracts.normalise.column import FieldColumn
from contracts.normalise.texts import canonical_text

Rows = npt.NDArray[np.intp]


def _escaped(texts: pa.StringArray, special: str, written: str) -> pa.StringArray:
    data = text_bytes(texts).data
    if (data == ord("\\")).any():
        texts = pc.replace_substring(texts, "\\", "\\\\")
    if (data == ord(special)).any():
        texts = pc.replace_substring(texts, special, written)
    return texts


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
        return column.text.take(canonical_text(values))
    width = values.type.precision + (1 if values.type.scale else 0)
    wide = values.cast(pa.decimal256(values.type.precision + 2, values.type.scale))
    whole = pa.scalar(Decimal(10) ** (values.type.precision - values.type.scale), pa.decimal256(40, 0))
    below = pc.less(wide, pa.scalar(Decimal(0), wide.type))
    padded = pc.utf8_lpad(canonical_text(pc.if_else(below, pc.add(wide, whole), wide)), width, "0")
    signed = pc.if_else(below, pc.binary_join_element_wise(pa.scalar("-"), padded, ""), padded)
    return column.text.take(signed)


def record_bytes(columns: Sequence[FieldColumn], keep: Rows | None) -> pa.BinaryArray:
    """The canonical bytes of each row, or of the rows `keep`."""
    ordered = sorted(columns, key=lambda column: column.spec.name)
    at = None if keep is None else pa.array(keep)
    pieces: list[pa.Array | pa.Scalar] = []
    for column in ordered:
        texts = column.text.take(_escaped(column.texts, "\n", "\\n"))
        pieces.append((texts if at is None else texts.take(at)).cast(pa.binary()))
    head = _heads([column.spec.name for column in ordered], pieces)
    return pc.binary_join_element_wise(head, *pieces, b"\n", null_handling="skip")


def head_digest(names: Sequence[str]) -> bytes:
    """The SHA-256 of the head of records that have values in these fields."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).digest()


def _heads(names: Sequence[str], pieces: Sequence[pa.Array]) -> pa.Array | pa.Scalar:
    """The head's digest for each row: one for all where no row lacks a value that another has."""
    size = len(pieces[0])
    full = [name for name, piece in zip(names, pieces, strict=True) if piece.null_count < size or size == 0]
    some = {name: pc.is_valid(piece) for name, piece in zip(names, pieces, strict=True) if 0 < piece.null_count < size}
    if not some:
        return pa.scalar(head_digest(full), pa.binary())
    # Rows by which of these fields they have: few patterns, however many rows.
    pattern = np.zeros(size, dtype=np.int64)
    seen: list[tuple[bool, ...]] = [()]
    for valid in some.values():
        mask = valid.to_numpy(zero_copy_only=False)
        encoded = pa.array(pattern * 2 + mask).dictionary_encode()
        seen = [(*seen[code // 2], bool(code % 2)) for code in encoded.dictionary.to_pylist()]
        pattern = encoded.indices.to_numpy().astype(np.int64)
    digests = []
    for present in seen:
        has = dict(zip(some, present, strict=True))
        digests.append(head_digest([name for name in full if has.get(name, True)]))
    return pa.array(digests, pa.binary()).take(pa.array(pattern))


def hashes(records: pa.BinaryArray) -> pa.FixedSizeBinaryArray:
    """SHA-256 of each record's bytes.

    hashlib over a list took 33 ms for 65 k records of 270 bytes here; of 770 bytes hashlib 58, DuckDB's sha256 181, the
    interpreter's own 190 ms.
    """
    sha256 = hashlib.sha256
    digests = b"".join([sha256(record).digest() for record in records.to_pylist()])
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(records), [None, pa.py_buffer(digests)])
