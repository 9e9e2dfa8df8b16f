"""Quarantined rows as a sheet that a person edits: CSV or XLSX, out and back in.

First columns batch, row, rules; then the delivered columns. A cell that a spreadsheet would take for a formula gets a
leading apostrophe, which is taken away again on the way in. What comes back is compared with what went out, cell by
cell in the form that was shown, so that nothing but the editor's own changes counts.
"""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell

from hub.failure import room_needed
from hub.said import Said, by_system
from hub.settings import settings
from warehouse.errors import SheetUnreadable, SheetUnwritable

ENDINGS = (".csv", ".xlsx")
LEAD = ("batch", "row", "rules")
MAX_CELL = 32_767  # characters an XLSX cell holds
MAX_COLUMNS = 2_000

# A spreadsheet passes over blanks and letters without a shape, and reads the wide signs as the narrow ones.
_UNSEEN = r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
_FORMULA = re.compile(rf"'*(?:{_UNSEEN}*[=+\-@＝＋－＠﹢﹣﹦﹫−]|[\t\r])")
_QUOTED = re.compile(rf"'{_FORMULA.pattern}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ENCODINGS = ("utf-8-sig", "gb18030")  # what we write, and what a Chinese spreadsheet saves instead


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row as it came back: its line in the file, and its cells by column name."""

    line: int
    cells: Mapping[str, str]


def shown(value: str | None) -> str:
    """A value as its cell shows it: no formula, no control character, one kind of line end, no more than a cell holds."""
    text = _CONTROL.sub("\ufffd", value or "").replace("\r\n", "\n").replace("\r", "\n")
    return ("'" + text if _FORMULA.match(text) else text)[:MAX_CELL]


def meant(cell: str) -> str | None:
    """What an edited cell means: the apostrophe goes, an empty cell is no value."""
    return (cell[1:] if _QUOTED.match(cell) else cell) or None


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Writes a header and rows (batch, row, rules, then values already `shown`); returns how many rows.

    CSV in UTF-8 with a byte order mark, or XLSX by the file's ending. Raises SheetUnwritable.
    """
    check_place(path)
    header = [*LEAD, *(shown(name) for name in columns)]
    try:
        with room_needed():
            return (_write_csv if path.suffix.lower() == ".csv" else _write_xlsx)(path, header, rows)
    except OSError as error:
        raise SheetUnwritable(path=str(path), reason=by_system(error)) from None


def check_place(path: Path) -> None:
    """Whether an export may be written there, told before anything is read. Raises SheetUnwritable."""
    if path.suffix.lower() not in ENDINGS:
        why = Said(f"its name must end in {' or '.join(ENDINGS)}", f"文件名须以 {' 或 '.join(ENDINGS)} 结尾")
    elif path.is_dir():
        why = Said("it is a folder", "它是一个文件夹")
    elif not path.parent.is_dir():
        why = Said(f"there is no folder {path.parent}", f"没有文件夹 {path.parent}")
    else:
        return
    raise SheetUnwritable(path=str(path), reason=why)


def read(path: Path) -> tuple[list[str], Iterator[SheetRow]]:
    """Columns after the first three, as they were shown, and the rows of an edited sheet. Raises SheetUnreadable."""
    if not path.is_file():
        raise SheetUnreadable(file=path.name, reason=Said("there is no such file", "没有这个文件"))
    match path.suffix.lower():
        case ".csv":
            lines: Iterator[list[str]] = _read_csv(path)
        case ".xlsx":
            lines = _read_xlsx(path)
        case _:
            raise SheetUnreadable(
                file=path.name, reason=Said("its name must end in .csv or .xlsx", "文件名须以 .csv 或 .xlsx 结尾")
            )
    header = next(lines, [])
    while header and header[-1] == "":
        header.pop()
    if tuple(header[:3]) != LEAD:
        raise SheetUnreadable(
            file=path.name, reason=Said(f"its first columns are not {', '.join(LEAD)}", f"前几列不是 {'、'.join(LEAD)}")
        )
    if len(set(header)) != len(header) or len(header) > MAX_COLUMNS:
        raise SheetUnreadable(
            file=path.name, reason=Said("a column comes twice, or there are too many", "有列重复，或列数过多")
        )
    return header[3:], _rows(header, lines)


def _rows(header: list[str], lines: Iterator[list[str]]) -> Iterator[SheetRow]:
    for number, line in enumerate(lines, start=2):
        if any(line):
            cells = dict(zip(header, [*line, *[""] * (len(header) - len(line))], strict=False))
            beyond = [cell for cell in line[len(header) :] if cell]
            if beyond:
                cells[""] = beyond[0]
            yield SheetRow(number, cells)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    count = 0
    with _private(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _private(path: Path) -> io.BufferedWriter:
    """A file to write that its owner alone may read, also one that was there: it holds records in the clear."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(handle, 0o600)
    os.ftruncate(handle, 0)
    return os.fdopen(handle, "wb")


def _write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("quarantine")
    count = -1
    for row in (header, *rows):
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value)
            # Text, whatever it looks like: a spreadsheet must not turn 0123 into 123 or a code into a date.
            cell.data_type, cell.number_format = "s", "@"
            cells.append(cell)
        sheet.append(cells)
        count += 1
    with _private(path) as raw:
        book.save(raw)
    return count


def _read_csv(path: Path) -> Iterator[list[str]]:
    data = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise SheetUnreadable(
            file=path.name, reason=Said("it is neither UTF-8 nor GB18030", "既不是 UTF-8 也不是 GB18030")
        )
    csv.field_size_limit(16 * 1024 * 1024)
    try:
        for line in csv.reader(io.StringIO(text, newline=""), strict=True):
            yield [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in line]
    except csv.Error as error:
        raise SheetUnreadable(file=path.name, reason=str(error)) from None


def _read_xlsx(path: Path) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > settings().max_xlsx_bytes:
            raise SheetUnreadable(file=path.name, reason=Said(f"it unpacks to {size} bytes", f"解压后有 {size} 字节"))
        book = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
        raise SheetUnreadable(file=path.name, reason=str(error)[:200]) from None
    try:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield [_cell(value) for value in row]
    finally:
        book.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).replace("\r\n", "\n").replace("\r", "\n")
