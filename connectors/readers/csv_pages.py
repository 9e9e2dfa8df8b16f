"""Delimited text into pages of text columns, by pyarrow's streaming reader.

An empty value is null, quoted or not; a row without any value is no row (it still counts as a line). A row that can't
be split, holds an undecodable byte or a NUL, or has a value in a column without a name, becomes a MalformedRow.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from connectors.errors import CsvUnreadable, FileEmpty, HeaderNotFound
from connectors.readers.header import SEARCH_ROWS, HeaderRow, column_names, find_header
from connectors.readers.paging import Pager, empty_rows
from connectors.readers.text import MARK, Readable, TextSource
from contracts.page import Around, RawPage
from hub.said import Said, zh

BLOCK = 2 * 1024 * 1024
"""Bytes of text that pyarrow splits at a time: what bounds a row. It reads up to 32 of them ahead, which bounds memory."""
GATHERED = 8 * 1024 * 1024
"""Bytes of values whose rows are numbered and looked through together: what is done once a table costs by the column."""
HEAD = 1024 * 1024
"""Bytes in which the header must end."""


def _new_end() -> str:
    """A last row of our own: where a quotation mark stays open, it is found inside the last value. Another for each file, so that
    no sender can write it."""
    return f"\x01\x02{secrets.token_hex(5)}\x02\x01"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a delimited file is written."""

    encoding: str = "utf-8"  # a member of text.ENCODINGS
    delimiter: str = ","
    quote: str | None = '"'  # None: no quoting
    header_row: HeaderRow = 1  # line of the header, or "search"
    columns: tuple[str, ...] = ()  # names of a file that has no header


def csv_pages(
    raw: Readable,
    file: str,
    form: CsvForm,
    fields: dict[str, tuple[str, ...]],
    page_rows: int,
    *,
    around: Around | None = None,
) -> Iterator[RawPage]:
    """Pages of a delimited file; `source_rows` are lines of the file, from 1. `around` is told what is no row.

    Raises FileEmpty, HeaderNotFound, HeaderUnusable, TooManyColumns, WrongEncoding, CsvUnreadable.
    """
    text = TextSource(raw, file, form.encoding)
    if form.quote:
        text.quote = form.quote.encode()
    names, lines = _header(text, file, form, fields, Around() if around is None else around)
    yield from _Rows(text, file, form, names, first_line=lines + 1).pages(Pager(file, page_rows))


def head_rows(raw: Readable, file: str, form: CsvForm, limit: int = SEARCH_ROWS) -> list[list[str | None]]:
    """The first rows of a file, for a look at its header. Raises WrongEncoding."""
    head = _head(TextSource(raw, file, form.encoding))
    return [cells for cells, _ in _parsed(head, file, form, limit)]


def _head(text: TextSource) -> str:
    """The first HEAD bytes of text or a few more; they stay readable in the source."""
    data = b""
    while len(data) < HEAD:
        more = text.read(-1)
        if not more:
            break
        data += more
    text.push_back(data)
    return data.decode("utf-8")


def _parsed(head: str, file: str, form: CsvForm, limit: int) -> list[tuple[list[str | None], int]]:
    """The head's first rows: (cells, number of characters up to and with the row's line break)."""
    quoting: Any = csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE
    lines = io.StringIO(head[:HEAD], newline="").readlines()
    reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote or None, quoting=quoting)
    out: list[tuple[list[str | None], int]] = []
    ends = np.cumsum([len(line) for line in lines]) if lines else np.zeros(0, dtype=np.int64)
    try:
        for cells in reader:
            out.append(([cell or None for cell in cells], int(ends[reader.line_num - 1])))
            if len(out) >= limit:
                break
    except csv.Error as error:
        raise CsvUnreadable(file=file, line=reader.line_num, reason=str(error)) from None
    return out


def _header(
    text: TextSource, file: str, form: CsvForm, fields: dict[str, tuple[str, ...]], around: Around
) -> tuple[list[str], int]:
    """The columns' names and the number of lines up to and with the header; the source stands behind it."""
    head = _head(text)
    if not head.strip("\r\n \t"):
        raise FileEmpty(file=file)
    if form.columns:
        return column_names(file, form.columns), 0
    wanted = SEARCH_ROWS if form.header_row == "search" else form.header_row
    rows = _parsed(head, file, form, wanted)
    index = find_header(file, [cells for cells, _ in rows], form.header_row, fields)
    cells, end = rows[index]
    if end >= HEAD:
        raise HeaderNotFound(
            file=file,
            reason=Said(f"it does not end within {HEAD} bytes", f"在前 {HEAD} 字节内没有结束"),
            expected="a shorter header",
        )
    around.titles += [form.delimiter.join(filter(None, above)) for above, _ in rows[:index]]
    around.headers += filter(None, cells)
    names = column_names(file, cells)
    used = head[:end]
    rest = text.read(-1)
    text.push_back(rest[len(used.encode("utf-8")) :])
    return names, used.count("\n") + used.count("\r") - used.count("\r\n")


