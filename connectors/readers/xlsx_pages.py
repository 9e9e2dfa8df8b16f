"""Workbooks into pages of text columns, by fastexcel (calamine).

A cell's text is what it holds: whole numbers without `.0`, other numbers exactly where nine decimals suffice, else with
the 15 significant digits that a spreadsheet shows, never with an exponent; dates and times as ISO 8601, formulas' stored values, errors such as `#N/A`.
"""

from __future__ import annotations

import fnmatch
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import fastexcel
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import FileEmpty, SheetMissing, WorkbookRefused
from connectors.readers.header import SEARCH_ROWS, HeaderRow, column_names, find_header
from connectors.readers.paging import Pager, empty_rows
from connectors.readers.workbook_guard import refuse_harmful
from connectors.readers.workbook_strings import UNUSED
from contracts.page import Around, RawPage
from hub.said import Said

_ERRORS = {
    "NA": "#N/A",
    "Div0": "#DIV/0!",
    "Ref": "#REF!",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Value": "#VALUE!",
    "GettingData": "#GETTING_DATA",
}
_DATE = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$"


@dataclass(frozen=True, slots=True)
class WorkbookForm:
    """What of a workbook is read."""

    sheets: tuple[str, ...] = ("*",)  # names or globs
    header_row: HeaderRow = 1  # row of the sheet, or "search"


def xlsx_pages(
    content: bytes,
    file: str,
    form: WorkbookForm,
    fields: dict[str, tuple[str, ...]],
    page_rows: int,
    *,
    around: Around | None = None,
) -> Iterator[RawPage]:
    """Pages of the matching sheets in their order; a page's unit is the sheet's name. Empty sheets are passed over.

    `around` is told what is no row: the names of all sheets, the document's properties, of the sheets that are read
    the header and what is above, and which kinds of content are not looked at.

    Raises WorkbookRefused, SheetMissing, FileEmpty, HeaderNotFound, HeaderUnusable, TooManyColumns.
    """
    parts = refuse_harmful(file, content)
    try:
        book = fastexcel.read_excel(content)
    except (fastexcel.FastExcelError, ValueError) as error:
        raise WorkbookRefused(file=file, reason=_first_line(error)) from None
    around = Around() if around is None else around
    around.titles += [*book.sheet_names, *filter(None, parts.texts)]
    around.unseen += sorted(parts.unseen)
    names = [name for name in book.sheet_names if any(fnmatch.fnmatchcase(name, glob) for glob in form.sheets)]
    if not names:
        found = ", ".join(book.sheet_names[:20])
        raise SheetMissing(file=file, wanted=" or ".join(form.sheets), found=found)
    if parts.sheets != len(names):
        around.unseen.append("sheets that are not read")
    ordinal, row, empty = 0, 1, True
    for name in names:
        try:
            sheet = _Sheet(book, file, name)
        except (fastexcel.FastExcelError, ValueError) as error:
            raise WorkbookRefused(
                file=file, reason=Said(f"sheet {name}: {_first_line(error)}", f"工作表 {name}：{_first_line(error)}")
            ) from None
        if sheet.cells.num_rows == 0 or sheet.cells.num_columns == 0:
            continue
        empty = False
        parts.shared.shown(sheet.cells)
        pager = Pager(name, page_rows, ordinal=ordinal, row=row)
        yield from sheet.pages(pager, form.header_row, fields, around)
        ordinal, row = pager.ordinal, pager.row
    if empty:
        raise FileEmpty(file=file)
    if parts.shared.unused:
        around.unseen.append(UNUSED)


