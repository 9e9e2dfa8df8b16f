"""Rows that can't be split: searched cell by cell as well as can be, and without their text where that is not enough.

Which cell such a row has in a forbidden column, or in the one a level stands in, can't be told. Its text is then not
stored: the row stays, with its place, the reason and a trace.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from contracts.page import MalformedRow
from hub.ids import RuleId

SEARCHED = 65_536
"""Signs up to which such a row is searched, cell by cell: a longer one may hold a million cells."""
TOO_LONG = RuleId("_row.too_long")

_DELIMITERS = ",;|\t"
_QUOTES = " \"'\u201c\u201d\u2018\u2019\u300c\u300d"
_ANY = re.compile(r"[,;|\t\r\n\x1f\u0001\uff0c\uff1b\uff5c]")


def any_cell(line: MalformedRow, judge: Callable[[str], bool]) -> bool:
    """Whether the whole text is judged so, or anything that one way of splitting it gives."""
    return any(judge(cell) for cell in _cells(line.text))


def unsearched(line: MalformedRow) -> MalformedRow:
    """A row that is too long to be searched, without its text."""
    return replace(
        line, text="", reason=f"{line.reason}; its text is not kept: {len(line.text)} signs are not searched"
    )


def withheld(line: MalformedRow, rule: str) -> MalformedRow:
    """The row without its text; the reason says for which rule."""
    return replace(line, text="", reason=f"{line.reason}; its text is not kept, for {rule} can't be applied to it")


def _cells(text: str) -> Iterator[str]:
    yield text
    # Split at every sign that parts cells anywhere: it may cut a cell in two, but leaves none uncut.
    for cell in _ANY.split(text):
        yield cell.strip(_QUOTES)
    for delimiter in _DELIMITERS:
        if delimiter in text:
            try:
                yield from next(csv.reader([text], delimiter=delimiter), [])
            except csv.Error:  # a quotation mark or a line break where none may be: split above as well as can be
                continue
