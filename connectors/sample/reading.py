"""A sample's rows as columns of text, read by the reader that will read the feed, and what to tell its connector."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastexcel
import pyarrow as pa

from connectors.http.paging import at_path
from connectors.http.records import Shape, parsed
from connectors.readers.csv_pages import CsvForm, csv_pages, head_rows
from connectors.readers.parquet_pages import parquet_pages
from connectors.readers.text import ENCODINGS
from connectors.readers.workbook_guard import refuse_harmful
from connectors.readers.xlsx_pages import WorkbookForm, xlsx_pages
from connectors.sample.encoding import guess_delimiter, guess_encoding
from connectors.sample.header import LOOKED_AT, guess_header
from contracts.page import RawPage
from contracts.sample.errors import SampleUnreadable
from hub.said import Said, by_system

MAX_BYTES = 256 * 1024 * 1024
MAX_ROWS = 300_000  # looked at; what comes after is not
PAGE = 65_536
_WORKBOOKS = (".xlsx", ".xlsm")
_JSON = (".json", ".geojson")
_COLUMNAR = (".parquet", ".pq")
_TABBED = (".tsv", ".tab")
_DEPTH = 4  # of objects in which the list of records is looked for
_OPENED = 3  # levels of nested objects that become columns of their own


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator said of the file; None: look yourself."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None


@dataclass(slots=True)
class Sample:
    """A sample as it was read."""

    table: pa.Table  # columns of text, named as delivered
    sha256: str
    connector: str
    form: str  # csv | tsv | xlsx | json | parquet
    options: dict[str, Any]
    malformed: int = 0  # rows that can't be split
    whole: bool = True  # whether all rows were looked at
    notes: list[str] = field(default_factory=list)


def read_sample(path: Path, asked: Asked) -> Sample:
    """Reads a sample. Raises SampleUnreadable, and what the reader of its form raises."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise SampleUnreadable(file=path.name, reason=by_system(error)) from None
    if size > MAX_BYTES:
        reason = Said(
            f"it has {size:,} bytes; the first part, of at most {MAX_BYTES:,}, says as much",
            f"共 {size:,} 字节；取前 {MAX_BYTES:,} 字节以内的部分即可",
        )
        raise SampleUnreadable(file=path.name, reason=reason)
    if not data.strip():
        raise SampleUnreadable(file=path.name, reason=Said("it is empty", "文件为空"))
    ending = path.suffix.lower()
    if ending in _WORKBOOKS:
        sample = _workbook(data, path.name, asked)
    elif ending in _JSON:
        sample = _json(data, path)
    elif ending in _COLUMNAR:
        sample = _gathered(parquet_pages(data, path.name, PAGE), "file_drop", "parquet", {})
    elif ending in (".xls", ".jsonl", ".ndjson", ".xml", ".ods", ".zip", ".gz"):
        raise SampleUnreadable(
            file=path.name, reason=Said(f"no connector reads {ending} files", f"没有连接器读取 {ending} 文件")
        )
    else:
        sample = _delimited(data, path.name, ending, asked)
    sample.sha256 = hashlib.sha256(data).hexdigest()
    return sample


def _delimited(data: bytes, file: str, ending: str, asked: Asked) -> Sample:
    encoding, note = (asked.encoding, "") if asked.encoding else guess_encoding(data, file)
    if encoding not in ENCODINGS:
        raise SampleUnreadable(
            file=file,
            reason=Said(f"the encoding is one of {', '.join(ENCODINGS)}", f"编码须为 {'、'.join(ENCODINGS)} 之一"),
        )
    head = data[: 1 << 18].decode("utf-16" if encoding == "utf-16" else encoding, "replace")
    tabbed = ending in _TABBED
    delimiter = asked.delimiter or ("\t" if tabbed else guess_delimiter(head, file))
    form = CsvForm(encoding=encoding, delimiter=delimiter)
    row = asked.header_row or guess_header(head_rows(io.BytesIO(data), file, form, LOOKED_AT)) + 1
    form = CsvForm(encoding=encoding, delimiter=delimiter, header_row=row)
    options: dict[str, Any] = {"encoding": encoding}
    kind = "csv"
    if delimiter == "\t":
        kind = "tsv"
    elif delimiter != ",":
        options["delimiter"] = delimiter
    if row != 1:
        options["header_row"] = row
    sample = _gathered(csv_pages(io.BytesIO(data), file, form, {}, PAGE), "file_drop", kind, options)
    sample.notes += filter(
        None, [note, f"the header is taken to be row {row}" if row != 1 and not asked.header_row else ""]
    )
    return sample


