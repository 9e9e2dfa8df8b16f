"""Parquet into pages of text columns: numbers exactly as they are, times as RFC 3339 or without offset as they stand.

A file is read from memory, one row group at a time. What has no text of its own (lists, structs, maps, bytes that are
no UTF-8, intervals) is refused with the column's name: nobody can hold a rule against it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.errors import FileTooLarge, ParquetRefused
from connectors.readers.header import column_names
from connectors.readers.paging import Pager, empty_rows
from contracts.page import Around, RawPage
from hub.said import Said
from hub.settings import settings

_SECONDS = "%Y-%m-%dT%H:%M:%S"
# What Arrow and pandas write of the columns' types: no word of a person's.
_TECHNICAL = frozenset({b"ARROW:schema", b"pandas", b"PARQUET:field_id"})


def parquet_pages(content: bytes, file: str, page_rows: int, *, around: Around | None = None) -> Iterator[RawPage]:
    """Pages of a Parquet file; `source_rows` count its rows from 1. `around` is told its key-value metadata.

    Raises ParquetRefused, FileTooLarge, HeaderUnusable, TooManyColumns.
    """
    around = Around() if around is None else around
    try:
        book = pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
        schema = book.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ParquetRefused(file=file, reason=_reason(error)) from None
    names = column_names(file, schema.names)
    if not all(names):
        raise ParquetRefused(file=file, reason=Said("a column has no name", "有列没有名称"))
    for field in schema:
        if not _has_text(field.type):
            raise ParquetRefused(
                file=file,
                reason=Said(
                    f"the column {field.name[:80]} is {str(field.type)[:80]}, which has no text",
                    f"列 {field.name[:80]} 的类型 {str(field.type)[:80]} 没有文本形式",
                ),
            )
    _bound(book, file)
    _tell(book, schema, around)
    around.headers += filter(None, names)
    pager, row = Pager(file, page_rows), 0
    try:
        for batch in book.iter_batches(batch_size=page_rows):
            columns = [text_of(column, file, name) for column, name in zip(batch.columns, names, strict=True)]
            table = pa.table(columns, names=names)
            keep = np.array(pc.invert(empty_rows(table)))
            order = row + np.flatnonzero(keep)
            bad = {int(at): "a NUL character" for at in _with_nul(table) if keep[at]}
            malformed = [(row + at, row + at + 1, _line(table, at), reason) for at, reason in sorted(bad.items())]
            if bad:
                keep[list(bad)] = False
                order = row + np.flatnonzero(keep)
            row += batch.num_rows
            yield from pager.add(table.filter(pa.array(keep)), order=order, source_rows=order + 1, malformed=malformed)
    except (pa.ArrowException, OSError) as error:
        raise ParquetRefused(file=file, reason=_reason(error)) from None
    yield from pager.finish()


def text_of(column: pa.Array, file: str, name: str) -> pa.StringArray:
    """A column's values as text; an empty text is no value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_of(column.dictionary_decode(), file, name)
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp(kind.unit, "UTC")) if kind.tz else column
        text = pc.replace_substring_regex(pc.strftime(column, _SECONDS), r"\.0+$", "")
        text = pc.binary_join_element_wise(text, "Z", "") if kind.tz else text
    elif pa.types.is_floating(kind):
        text = _floats(column.cast(pa.float64()) if kind == pa.float16() else column)
    elif pa.types.is_time(kind):
        text = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    elif pa.types.is_decimal(kind):
        text = _plain(column.cast(pa.string()))
    else:
        try:
            text = column.cast(pa.string())
        except pa.ArrowInvalid:
            raise ParquetRefused(
                file=file,
                reason=Said(
                    f"the column {name[:80]} holds bytes that are no UTF-8", f"列 {name[:80]} 含有非 UTF-8 字节"
                ),
            ) from None
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    return bool(
        (pa.types.is_primitive(kind) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind))
        or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )  # fmt: skip


def _floats(column: pa.Array) -> pa.StringArray:
    """The shortest digits that give the same float back, without an exponent; a whole number without `.0`."""
    text = pc.replace_substring_regex(column.cast(pa.string()), r"\.0$", "")
    return _plain(pc.if_else(pc.equal(text, "-0"), "0", text))


def _plain(text: pa.StringArray) -> pa.StringArray:
    odd = pc.fill_null(pc.match_substring_regex(text, r"^[+-]?[0-9.]+[Ee]"), False)
    if not pc.any(odd).as_py():
        return text
    values = [format(Decimal(value), "f") for value in text.filter(odd).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(values, pa.string()))


def _bound(book: pq.ParquetFile, file: str) -> None:
    """A row group is unpacked in memory: none may be larger than the operator lets a workbook be."""
    bound = settings().max_xlsx_bytes
    for number in range(book.metadata.num_row_groups):
        size = book.metadata.row_group(number).total_byte_size
        if size > bound:
            raise FileTooLarge(file=file, size=size, bound=bound, setting="HUB_MAX_XLSX_BYTES")


def _tell(book: pq.ParquetFile, schema: pa.Schema, around: Around) -> None:
    """What stands in the file beside its rows; what is no text nobody looked at."""
    entries = dict(book.metadata.metadata or {}) | dict(schema.metadata or {})
    for field in schema:
        entries |= {
            f"{field.name}:".encode() + key: value
            for key, value in (field.metadata or {}).items()
            if key not in _TECHNICAL
        }
    for key, value in entries.items():
        if key in _TECHNICAL:
            continue
        try:
            around.titles += [key.decode(), value.decode()]
        except UnicodeDecodeError:
            around.unseen.append("metadata that is no text")


def _with_nul(table: pa.Table) -> list[int]:
    found: set[int] = set()
    for column in table.columns:
        found |= set(np.flatnonzero(np.asarray(pc.match_substring(column, "\x00").fill_null(False))).tolist())
    return sorted(found)


def _line(table: pa.Table, at: int) -> str:
    cells = table.slice(at, 1).to_pylist()[0].values()
    return "\t".join(cell or "" for cell in cells).replace("\x00", "\u2400")


def _reason(error: Exception) -> str:
    """The library's sentence, short: it may quote the file's bytes."""
    return next(
        (line[:120] for line in str(error).splitlines() if line.isprintable()), Said("it is damaged", "文件已损坏")
    )
