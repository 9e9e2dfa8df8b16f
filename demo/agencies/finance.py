"""The finance bureau: a drop folder with a CSV file in GB18030 (5201) and a workbook (8202) from units without the interface."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import openpyxl
import pyarrow as pa

from demo.agencies.files import keep_only, put
from demo.generate.calendar import closed_year
from demo.generate.ledger import Ledger
from demo.generate.payments import payments, write_csv

WORKBOOK_ROWS = 1_000
_NUMBERS = ("PayAmt", "VoucherPayAmt", "XPayAmt")
_DATES = ("XPayDate",)


def drop(folder: Path, rows: int, seed: int) -> list[Ledger]:
    """Puts the two files into the folder, each whole or not at all, and takes out those of earlier sizes or seeds.

    A file of the same name has the same content and is left as it lies, so that its age tells the truth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv_file = folder / f"vouchers_5201_{closed_year()}_s{seed}_{rows}.csv"
    workbook = folder / f"vouchers_8202_{closed_year()}_s{seed}_{WORKBOOK_ROWS}.xlsx"
    keep_only(folder, csv_file, workbook)
    ledgers: list[Ledger] = []
    # Made even where the file lies there: the ledger comes with it, and a million rows take seconds.
    put(csv_file, lambda part: ledgers.append(write_csv(part, rows, seed)))
    table, second = payments(WORKBOOK_ROWS, seed, voucher="8202")
    if not workbook.exists():
        # A workbook holds the time it was written, so the same rows are never the same bytes.
        put(workbook, lambda part: write_workbook(table, part))
    ledgers[0].unit, second.unit = csv_file.name, workbook.name
    return [*ledgers, second]


def write_workbook(table: pa.Table, path: Path) -> None:
    """Writes one sheet as a spreadsheet program would: amounts as numbers, dates of settlement as dates, codes as text."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("授权支付")
    sheet.append(table.column_names)
    numbers = [table.column_names.index(name) for name in _NUMBERS]
    dates = [table.column_names.index(name) for name in _DATES]
    for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
        row = list(values)
        for at in numbers:
            row[at] = float(row[at]) if row[at].isascii() else row[at]
        for at in dates:
            row[at] = datetime.strptime(row[at], "%Y%m%d")
        sheet.append(row)
    book.save(path)
