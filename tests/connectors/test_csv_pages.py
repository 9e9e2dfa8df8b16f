"""CSV: every text in every encoding comes back as it was, with the right line; every broken row is named."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    CsvUnreadable,
    FileEmpty,
    HeaderNotFound,
    HeaderUnusable,
    TooManyColumns,
    WrongEncoding,
)
from connectors.readers import csv_pages as module
from connectors.readers import paging
from connectors.readers.csv_pages import CsvForm, csv_pages
from connectors.readers.text import MAX_LINE
from contracts.page import RawPage
from hub.errors import AgencyError
from tests.connectors.making import all_numbers

FIELDS = {"a": ("a",), "b": ("b",)}


def pages_of(data: bytes, form: CsvForm | None = None, page_rows: int = 1000) -> list[RawPage]:
    return list(csv_pages(io.BytesIO(data), "f.csv", form or CsvForm(), FIELDS, page_rows))


def rows_of(pages: list[RawPage]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for page in pages for row in page.table.to_pylist()]


def bad_of(pages: list[RawPage]) -> list[tuple[int, int, str, str]]:
    return [(bad.row, bad.source_row, bad.text, bad.reason) for page in pages for bad in page.malformed]


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufdd0\x01\x02"), max_size=12
) | st.sampled_from(['"', '""', ",", "a\nb", "a\r\nb", "\r", "张三,李四", "𠀀", "\ufeff", " ", "\u2028", "\x85", "é"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=12))
def test_any_text_comes_back_with_its_line(encoding: str, end: str, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    due, line = [], 2
    for row in rows:
        writer.writerow(row)
        if any(row):
            due.append((line, tuple(value or None for value in row)))
        joined = ",".join(row)
        line += 1 + joined.count("\n") + joined.count("\r") - joined.count("\r\n")
    pages = pages_of(out.getvalue().encode(encoding), CsvForm(encoding=encoding), page_rows=3)
    found = [
        (line, tuple(row.values()))
        for page in pages
        for line, row in zip(page.source_rows.to_pylist(), page.table.to_pylist(), strict=True)
    ]
    assert found == due
    assert all_numbers(pages) == list(range(1, len(due) + 1))
    assert all(page.rows_in <= 3 for page in pages)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_windows_1252_round_trip(rows: list[tuple[str, str]]) -> None:
    kept = [tuple(value.encode("cp1252", "ignore").decode("cp1252") for value in row) for row in rows]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *kept])
    pages = pages_of(out.getvalue().encode("cp1252"), CsvForm(encoding="windows-1252"))
    assert rows_of(pages) == [tuple(value or None for value in row) for row in kept if any(row)]


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200) | st.text('a,"\n\r1;', max_size=80).map(str.encode))
def test_any_bytes_give_pages_or_an_error_that_names_the_file(data: bytes) -> None:
    try:
        pages = pages_of(b"a,b\n" + data)
    except AgencyError as error:
        assert "f.csv" in str(error)
    else:
        numbers = all_numbers(pages)
        assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.sampled_from(["1,2", "1", "1,2,3", "", '"x\ny",2', '"x\r\ny"', ",", "1,\x00"]), min_size=1, max_size=30
    ),
    page_rows=st.integers(1, 5),
    block=st.sampled_from([16, 64, 1 << 20]),
)
def test_good_and_broken_rows_keep_their_numbers_and_lines(rows: list[str], page_rows: int, block: int) -> None:
    due, number, line = {}, 0, 2
    for row in rows:
        if row.strip(","):
            number += 1
            due[number] = (line, len(next(csv.reader(io.StringIO(row, newline="")))) == 2 and "\x00" not in row)
        line += 1 + row.count("\n")
    before, module.BLOCK = module.BLOCK, block
    try:
        pages = pages_of(("a,b\n" + "\n".join(rows) + "\n").encode(), page_rows=page_rows)
    finally:
        module.BLOCK = before
    found = {
        row: (source, True)
        for p in pages
        for row, source in zip(p.rows.to_pylist(), p.source_rows.to_pylist(), strict=True)
    }
    found |= {bad[0]: (bad[1], False) for bad in bad_of(pages)}
    assert found == due
    assert [page.ordinal for page in pages] == list(range(len(pages)))


@pytest.mark.parametrize("block", range(24, 64))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_value_keeps_its_line_breaks_wherever_a_block_ends(block: int, end: str, monkeypatch: Any) -> None:
    values = [("\r\n" * (number % 5) + "x\ry\n\r\n", str(number)) for number in range(40)]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *values])
    monkeypatch.setattr(module, "BLOCK", block)
    assert rows_of(pages_of(out.getvalue().encode())) == values


def test_a_row_of_wrong_width_is_kept_as_it_stands() -> None:
    pages = pages_of(b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert rows_of(pages) == [("1", "2"), ("7", "8")]
    assert bad_of(pages) == [
        (2, 3, "3", "1 columns where 2 are due"),
        (3, 4, "4,5,6", "3 columns where 2 are due"),
    ]


@pytest.mark.parametrize(("tail", "text"), [('"5', "4,5"), ('"5\n', "4,5"), ('"5,6\n7,8', '4,"5,6\n7,8"')])
def test_a_quote_that_stays_open_is_not_taken_for_a_row(tail: str, text: str) -> None:
    pages = pages_of(f"a,b\n1,2\n4,{tail}".encode())
    assert rows_of(pages) == [("1", "2")]
    ((row, line, found, reason),) = bad_of(pages)
    assert (row, line, reason) == (2, 3, "a quotation mark is never closed")
    assert found == text


def test_a_quote_inside_a_value_is_a_character() -> None:
    assert rows_of(pages_of(b'a,b\n5" pipe,1\nx,2\n')) == [('5" pipe', "1"), ("x", "2")]


def test_undecodable_bytes_cost_their_row_alone() -> None:
    data = "a,b\n张,1\n".encode("gb18030") + b"\xff\xff,2\n" + "李,3\n\x81".encode("gb18030", "ignore") + b"x,\x81\n"
    pages = pages_of(data, CsvForm(encoding="gb18030"))
    assert rows_of(pages) == [("张", "1"), ("李", "3")]
    first, second = bad_of(pages)
    assert first[:2] == (2, 3)
    assert first[3] == "a byte that is not gb18030, at byte 9"
    assert second[:2] == (4, 5)


def test_a_file_in_another_encoding_is_refused_as_a_whole() -> None:
    with pytest.raises(WrongEncoding, match=r"f\.csv is not utf-8.*first at byte 4, line 2"):
        pages_of(b"a,b\n" + "审计,发现\n".encode("gb18030") * 2_000)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "windows-1252"])
def test_a_utf_16_file_under_another_name_is_refused(encoding: str) -> None:
    with pytest.raises(WrongEncoding, match="UTF-16"):
        pages_of("a,b\n1,2\n".encode("utf-16"), CsvForm(encoding=encoding))


def test_a_byte_order_mark_is_not_part_of_the_first_name() -> None:
    for encoding in ("utf-8", "gb18030"):
        pages = pages_of("\ufeffa,b\n1,2\n".encode(encoding), CsvForm(encoding=encoding))
        assert pages[0].table.column_names == ["a", "b"]


def test_a_nul_costs_its_row() -> None:
    pages = pages_of(b"a,b\n1,2\nx\x00y,3\n")
    assert rows_of(pages) == [("1", "2")]
    assert bad_of(pages) == [(2, 3, "x␀y,3", "a NUL character")]


def test_empty_and_quoted_empty_are_null_and_blank_lines_are_no_rows() -> None:
    pages = pages_of(b'a,b\n1,\n"",2\n\n,\n3,4\n\n')
    assert rows_of(pages) == [("1", None), (None, "2"), ("3", "4")]
    assert pages[0].source_rows.to_pylist() == [2, 3, 6]


def test_an_empty_file_and_a_header_alone() -> None:
    for data in (b"", b"\n\n", b"\xef\xbb\xbf"):
        with pytest.raises(FileEmpty):
            pages_of(data)
    assert pages_of(b"a,b\n") == []
    assert pages_of(b"a,b") == []


def test_header_names_that_cannot_be_used() -> None:
    for head, word in ((b"a,a,b", "doubled"), (b"_row,b", "underscore"), (b",,", "no column"), (b"a,\x00", "NUL")):
        with pytest.raises(HeaderUnusable, match=word):
            pages_of(head + b"\n1,2\n")


def test_a_column_without_a_name_may_hold_nothing() -> None:
    pages = pages_of(b"a,b,\n1,2,\n3,4,5\n")
    assert rows_of(pages) == [("1", "2")]
    assert bad_of(pages) == [(2, 3, "3,4,5", "a value in column 3, which has no name")]


def test_a_million_columns() -> None:
    with pytest.raises(TooManyColumns):
        pages_of(b",".join(b"c%d" % index for index in range(2_001)) + b"\n1\n")
    with pytest.raises((HeaderNotFound, TooManyColumns, CsvUnreadable)):
        pages_of(b",".join(b"c%d" % index for index in range(1_000_000)) + b"\n1\n")
    pages = pages_of(b"a,b\n" + b"," * 1_000_000 + b"\n1,2\n")
    assert rows_of(pages) == [("1", "2")]
    ((_, _, text, reason),) = bad_of(pages)
    assert reason == "1000001 columns where 2 are due"
    assert len(text) == 1_000_000  # whole: the gate must see all of it


def test_long_rows_that_cannot_be_split_fill_no_page_beyond_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGE_BYTES", 10_000)
    pages = pages_of(b"a,b\n" + b"".join(b"%d," % n + b"," * 3_000 + b"\n" for n in range(20)) + b"1,2\n")
    assert [row.row for page in pages for row in page.malformed] == list(range(1, 21))
    assert all(sum(len(row.text) for row in page.malformed) <= 10_000 for page in pages)
    assert rows_of(pages) == [("1", "2")]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    class Endless:
        read_bytes = 0

        def read(self, size: int) -> bytes:
            self.read_bytes += size
            return b"x" * size

    source = Endless()
    with pytest.raises(CsvUnreadable):
        list(csv_pages(source, "f.csv", CsvForm(), FIELDS, 1000))
    assert source.read_bytes <= 3 * MAX_LINE


def test_the_header_is_searched_for_below_titles() -> None:
    data = b"Report of 2024\n\nprinted,by,someone\nb,a,extra\n1,2,3\n"
    pages = pages_of(data, CsvForm(header_row="search"))
    assert pages[0].table.column_names == ["b", "a", "extra"]
    assert pages[0].source_rows.to_pylist() == [5]
    assert pages_of(data, CsvForm(header_row=4))[0].table.column_names == ["b", "a", "extra"]
    other = data.replace(b"b,a,extra", "Ｂ, A ,extra".encode())
    assert pages_of(other, CsvForm(header_row="search"))[0].source_rows.to_pylist() == [5]
    with pytest.raises(HeaderNotFound):
        pages_of(b"x,y\n1,2\n", CsvForm(header_row="search"))


def test_other_forms() -> None:
    assert rows_of(pages_of(b"a;b\n1,5;'2;3'\n", CsvForm(delimiter=";", quote="'"))) == [("1,5", "2;3")]
    assert rows_of(pages_of(b'a\tb\n"1\t2\n', CsvForm(delimiter="\t", quote=None))) == [('"1', "2")]
    assert rows_of(pages_of(b"1,2\n3,4\n", CsvForm(columns=("a", "b")))) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("header", ["a,b", "a"])
def test_no_sender_can_write_the_row_that_the_reader_puts_at_the_end(
    header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark that was seen once says nothing of the next file's: a row that holds it is a row."""
    marks: list[str] = []
    made = module._new_end

    def noted() -> str:
        marks.append(made())
        return marks[-1]

    monkeypatch.setattr(module, "_new_end", noted)
    pages_of(b"a,b\n1,2\n")
    for mark in (marks[0], "\x01\x02end\x02\x01"):
        found = pages_of(f"{header}\n1\n{mark}\n2\n".encode())
        assert sum(page.rows_in for page in found) == 3
    assert len(set(marks)) == 3