class _Sheet:
    """One sheet, loaded as text; row i of `cells` is row i + 1 of the sheet."""

    def __init__(self, book: fastexcel.ExcelReader, file: str, name: str) -> None:
        self._book, self._file, self.name = book, file, name
        # fastexcel speaks up on a column that only errors fill; their texts are put in below.
        logging.getLogger("fastexcel").setLevel(logging.CRITICAL)
        sheet = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
        batch, errors = sheet.to_arrow_with_errors()
        columns = [column.cast(pa.string()) for column in batch.columns]
        if errors is not None:
            _put_errors(columns, errors)
        self.cells = pa.table(columns, names=[str(index) for index in range(len(columns))])

    def pages(
        self, pager: Pager, where: HeaderRow, fields: dict[str, tuple[str, ...]], around: Around
    ) -> Iterator[RawPage]:
        """The rows under the header that hold anything."""
        file = f"{self._file}, sheet {self.name}"
        wanted = SEARCH_ROWS if where == "search" else where
        rows: list[list[str | None]] = [list(row.values()) for row in self.cells.slice(0, wanted).to_pylist()]
        header = find_header(file, rows, where, fields)
        around.titles += ["\t".join(filter(None, row)) for row in rows[:header]]
        around.headers += filter(None, rows[header])
        cells = self.cells.slice(header + 1)
        filled = [index for index in range(cells.num_columns) if cells.column(index).null_count < cells.num_rows]
        last = max([*filled, *(index for index, cell in enumerate(rows[header]) if cell)], default=-1) + 1
        names = column_names(file, rows[header][:last])
        cells = self._exact(cells.select(range(last)), header + 1)
        keep = np.array(pc.invert(empty_rows(cells)))
        malformed = []
        for row, reason in sorted(_bad_rows(cells, names).items()):
            if keep[row]:
                text = "\t".join(value or "" for value in cells.slice(row, 1).to_pylist()[0].values())
                malformed.append((row, header + 2 + row, text.replace("\x00", "\u2400"), reason))
                keep[row] = False
        named = [index for index, name in enumerate(names) if name]
        table = cells.select(named).rename_columns([names[index] for index in named]).filter(pa.array(keep))
        order = np.flatnonzero(keep)
        yield from pager.add(table, order=order, source_rows=order + header + 2, malformed=malformed)
        yield from pager.finish()

    def _exact(self, cells: pa.Table, skipped: int) -> pa.Table:
        """Text as it should be: fastexcel writes numbers with nine decimals and dates with a blank."""
        broken = [
            index
            for index, column in enumerate(cells.columns)
            if _any(pc.match_substring_regex(column, r"^-?\d+\.\d+$|^-?0$|^-?\d{16,}$"))
        ]
        if broken:
            numbers = self._book.load_sheet(self.name, header_row=None, skip_rows=0, dtypes="float", use_columns=broken)
            exact = numbers.to_arrow()
            for position, index in enumerate(broken):
                column = cells.column(index).combine_chunks()
                values = exact.column(position).slice(skipped, len(column)).cast(pa.float64())
                cells = cells.set_column(index, cells.schema.field(index), _numbers(column, values))
        for index, column in enumerate(cells.columns):
            if _any(pc.match_substring_regex(column, _DATE)):
                cells = cells.set_column(index, cells.schema.field(index), _dates(column))
        return cells


def _bad_rows(cells: pa.Table, names: list[str]) -> dict[int, str]:
    """Rows that can't be taken as they are, and why."""
    bad: dict[int, str] = {}
    for index, (column, name) in enumerate(zip(cells.columns, names, strict=True)):
        nul = pc.match_substring(column, "\x00")  # a workbook writes it as _x0000_
        for row in np.flatnonzero(np.asarray(nul.fill_null(False))).tolist():
            bad.setdefault(row, "a NUL character")
        if not name:
            for row in np.flatnonzero(np.asarray(column.is_valid())).tolist():
                bad.setdefault(row, f"a value in column {index + 1}, which has no name")
    return bad


def _numbers(text: pa.Array, values: pa.DoubleArray) -> pa.Array:
    """The text with every cell that is a number written exactly; text that merely looks like one stays."""
    shortest = values.cast(pa.string())
    doubtful = pc.or_(pc.not_equal(text, shortest), pc.equal(text, "-0"))
    differ = np.flatnonzero(np.asarray(doubtful.fill_null(False)))
    out: list[str | None] | None = None
    for index in differ:
        value, written = values[int(index)].as_py(), text[int(index)].as_py()
        if _nine(value) != written:
            continue  # a text cell such as "10.550" or "00123"
        out = out if out is not None else text.to_pylist()
        out[index] = plain_number(value)
    return pa.array(out, pa.string()) if out is not None else text


def plain_number(value: float) -> str:
    """A float with at most 15 significant digits, without exponent, `.0` or negative zero."""
    if not math.isfinite(value):
        return str(value)
    text = format(Decimal(format(value, ".15g")), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _nine(value: float) -> str:
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return text or "0"


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for pattern, form in (
        (r"^1899-12-3[01] (\d\d:\d\d:\d\d(?:\.\d+)?)$", r"\1"),
        (r"^(\d{4}-\d\d-\d\d) 00:00:00$", r"\1"),
        (r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$", r"\1T\2"),
    ):
        column = pc.replace_substring_regex(column, pattern, form)
    return column


def _put_errors(columns: list[pa.Array], errors: Any) -> None:
    """Writes error cells, which come as null, as the text that a spreadsheet shows."""
    by_column: dict[int, dict[int, str]] = {}
    for error in errors.errors:
        row, column = error.offset_position
        kind = error.detail.partition("Error(")[2].rstrip("')")
        by_column.setdefault(column, {})[row] = _ERRORS.get(kind, "#ERROR!")
    for index, found in by_column.items():
        values = columns[index].to_pylist()
        for row, text in found.items():
            values[row] = text
        columns[index] = pa.array(values, pa.string())


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask).as_py())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), Said("it can't be read", "无法读取"))[:200]