class _WithEnd:
    """The source's rows and then a row of our own, as pyarrow reads them."""

    def __init__(self, text: TextSource, end: str) -> None:
        self._text = text
        self._end = f"{end}\n".encode()
        self._last = b"\n"
        self._ended = False
        self.closed = False
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        if self._ended:
            return b""
        data = b""
        try:
            while len(data) < size:  # a short read would become a small table
                more = self._text.read(size - len(data))
                if not more:
                    break
                data = data + more if data else more
        except BaseException as error:
            self.error = error  # pyarrow may wrap it; the caller raises the original
            raise
        if data.endswith(b"\r") and len(data) > 1:
            # pyarrow drops a line feed at the beginning of a block when the block before ended in a carriage return.
            self._text.push_back(b"\r")
            data = data[:-1]
        if data:
            self._last = data[-1:]
            return data
        self._ended = True
        return ((b"" if self._last in b"\r\n" else b"\n") + self._end)[:size]

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class _Rows:
    """Turns pyarrow's batches into pages with line numbers."""

    def __init__(self, text: TextSource, file: str, form: CsvForm, names: list[str], first_line: int) -> None:
        self._text, self._file, self._form = text, file, form
        self._names = names
        self._end = _new_end()
        self._columns = [f"c{index}" for index in range(len(names))]
        self._invalid: list[tuple[int, int, str]] = []  # (record number, columns found, text), in order
        self._record = 1  # number of the next record, counted by pyarrow from 1
        self._line = first_line  # where that record begins
        self._bad_used = 0

    def pages(self, pager: Pager) -> Iterator[RawPage]:
        stream = _WithEnd(self._text, self._end)
        try:
            for table in _gathered(self._open(stream)):
                yield from self._batch(pager, table)
            if self._invalid:
                yield from self._batch(pager, pa.table({name: pa.array([], pa.string()) for name in self._columns}))
        except pa.ArrowInvalid as error:
            raise stream.error or CsvUnreadable(
                file=self._file, line=self._line - 1, reason=_arrow_reason(str(error))
            ) from None
        yield from pager.finish()

    def _open(self, stream: _WithEnd) -> Iterator[pa.RecordBatch]:
        form = self._form
        types = {name: pa.string() for name in self._columns}
        # One thread: only then does pyarrow number the rows that it can't split.
        return pa_csv.open_csv(  # type: ignore[no-any-return]
            pa.PythonFile(stream, mode="r"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=self._columns),
            parse_options=pa_csv.ParseOptions(
                delimiter=form.delimiter,
                quote_char=form.quote or False,
                double_quote=bool(form.quote),
                escape_char=False,
                newlines_in_values=bool(form.quote),
                ignore_empty_lines=False,
                invalid_row_handler=self._take_invalid,
            ),
            # UTF-8 was checked where it was decoded.
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False, column_types=types, strings_can_be_null=True, null_values=[""]
            ),
        )

    def _take_invalid(self, row: pa_csv.InvalidRow) -> str:
        self._invalid.append((row.number, row.actual_columns, row.text))
        return "skip"

    def _batch(self, pager: Pager, table: pa.Table) -> Iterator[RawPage]:
        """Numbers the records of one batch: its rows, and the invalid ones that stand between them."""
        due = len(self._columns)
        numbers, invalid = self._numbered(table.num_rows)
        first = self._record
        if not len(numbers) and not invalid:
            return
        span = int(max(numbers[-1] if len(numbers) else 0, invalid[-1][0] if invalid else 0)) - first + 1
        breaks = np.zeros(span, dtype=np.int64)
        if self._text.quotes:
            breaks[numbers - first] = _breaks(table)
            for number, _, text in invalid:
                breaks[number - first] = _text_breaks(text, self._end)
        lines = self._line + np.arange(span) + np.concatenate(([0], np.cumsum(breaks)[:-1]))
        self._record += span
        self._line = int(lines[-1] + 1 + breaks[-1])

        malformed: list[tuple[int, str, str]] = []  # (record number, text, reason)
        for number, found, text in invalid:
            if text.strip() == self._end:
                continue
            reason = "a quotation mark is never closed" if self._end in text else f"{found} columns where {due} are due"
            malformed.append((number, self._readable(text), reason))
        keep = np.array(pc.invert(empty_rows(table)))
        keep = self._take_bad(table, numbers, keep, malformed)
        table = table.rename_columns(self._names_or_blank())
        drop = [index for index, name in enumerate(self._names) if not name]
        for index in reversed(drop):
            table = table.remove_column(index)
        yield from pager.add(
            table if keep.all() else table.filter(pa.array(keep)),
            order=numbers[keep],
            source_rows=lines[numbers[keep] - first],
            malformed=[
                (number, int(lines[number - first]), text, reason) for number, text, reason in sorted(malformed)
            ],
        )

    def _numbered(self, count: int) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
        """Record numbers of a batch's rows, and the invalid records before the last of them (or all that are left)."""
        first = self._record
        skipped = np.array([number for number, _, _ in self._invalid], dtype=np.int64)
        numbers = np.setdiff1d(np.arange(first, first + count + len(skipped)), skipped, assume_unique=True)[:count]
        # pyarrow may have read ahead: what stands after the last row waits for the next batch.
        if count:
            taken = [item for item in self._invalid if item[0] <= numbers[-1]]
        else:
            taken = [item for place, item in enumerate(self._invalid) if item[0] == first + place]
        del self._invalid[: len(taken)]
        return numbers, taken

    def _take_bad(
        self, table: pa.Table, numbers: np.ndarray, keep: np.ndarray, malformed: list[tuple[int, str, str]]
    ) -> np.ndarray:
        """Moves rows with marks, NULs, an open end or values without a column's name to the malformed ones."""
        checks: list[tuple[str, str]] = [(self._end, "a quotation mark is never closed")]
        if self._text.bad:
            checks.append((MARK, f"a byte that is not {self._form.encoding}"))
        if self._text.nul:
            checks.append(("\x00", "a NUL character"))
        bad: dict[int, str] = {}
        for needle, reason in checks:
            columns = table.columns
            if needle == self._end:
                if not table.num_rows or self._end not in str(table.column(len(self._names) - 1)[-1].as_py()):
                    continue
                columns = [table.column(len(self._names) - 1)]
            for column in columns:
                for index in np.flatnonzero(_filled(pc.match_substring(column, needle))).tolist():
                    bad.setdefault(index, reason)
        for position, name in enumerate(self._names):
            if not name:
                for index in np.flatnonzero(np.asarray(table.column(position).is_valid())).tolist():
                    bad.setdefault(index, f"a value in column {position + 1}, which has no name")
        for index in sorted(bad):
            keep[index] = False
            row = table.slice(index, 1).to_pylist()[0]
            text = self._joined([value or "" for value in row.values()])
            if list(row.values()) == [self._end]:
                continue
            malformed.append((int(numbers[index]), text, self._where("".join(filter(None, row.values())), bad[index])))
        return keep

    def _joined(self, values: list[str]) -> str:
        """A row's values as a line of the file, as near to what stood there as can be told."""
        out = io.StringIO(newline="")
        readable = [self._readable(value) for value in values]
        if self._form.quote is None:
            return self._form.delimiter.join(readable)
        csv.writer(out, delimiter=self._form.delimiter, quotechar=self._form.quote, lineterminator="").writerow(
            readable
        )
        return out.getvalue()

    def _readable(self, text: str) -> str:
        return text.partition(self._end)[0].rstrip("\r\n").replace(MARK, "\ufffd").replace("\x00", "\u2400")

    def _where(self, text: str, reason: str) -> str:
        """The reason with the byte's place in the file: marks come in the file's order."""
        count = text.count(MARK)
        if not count or self._bad_used >= len(self._text.bad):
            return reason
        offset = self._text.bad[self._bad_used]
        self._bad_used += count
        return Said(f"{reason}, at byte {offset}", f"{zh(reason)}，位于第 {offset} 字节")

    def _names_or_blank(self) -> list[str]:
        return [name or f"\x00{index}" for index, name in enumerate(self._names)]


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Neighbouring batches as one table each."""
    some: list[pa.RecordBatch] = []
    size = 0
    try:
        for batch in batches:
            some.append(batch)
            size += batch.nbytes
            if size >= GATHERED:
                yield pa.Table.from_batches(some)
                some, size = [], 0
    except pa.ArrowInvalid:
        if some:  # so that the error names the line after them
            yield pa.Table.from_batches(some)
        raise
    if some:
        yield pa.Table.from_batches(some)


def _breaks(table: pa.Table) -> np.ndarray:
    """How many line breaks the values of each row hold."""
    total = np.zeros(table.num_rows, dtype=np.int64)
    for column in table.columns:
        for chunk_start, chunk in _chunks(column):
            data = chunk.buffers()[2]
            view = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
            if not ((view == 10) | (view == 13)).any():
                continue
            count = pc.subtract(
                pc.add(pc.count_substring(chunk, "\n"), pc.count_substring(chunk, "\r")),
                pc.count_substring(chunk, "\r\n"),
            )
            total[chunk_start : chunk_start + len(chunk)] += np.asarray(count.fill_null(0), dtype=np.int64)
    return total


def _chunks(column: pa.ChunkedArray) -> Iterator[tuple[int, pa.Array]]:
    start = 0
    for chunk in column.chunks:
        yield start, chunk
        start += len(chunk)


def _text_breaks(text: str, end: str) -> int:
    text = text.partition(end)[0].rstrip("\n") if end in text else text
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _filled(mask: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(mask.fill_null(False))


def _arrow_reason(message: str) -> str:
    if "straddling" in message:
        return Said(
            f"a row is longer than {BLOCK} bytes, or a quotation mark is never closed",
            f"有一行超过 {BLOCK} 字节，或引号没有闭合",
        )
    return Said("the rows have no form of this kind", "各行没有这种形式")