def _workbook(data: bytes, file: str, asked: Asked) -> Sample:
    refuse_harmful(file, data)
    try:
        book = fastexcel.read_excel(data)
        heads = {name: _head(book, name) for name in book.sheet_names}
    except (fastexcel.FastExcelError, ValueError) as error:
        raise SampleUnreadable(
            file=file, reason=next(iter(str(error).splitlines()), Said("it is damaged", "文件已损坏"))
        ) from None
    filled = {name: rows for name, rows in heads.items() if any(any(row) for row in rows)}
    if asked.sheet is not None:
        filled = {name: rows for name, rows in filled.items() if name == asked.sheet}
    if not filled:
        found = ", ".join(heads)[:200]
        raise SampleUnreadable(
            file=file,
            reason=Said(
                f"no sheet {asked.sheet or ''} holds anything; there are {found}",
                f"工作表 {asked.sheet or ''} 均无内容；现有 {found}",
            ),
        )
    places = {name: asked.header_row or guess_header(rows) + 1 for name, rows in filled.items()}
    shapes = {name: (places[name], tuple(filter(None, _row(rows, places[name])))) for name, rows in filled.items()}
    first = next(iter(filled))
    alike = [name for name in filled if shapes[name] == shapes[first]]
    options: dict[str, Any] = {}
    notes = []
    if len(alike) < len(filled) or asked.sheet is not None:
        options["sheets"] = alike if len(alike) > 1 else alike[0]
        if asked.sheet is None:
            notes.append(f"{len(filled) - len(alike)} of {len(filled)} sheets have another header and are not read")
    if places[first] != 1:
        options["header_row"] = places[first]
    form = WorkbookForm(sheets=tuple(_exactly(name) for name in alike), header_row=places[first])
    if "sheets" in options:
        options["sheets"] = [_exactly(name) for name in alike]
    sample = _gathered(xlsx_pages(data, file, form, {}, PAGE), "file_drop", "xlsx", options)
    sample.notes += notes
    return sample


def _json(data: bytes, path: Path) -> Sample:
    document = parsed(path.name, data)
    where = _records_at(document)
    if where is None:
        raise SampleUnreadable(file=path.name, reason=Said("it holds no list of objects", "没有对象列表"))
    records = at_path(document, where)
    names = dict.fromkeys(name for record in records if isinstance(record, dict) for name in _leaves(record))
    table, _, malformed = Shape({name: (name,) for name in names}, ()).table(path.name, records[:MAX_ROWS])
    options: dict[str, Any] = {
        "path": "/" + "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in path.stem)
    }
    notes = ["the path below the place's base_url is not known from a file"]
    if where:
        options["records"] = where
        beside = [key for key in document if isinstance(document, dict) and key != where.split(".")[0]]
        notes.append(
            f"beside the records stand {', '.join(beside)[:200] or 'nothing'}: is there a next page to ask for (paging)?"
        )
    sample = Sample(table, "", "http_json", "json", options, len(malformed), len(records) <= MAX_ROWS)
    sample.notes += notes
    return sample


def _gathered(pages: Iterable[RawPage], connector: str, form: str, options: Mapping[str, Any]) -> Sample:
    tables: list[pa.Table] = []
    rows = malformed = 0
    whole = True
    for page in pages:
        tables.append(page.table)
        rows += page.table.num_rows
        malformed += len(page.malformed)
        if rows >= MAX_ROWS:
            whole = False
            break
    table = pa.concat_tables(tables, promote_options="default").combine_chunks() if tables else pa.table({})
    notes = []
    if malformed:
        notes.append(f"{malformed} rows can't be split into columns; they would be quarantined")
    if not whole:
        notes.append(f"only the first {rows} rows were looked at")
    return Sample(table, "", connector, form, dict(options), malformed, whole, notes)


def _head(book: fastexcel.ExcelReader, name: str) -> list[list[str | None]]:
    batch = book.load_sheet(name, header_row=None, n_rows=LOOKED_AT, dtypes="string").to_arrow()
    columns = [column.cast(pa.string()).to_pylist() for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _row(rows: list[list[str | None]], number: int) -> list[str | None]:
    return rows[number - 1] if number <= len(rows) else []


def _exactly(name: str) -> str:
    """A sheet's name as a pattern that matches nothing else."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _records_at(document: Any) -> str | None:
    """Dotted path of the longest list of objects; "" for the document itself."""
    found: list[tuple[int, str]] = []
    waiting: list[tuple[str, Any, int]] = [("", document, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, list):
            count = sum(isinstance(item, dict) for item in value)
            if count:
                found.append((count, path))
        elif isinstance(value, dict) and depth < _DEPTH:
            waiting += [
                (f"{path}.{key}" if path else key, inner, depth + 1) for key, inner in value.items() if "." not in key
            ]
    return max(found, key=lambda one: (one[0], -len(one[1])))[1] if found else None


def _leaves(record: Mapping[str, Any], above: str = "", depth: int = 1) -> Iterable[str]:
    for key, value in record.items():
        if isinstance(value, dict) and value and depth < _OPENED:
            yield from _leaves(value, f"{above}{key}.", depth + 1)
        else:
            yield f"{above}{key}"
