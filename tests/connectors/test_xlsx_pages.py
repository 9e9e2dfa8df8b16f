"""Workbooks: text as a person sees it, rows as the sheet numbers them, and no workbook that harms."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from connectors.errors import FileEmpty, HeaderNotFound, HeaderUnusable, SheetMissing, WorkbookRefused
from connectors.readers.xlsx_pages import WorkbookForm, plain_number, xlsx_pages
from contracts.page import RawPage
from hub.settings import settings
from tests.connectors.making import all_numbers

FIELDS = {"id": ("id",), "amount": ("amount",), "when": ("when",)}


def book(sheets: dict[str, Iterable[Iterable[Any]]]) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def pages_of(content: bytes, form: WorkbookForm | None = None, page_rows: int = 1000) -> list[RawPage]:
    return list(xlsx_pages(content, "f.xlsx", form or WorkbookForm(), FIELDS, page_rows))


def column(pages: list[RawPage], name: str) -> list[str | None]:
    return [value for page in pages for value in page.table.column(name).to_pylist()]


def repacked(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def test_cells_become_the_text_a_person_sees() -> None:
    cells: list[tuple[Any, str | None]] = [
        (1, "1"),
        (3.0, "3"),
        (99999999.99, "99999999.99"),
        (123456789012.34, "123456789012.34"),
        (1 / 3, "0.333333333333333"),
        (1e-12, "0.000000000001"),
        (-0.5, "-0.5"),
        ("10.550", "10.550"),
        ("00123", "00123"),
        ("123456789012345678", "123456789012345678"),
        (" 张三 ", " 张三 "),
        (True, "true"),
        (date(2024, 3, 1), "2024-03-01"),
        (datetime(2024, 3, 1, 12, 30, 5), "2024-03-01T12:30:05"),
        (clock(8, 30), "08:30:00"),
        ("#N/A", "#N/A"),
        ("#DIV/0!", "#DIV/0!"),
        (None, None),
    ]
    pages = pages_of(book({"S": [("id", "amount"), *((index, value) for index, (value, _) in enumerate(cells))]}))
    assert column(pages, "amount") == [text for _, text in cells]
    assert column(pages, "id") == [str(index) for index in range(len(cells))]


@examples(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e14, max_value=1e14), min_size=1, max_size=20)
)
def test_numbers_keep_fifteen_digits(numbers: list[float]) -> None:
    pages = pages_of(book({"S": [("id", "amount"), *(("x", number) for number in numbers)]}))
    # openpyxl writes 16 digits; a spreadsheet shows 15; what nine decimals say exactly stays.
    for text, number in zip(column(pages, "amount"), numbers, strict=True):
        assert text is not None and "e" not in text
        stored = float(f"{number:.16g}")
        assert text in (plain_number(stored), format(Decimal(repr(stored)), "f"))


def test_a_formula_gives_its_stored_value() -> None:
    plain = book({"S": [("id", "amount"), (1, "=1+1")]})
    stored = repacked(plain, lambda name, data: data.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    assert column(pages_of(stored), "amount") == ["2"]


def test_rows_are_numbered_as_in_the_sheet_and_through_all_sheets() -> None:
    content = book(
        {
            "2024": [("title",), (), (None, "id", "amount"), (None, 1, 2), (), (None, 3, 4), (), ()],
            "empty": [],
            "2025": [("id", "amount"), (5, 6)],
            "notes": [("hello",)],
        }
    )
    pages = pages_of(content, WorkbookForm(sheets=("20*", "empty"), header_row="search"), page_rows=1)
    assert [(page.unit, page.rows.to_pylist(), page.source_rows.to_pylist()) for page in pages] == [
        ("2024", [1], [4]),
        ("2024", [2], [6]),
        ("2025", [3], [2]),
    ]
    assert [page.ordinal for page in pages] == [0, 1, 2]
    assert all_numbers(pages) == [1, 2, 3]
    assert pages[0].table.column_names == ["id", "amount"]


def test_a_value_in_a_column_without_a_name_is_malformed() -> None:
    pages = pages_of(book({"S": [("id", None, "amount"), (1, None, 2), (3, "stray", 4)]}))
    assert column(pages, "id") == ["1"]
    assert [(bad.row, bad.source_row, bad.text) for page in pages for bad in page.malformed] == [(2, 3, "3\tstray\t4")]


def test_control_characters_arrive_and_a_nul_costs_its_row() -> None:
    content = book({"S": [("id", "amount"), (1, "SHA _x001A_ Towers"), (2, "x_x0000_y"), (3, "_x")]})
    pages = pages_of(content)
    assert column(pages, "amount") == ["SHA \x1a Towers", "_x"]
    assert [(bad.row, bad.text, bad.reason) for page in pages for bad in page.malformed] == [
        (2, "2\tx␀y", "a NUL character")
    ]


def test_what_is_missing_is_named() -> None:
    content = book({"S": [("x", "y"), (1, 2)]})
    with pytest.raises(SheetMissing, match=r"no sheet T.*has S"):
        pages_of(content, WorkbookForm(sheets=("T",)))
    with pytest.raises(HeaderNotFound, match="sheet S"):
        pages_of(content, WorkbookForm(header_row="search"))
    with pytest.raises(HeaderNotFound):
        pages_of(content, WorkbookForm(header_row=9))
    with pytest.raises(FileEmpty):
        pages_of(book({"S": []}))
    with pytest.raises(HeaderUnusable, match="doubled"):
        pages_of(book({"S": [("id", "id"), (1, 2)]}))
    with pytest.raises(HeaderUnusable, match="underscore"):
        pages_of(book({"S": [("id", "_row"), (1, 2)]}))


GOOD = book({"S": [("id", "amount"), *((index, index * 1.5) for index in range(200))]})


# Named, not numbered: a workbook holds the time it was made at, so its length differs from one process to the next.
CUTS = {"0": 0, "1": 1, "10": 10, "100": 100, "half": len(GOOD) // 2, "all but one byte": len(GOOD) - 1}


@pytest.mark.parametrize("cut", CUTS)
def test_a_workbook_cut_short_is_refused(cut: str) -> None:
    with pytest.raises(WorkbookRefused):
        pages_of(GOOD[: CUTS[cut]])


@examples(max_examples=100, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_refused_or_harmless(position: int, flip: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] ^= flip
    try:
        pages = pages_of(bytes(damaged))
    except (WorkbookRefused, SheetMissing, FileEmpty, HeaderUnusable):
        return
    assert column(pages, "id") == [str(index) for index in range(200)]


def test_a_zip_bomb_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "max_xlsx_bytes", 1_000_000)
    bomb = repacked(GOOD, lambda name, data: data + b" " * 2_000_000 if "sheet1" in name else data)
    assert len(bomb) < 20_000
    with pytest.raises(WorkbookRefused, match="unpacks to"):
        pages_of(bomb)


def test_a_bomb_that_states_a_small_size_is_refused() -> None:
    bomb = bytearray(repacked(GOOD, lambda name, data: data + b" " * 3_000_000 if "sheet1" in name else data))
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = 0
        while (at := bomb.find(signature, at)) >= 0:
            if bomb[at + offset : at + offset + 4] == struct.pack("<I", entry.file_size):
                bomb[at + offset : at + offset + 4] = struct.pack("<I", 1000)
            at += 4
    with pytest.raises(WorkbookRefused, match=r"false|damaged"):
        pages_of(bytes(bomb))


def test_two_far_cells_do_not_fill_the_memory() -> None:
    for rows in (
        b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        b"<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r = 'XFD1048576'><v>1</v></c></row>",
        b'<row r="1"><c><v>1</v></c>' + b"<c><v>1</v></c>" * 9_000 + b'</row><row r="1048576"><c><v>1</v></c></row>',
        b'<row r="1"><c r="A1"><v>1</v></c></row>' + b"<row/>" * 60_000 + b'<row><c r="AAA60002"><v>1</v></c></row>',
    ):

        def far(name: str, data: bytes, rows: bytes = rows) -> bytes:
            if name != "xl/worksheets/sheet1.xml":
                return data
            head, _, tail = data.partition(b"<sheetData>")
            return head + b"<sheetData>" + rows + b"</sheetData>" + tail.partition(b"</sheetData>")[2]

        with pytest.raises(WorkbookRefused, match="spans"):
            pages_of(repacked(GOOD, far))


def test_locked_old_linked_and_crowded_workbooks_are_refused() -> None:
    with pytest.raises(WorkbookRefused, match="password"):
        pages_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    with pytest.raises(WorkbookRefused, match="no workbook"):
        pages_of(b"id,amount\n1,2\n")

    def packed(names: list[str]) -> bytes:
        out = io.BytesIO(GOOD)
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, b"x")
        return out.getvalue()

    with pytest.raises(WorkbookRefused, match="from other files"):
        pages_of(packed(["xl/externalLinks/externalLink1.xml"]))
    with pytest.raises(WorkbookRefused, match="parts"):
        pages_of(packed([f"x{index}" for index in range(5_001)]))
    with pytest.warns(UserWarning), pytest.raises(WorkbookRefused, match="twice"):
        pages_of(packed(["xl/workbook.xml"]))
    locked = bytearray(GOOD)
    at = locked.find(b"PK\x01\x02")
    locked[at + 8] |= 1
    with pytest.raises(WorkbookRefused, match="password"):
        pages_of(bytes(locked))
