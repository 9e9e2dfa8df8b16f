"""Published records through the drop folder, row by row against an independent reading of the file."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from connectors.base import Window
from hub.settings import load_settings
from tests.connectors.making import all_numbers, contract, folder, opened, read

REAL = load_settings().shared_data / "real"
TEXTS = {
    "audit/us-fac-findings-2024q1/fac_findings_2024-02-01_2024-03-20.csv": "utf-8",
    "finance/gb-leeds-spend-500-2013/2013-09.csv": "windows-1252",
    "finance/gb-oxford-spend-500/expenditure-over-500-apr-jun-2015.csv": "utf-8",
    "finance/gb-oxford-spend-500/expenditure-over-500-jul-sep-2017.csv": "utf-8",
}
BOOKS = (
    "audit/us-fac-findings-2024q1/raw/2024-03-14-findings.xlsx",
    "inspection/us-hud-public-housing-2019/2019-04-11-public-housing-physical-inspection-scores-2019.xlsx",
)


def through(name: str, **options: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    if not (REAL / name).is_file():
        pytest.skip(f"the published records are not at {REAL}: set HUB_SHARED_DATA")
    spec = contract(options={"glob": Path(name).name, **options})
    (delivery,) = opened(spec, folder((REAL / name).parent), 1_000).deliveries(Window())
    rows, malformed, pages = read(delivery)
    assert all_numbers(pages) == list(range(1, len(rows) + 1))
    return rows, malformed


@pytest.mark.parametrize("name", TEXTS)
def test_csv(name: str) -> None:
    rows, malformed = through(name, encoding=TEXTS[name])
    with (REAL / name).open(encoding="cp1252" if TEXTS[name] == "windows-1252" else "utf-8", newline="") as file:
        reader = csv.DictReader(file)
        due = [({key: value or None for key, value in row.items()}, reader.line_num) for row in reader]
    assert malformed == []
    assert len(rows) == len(due)
    for row, (own, line) in zip(rows, due, strict=True):
        assert {key: row[key] for key in own} == own
        assert row["_line"] == line - sum((value or "").count("\n") for value in own.values())


@pytest.mark.parametrize("name", BOOKS)
def test_xlsx(name: str) -> None:
    rows, malformed = through(name)
    assert malformed == []
    due = []
    for sheet in openpyxl.load_workbook(REAL / name, read_only=True, data_only=True).worksheets:
        lines = enumerate(sheet.iter_rows(values_only=True), 1)
        header = next(lines)[1]
        for number, cells in lines:
            if any(cell is not None for cell in cells):
                own = {key: _text(cell) for key, cell in zip(header, cells, strict=False) if key}
                due.append({"_unit": sheet.title, "_line": number, **own})
    assert len(rows) == len(due)
    for row, own in zip(rows, due, strict=True):
        assert {key: row[key] for key in own} == own


def _text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time().isoformat() == "00:00:00" else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return unescape(str(cell))  # the format writes control characters as _x001A_
