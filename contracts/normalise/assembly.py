"""Rows of bytes put together from columns and the words between them: hashes, events and COPY data are made of these.

A join costs by its pieces, not by its bytes. So neighbouring columns that have few distinct values are first made one
column of the few combinations that were met, words included; what is left to do for each row are the columns in which
every row differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int32]

_PAIRS = 2_000_000  # pairs of distinct values that a table is made for
_SPARSE = 4  # combinations are worth a column while rows are so many times more


@dataclass(frozen=True, slots=True)
class Few:
    """A column of few distinct values: for each row the number of its value below `width`; None: all rows have number 0."""

    codes: Codes | None
    width: int

    @classmethod
    def of(cls, codes: Codes, count: int) -> Few:
        """From codes into `count` values where -1 is null: null becomes the number `count`."""
        absent = codes < 0
        if absent.any():
            return cls(None if count == 0 else np.where(absent, np.int32(count), codes), count + 1)
        return cls(None if count <= 1 else codes, max(count, 1))


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring few-valued columns as one: `members` are (column, for each combination its value's number)."""

    codes: Codes | None
    width: int
    members: tuple[tuple[int, Codes], ...]

    def with_(self, other: Group, rows: int) -> Group | None:
        """Both as one, or None where that makes too many combinations."""
        if other.codes is None or self.codes is None:
            codes, width = (self.codes, self.width) if other.codes is None else (other.codes, other.width)
            many = np.zeros(width, dtype=np.int32)
            first, second = (np.arange(width, dtype=np.int32), many) if other.codes is None else (many, _range(width))
            return Group(codes, width, _taken(self.members, first) + _taken(other.members, second))
        count = self.width * other.width
        if count > _PAIRS:
            return None
        pairs = self.codes * np.int32(other.width) + other.codes
        seen = np.zeros(count, dtype=np.bool_)
        seen[pairs] = True
        met = np.flatnonzero(seen)
        if met.size * _SPARSE > rows:
            return None
        number = np.empty(count, dtype=np.int32)
        number[met] = _range(met.size)
        members = _taken(self.members, met // other.width) + _taken(other.members, met % other.width)
        return Group(number[pairs], met.size, members)


def grouped(columns: Sequence[Few | None], rows: int) -> list[Group | int]:
    """The columns in order: groups of few-valued ones, and the numbers of those whose rows all differ (None)."""
    found: list[Group | int] = []
    for number, few in enumerate(columns):
        if few is None:
            found.append(number)
            continue
        group = Group(few.codes, few.width, ((number, _range(few.width)),))
        last = found[-1] if found else None
        both = last.with_(group, rows) if isinstance(last, Group) else None
        if both is None:
            found.append(group)
        else:
            found[-1] = both
    return found


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a column contributes to a row: `bodies` between two words. No body holds null.

    Of a few-valued column one body with a value for each number, of another column row arrays, set one after another.
    """

    bodies: tuple[pa.Array, ...]
    before: bytes = b""
    after: bytes = b""


class RowBytes:
    """Rows of bytes, made slice by slice."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._parts: list[bytes | pa.Array | tuple[pa.Array, Codes]] = []

    def word(self, word: bytes) -> RowBytes:
        """Adds the same bytes to every row."""
        if word:
            if self._parts and isinstance(self._parts[-1], bytes):
                self._parts[-1] += word
            else:
                self._parts.append(word)
        return self

    def column(self, *bodies: pa.Array) -> RowBytes:
        """Adds row arrays of text or bytes without nulls."""
        self._parts += [_binary(body) for body in bodies]
        return self

    def columns(self, groups: Sequence[Group | int], fragments: Sequence[Fragment | None]) -> RowBytes:
        """Adds the columns that `grouped` laid out, but for those without a fragment."""
        for item in groups:
            if isinstance(item, int):
                fragment = fragments[item]
                if fragment is not None:
                    self.word(fragment.before).column(*fragment.bodies).word(fragment.after)
                continue
            parts: list[pa.Array | pa.Scalar] = []
            for number, values in item.members:
                fragment = fragments[number]
                if fragment is None:
                    continue
                (body,) = fragment.bodies
                parts += [_word(fragment.before), _binary(body).take(pa.array(values)), _word(fragment.after)]
            if not parts:
                continue
            joined = _join(parts)
            if item.codes is None:
                self.word(joined[0].as_py())
            else:
                self._parts.append((joined, item.codes))
        return self

    def lengths(self) -> npt.NDArray[np.int64]:
        """Bytes of each row, before any row is made."""
        total = np.zeros(self.rows, dtype=np.int64)
        for part in self._parts:
            if isinstance(part, bytes):
                total += len(part)
            elif isinstance(part, tuple):
                total += pc.binary_length(part[0]).to_numpy(zero_copy_only=False)[part[1]]
            else:
                total += pc.binary_length(part).to_numpy(zero_copy_only=False)
        return total

    def slice(self, start: int, count: int) -> pa.Array:
        """Some rows as binary, or large_binary where they have more than 2 GiB."""
        count = min(count, self.rows - start)
        parts: list[pa.Array | pa.Scalar] = []
        for part in self._parts:
            if isinstance(part, bytes):
                parts.append(_word(part))
            elif isinstance(part, tuple):
                parts.append(part[0].take(pa.array(part[1][start : start + count])))
            else:
                parts.append(part.slice(start, count))
        if all(isinstance(part, pa.Scalar) for part in parts):
            parts.append(pa.repeat(_word(b""), count))
        return _join(parts)

    def slices(self, size: int) -> Iterator[pa.Array]:
        """All rows, `size` at a time."""
        for start in range(0, self.rows, size):
            yield self.slice(start, size)


def _range(count: int) -> Codes:
    return np.arange(count, dtype=np.int32)


def _taken(members: tuple[tuple[int, Codes], ...], places: npt.NDArray[np.integer]) -> tuple[tuple[int, Codes], ...]:
    return tuple((number, values[places]) for number, values in members)


def _word(word: bytes) -> pa.Scalar:
    return pa.scalar(word, pa.binary())


def _binary(body: pa.Array) -> pa.Array:
    return body if pa.types.is_binary(body.type) or pa.types.is_large_binary(body.type) else body.cast(pa.binary())


def _join(parts: list[pa.Array | pa.Scalar]) -> pa.Array:
    try:
        narrow = [part.cast(pa.binary()) if pa.types.is_large_binary(part.type) else part for part in parts]
        return pc.binary_join_element_wise(*narrow, b"")
    except (pa.ArrowCapacityError, pa.ArrowInvalid) as error:
        if not isinstance(error, pa.ArrowCapacityError) and not re.search("overflow|too large", str(error)):
            raise
        # More than 2 GiB in one slice: wider offsets carry it.
        large = pa.large_binary()
        wide = [part.cast(large) if isinstance(part, pa.Array) else pa.scalar(part.as_py(), large) for part in parts]
        return pc.binary_join_element_wise(*wide, pa.scalar(b"", large))
