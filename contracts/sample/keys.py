"""Which columns tell records apart, and which of them the record is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts.sample.naming import words_of

MOST = 6  # columns of a guessed key
_CONSIDERED = 24  # columns looked at

Codes = npt.NDArray[np.int64]

_ID = re.compile(r"(^|_)(id|no|number|code|key|reference|uei|uscc|serial|section|line|item|row)(_|$)")
_BODY = re.compile(
    r"(^|_)(uscc|uei|unit|agency|auditee|body|organi[sz]ation|company|supplier|payee|payer|vendor|facility|development|authority|licen[cs]e|business|department|project|pha)(_|$)"
)
_FREE = 60  # characters from which on a text is prose and names nothing


@dataclass(frozen=True, slots=True)
class KeyGuess:
    """The columns of a key, by their place, and how well they tell rows apart."""

    columns: tuple[int, ...]
    subject: int
    identical: int  # rows that repeat another one in every column
    conflicting: int  # rows that share a key with another row and differ from it

    @property
    def unique(self) -> bool:
        """Whether no two different rows share a key."""
        return self.conflicting == 0


def guess_key(headers: Sequence[str], columns: Sequence[pa.StringArray], usable: Sequence[bool]) -> KeyGuess | None:
    """The key: an id column that is unique by itself, else the fewest columns that are. None where no column may be one.

    `usable` says which columns may be part of it: neither personal nor empty anywhere.
    """
    rows = len(columns[0]) if columns else 0
    coded = [_codes(column) for column in columns]
    whole = _joined(coded) if coded else np.zeros(0, np.int64)
    first = np.unique(whole, return_index=True)[1]
    identical = rows - len(first)
    wanted = [at for at, good in enumerate(usable) if good]
    if not wanted or not rows:
        return None
    distinct = [codes[first] for codes in coded]  # one row of each that repeats
    count = {at: len(np.unique(distinct[at])) for at in wanted}
    rank = sorted(wanted, key=lambda at: _rank(headers[at], columns[at], at))
    chosen = _chosen(headers, rank, distinct, count, len(first))
    joined = _joined([distinct[at] for at in chosen])
    _, inverse, sizes = np.unique(joined, return_inverse=True, return_counts=True)
    conflicting = int(np.count_nonzero(sizes[inverse] > 1))
    return KeyGuess(tuple(chosen), _subject(headers, chosen, wanted, count, len(first)), identical, conflicting)


def _chosen(
    headers: Sequence[str], rank: Sequence[int], coded: Sequence[Codes], count: dict[int, int], rows: int
) -> list[int]:
    """An identifier that is unique alone, else some that are together, else any column, else any columns: a text that
    happens to differ everywhere is no name of a record."""
    ids = [at for at in rank if _ID.search("_".join(words_of(headers[at])))]
    for some in (ids, list(rank)):
        alone = [at for at in some if count[at] == rows]
        if alone:
            return [alone[0]]
        together = _together(some[:_CONSIDERED], coded, rows) if some else []
        if together and len(np.unique(_joined([coded[at] for at in together]))) == rows:
            return together
    return _together(list(rank)[:_CONSIDERED], coded, rows)


def _together(rank: Sequence[int], coded: Sequence[Codes], rows: int) -> list[int]:
    """Columns added one by one, each time the one that tells most rows apart; then those taken out that add nothing."""
    chosen: list[int] = []
    joined, reached = np.zeros(rows, np.int64), 1
    while reached < rows and len(chosen) < MOST:
        gains = [
            (len(np.unique(_joined([joined, coded[at]]))), -place, at)
            for place, at in enumerate(rank)
            if at not in chosen
        ]
        best = max(gains, default=(0, 0, -1))
        if best[0] <= reached:
            break
        reached = best[0]
        chosen.append(best[2])
        joined = _joined([joined, coded[best[2]]])
    for at in list(chosen):
        rest = [other for other in chosen if other != at]
        if rest and len(np.unique(_joined([coded[other] for other in rest]))) == reached:
            chosen = rest
    return sorted(chosen) or [rank[0]]


def _subject(
    headers: Sequence[str], key: Sequence[int], usable: Sequence[int], count: dict[int, int], rows: int
) -> int:
    """The column that says who the record is about: an identifier of a body that comes again, else of the key's first."""

    def worth(at: int) -> tuple[bool, bool, bool, int]:
        words = "_".join(words_of(headers[at]))
        return (not (_BODY.search(words) and _ID.search(words)), not _BODY.search(words), not 1 < count[at] < rows, at)

    bodies = [at for at in usable if _BODY.search("_".join(words_of(headers[at])))]
    return min(bodies, key=worth) if bodies else key[0]


def _rank(header: str, column: pa.StringArray, at: int) -> tuple[bool, bool, int]:
    texts = column.drop_null().slice(0, 1_000).to_pylist()
    prose = bool(texts) and sum(map(len, texts)) / len(texts) > _FREE
    return prose, not _ID.search("_".join(words_of(header))), at


def _codes(column: pa.StringArray) -> Codes:
    encoded = column.dictionary_encode(null_encoding="encode")
    found: Codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _joined(columns: Sequence[Codes]) -> Codes:
    """One number for each combination."""
    joined = columns[0]
    for codes in columns[1:]:
        width = int(codes.max(initial=0)) + 1
        joined = np.unique(joined * width + codes, return_inverse=True)[1].astype(np.int64)
    return joined
