"""Treasury vouchers 5201 (paid by the treasury) and 8202 (paid by the unit under its authority), amounts in yuan.

Element names: the electronic interface of centralised treasury payment. Made in blocks of 250,000 rows, so that
memory doesn't grow with the number of rows; a million rows take a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
from pyarrow import csv

from demo.generate import classifications as codes
from demo.generate.calendar import closed_year, span
from demo.generate.columns import Columns, copied
from demo.generate.divisions import NEVER, in_use
from demo.generate.identifiers import as_bytes, as_text, broken, elsewhere, impossible_citizen_numbers
from demo.generate.ledger import Draw, Ledger, share
from demo.generate.organisations import PAYEES, PUBLIC, Organisations, organisations
from demo.generate.text import Ints, amounts, days, digits, full_width, join, pick

FEED = "finance_payments"
BLOCK = 250_000
ENCODING = "gb18030"


def write_csv(
    path: Path, rows: int, seed: int = 1, *, defects: bool = True, voucher: str = "5201", encoding: str = ENCODING
) -> Ledger:
    """Writes a file of `rows` vouchers (CRLF, `encoding`) and returns what was planted in it."""
    ledger = Ledger(FEED, path.name, rows, seed)
    # No value holds a comma, quote or line break, and the interface's own exports quote nothing.
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        first = 0
        for table, planted in _blocks(path.name, rows, seed, defects, voucher):
            if first == 0:
                file.write((",".join(table.column_names) + "\r\n").encode(encoding))
            sink = pa.BufferOutputStream()
            csv.write_csv(table, sink, options)
            text = sink.getvalue().to_pybytes().replace(b"\n", b"\r\n")
            file.write(text if encoding == "utf-8" else text.decode("utf-8").encode(encoding))
            ledger.absorb(planted, first)
            first += table.num_rows
    return ledger


def payments(rows: int, seed: int = 1, *, defects: bool = True, voucher: str = "5201") -> tuple[pa.Table, Ledger]:
    """The same rows as a table of text columns, named as the source names them, and what was planted."""
    ledger = Ledger(FEED, "table", rows, seed)
    tables: list[pa.Table] = []
    for table, planted in _blocks("table", rows, seed, defects, voucher):
        ledger.absorb(planted, sum(one.num_rows for one in tables))
        tables.append(table)
    return pa.concat_tables(tables), ledger


def _blocks(unit: str, rows: int, seed: int, defects: bool, voucher: str) -> Iterator[tuple[pa.Table, Ledger]]:
    # Deliveries of another size or seed are other vouchers, never corrections of these.
    series = f"{voucher}-{crc32(f'{seed}:{rows}'.encode()) % 9_000 + 1_000}"
    pools = np.random.default_rng([seed, 7])
    parties = organisations(1_200, PUBLIC, 100_000, pools), organisations(6_000, PAYEES, 200_000, pools)
    for number, first in enumerate(range(0, rows, BLOCK)):
        size = min(BLOCK, rows - first)
        rng = np.random.default_rng([seed, int(voucher), number])
        draw = Draw(FEED, unit, size, seed, rng)
        # A row that does not load keeps the other lines of its voucher back, so defects of a row fall on vouchers of one line.
        base = draw.copies(share(size, 10), share(size, 5), _alone(first, size)) if defects else size
        columns = _vouchers(base, first, series, parties, rng)
        if defects:
            _spoil(columns, draw, size)
            _mistotal(columns, draw, first, rng)
        table = columns.table()
        if defects:
            table = pa.concat_tables([table, copied(table, draw.identical), _contradicting(table, draw.conflicting)])
        yield table, draw.ledger


def _vouchers(
    rows: int, first: int, series: str, parties: tuple[Organisations, Organisations], rng: np.random.Generator
) -> Columns:
    """Sound detail lines, numbered from `first`; two of three vouchers have one line, the third has two."""
    payers, payees = parties
    voucher, year = series[:4], closed_year()
    first_day, last_day = span(year)
    serial, number = _numbers(first, rows)
    head = number - number[0]
    vouchers = int(head[-1]) + 1 if rows else 0
    # What stands in the head of a voucher is drawn once for all its lines.
    payer = _skewed(len(payers), vouchers, rng)[head]
    day = np.sort(rng.integers(first_day, last_day + 1, vouchers))[head]
    function = rng.integers(0, len(codes.FUNCTIONS), vouchers)[head]
    economic = rng.integers(0, len(codes.GOVERNMENT_ECONOMIC), vouchers)[head]
    columns = Columns(rows)
    columns["AdmDivCode"] = pick(in_use(), payer % len(in_use()))
    columns["StYear"] = str(year)
    columns["VtCode"] = voucher
    columns["Id"] = join(f"V{series}-", digits(serial, 9))
    columns["VoucherNo"] = join(f"ZF{year}-{series}-", digits(number, 8))
    columns["VouDate"] = days(day)
    columns["VoucherBillId"] = join(f"B{series}-", digits(number, 9))
    columns["VoucherBillNo"] = join(f"SQ{year}-{series}-", digits(number, 8))
    columns.coded("FundType", codes.FUNDS, rng.choice(3, vouchers, p=[0.82, 0.15, 0.03])[head])
    columns.coded("BgtType", codes.BUDGETS, rng.choice(2, vouchers, p=[0.93, 0.07])[head])
    columns["PayTypeCode"], columns["PayTypeName"] = codes.PAYMENTS[voucher]
    columns["ProCatCode"], columns["ProCatName"] = codes.CATEGORY
    columns.coded("MOFDep", codes.OFFICES, payer % len(codes.OFFICES))
    columns["FileNoCode"] = join("示财预〔", str(year), "〕", digits(payer % 400 + 1, 3), "号")
    columns["SupDepCode"] = digits(payer // 20 + 101, 3)
    columns["SupDepName"] = join("示例市第", digits(payer // 20 + 101, 3), "预算主管部门")
    columns["AgencyCode"] = digits((payer // 20 + 101) * 1_000 + payer % 20 + 1, 6)
    columns["AgencyName"] = payers.names.take(pa.array(payer))
    columns["AgencyUscc"] = payers.uscc(payer)
    columns.coded("ExpFunc", codes.FUNCTIONS, function)
    for level, width in (("1", 3), ("2", 5), ("3", 7)):
        columns[f"ExpFuncCode{level}"] = pick([code[:width] for code, _ in codes.FUNCTIONS], function)
    columns.coded("GovExpEco", codes.GOVERNMENT_ECONOMIC, economic)
    columns.coded("DepExpEco", codes.DEPARTMENT_ECONOMIC, economic)
    columns.coded("DepPro", codes.PROJECTS, (payer + function) % len(codes.PROJECTS))
    columns.coded("SetMode", codes.SETTLEMENTS, rng.choice(4, vouchers, p=[0.05, 0.45, 0.4, 0.1])[head])
    columns["BusinessTypeCode"] = "1"
    columns["PayAcctNo"] = join("90", digits(payer * 37 + 100_000_000_001, 12))
    columns["PayAcctName"] = columns["AgencyName"]
    columns["PayAcctBankName"] = join("示例银行第", digits(payer % 31 + 1, 2), "支行")
    columns["XPayDate"] = days(day + rng.integers(0, 3, vouchers)[head])
    _lines(columns, payees, serial, head, rng)
    return columns


def _numbers(first: int, rows: int) -> tuple[Ints, Ints]:
    """The numbers of lines and of their vouchers: of three vouchers the third has two lines."""
    serial = np.arange(first + 1, first + rows + 1, dtype=np.int64)
    return serial, (serial * 3 + 3) // 4


def _alone(first: int, rows: int) -> Ints:
    """Lines that are the only one of their voucher."""
    serial, _ = _numbers(first, rows)
    return np.flatnonzero((serial - 1) % 4 < 2).astype(np.int64)


def _lines(columns: Columns, payees: Organisations, serial: Ints, head: Ints, rng: np.random.Generator) -> None:
    """What differs between the lines of one voucher: payee, use and amount."""
    rows = columns.rows
    payee = _skewed(len(payees), rows, rng)
    columns["PayeeAcctNo"] = join("90", digits(payee * 53 + 300_000_000_007, 12))
    columns["PayeeAcctName"] = payees.names.take(pa.array(payee))
    columns["PayeeUscc"] = payees.uscc(payee)
    columns["PayeeAcctBankName"] = join("示例银行第", digits(payee % 97 + 1, 2), "支行")
    columns["PayeeAcctBankNo"] = digits(payee % 97 + 990_000_000_001, 12)
    columns["PaySummaryName"] = pick(codes.SUMMARIES, rng.integers(0, len(codes.SUMMARIES), rows))
    paid = np.round(np.exp(rng.normal(9.5, 1.8, rows)) * 100).astype(np.int64) + 100
    starts = np.flatnonzero(np.diff(head, prepend=-1))
    columns["PayAmt"] = amounts(paid)
    columns["VoucherPayAmt"] = amounts(np.add.reduceat(paid, starts)[head] if rows else paid)
    columns["XPayAmt"] = columns["PayAmt"]
    columns["XAgentBusinessNo"] = join("JY", digits(serial, 10))
    columns["Remark"] = ""
    columns["Hold1"] = ""


def _spoil(columns: Columns, draw: Draw, size: int) -> None:
    """Plants the defects, each at its rate in ten thousand rows, and notes them."""
    at = draw.take("bad_check_digit", "AgencyUscc", "quarantined", share(size, 20))
    columns.replace("AgencyUscc", at, as_text(broken(as_bytes(columns.cells("AgencyUscc", at)))))
    at = draw.take("division_never_existed", "AdmDivCode", "quarantined", share(size, 5))
    columns.replace("AdmDivCode", at, NEVER[1])
    at = draw.take("division_never_existed", "PayeeUscc", "quarantined", share(size, 5))
    columns.replace("PayeeUscc", at, as_text(elsewhere(as_bytes(columns.cells("PayeeUscc", at)), NEVER[0])))
    at = draw.take("wan_yuan_for_yuan", "PayAmt", "quarantined", share(size, 15))
    columns.replace("PayAmt", at, amounts(at % 9_000 + 125))
    for whole in ("XPayAmt", "VoucherPayAmt"):
        columns.replace(whole, at, amounts((at % 9_000 + 125) * 10_000))
    at = draw.take("future_date", "VouDate", "quarantined", share(size, 5))
    columns.replace("VouDate", at, "20991231")
    at = draw.take("full_width_digits", "PayAmt", "normalised", share(size, 30))
    columns.replace("PayAmt", at, [full_width(text) for text in columns.cells("PayAmt", at)])
    at = draw.take("mixed_date_form", "VouDate", "normalised", share(size, 50))
    columns.replace("VouDate", at, [_spelled(text, k) for k, text in enumerate(columns.cells("VouDate", at))])
    at = draw.take("informant_number", "Remark", "masked", share(size, 2))
    columns.replace("Remark", at, [f"据举报人({number})反映" for number in impossible_citizen_numbers(len(at))])
    at = draw.take("secret_mark", "Remark", "refused", share(size, 1))
    columns.replace("Remark", at, "秘密★1年")


def _mistotal(columns: Columns, draw: Draw, first: int, rng: np.random.Generator) -> None:
    """Heads of vouchers of two lines that claim one yuan more than their lines add up to."""
    _, number = _numbers(first, columns.rows)
    pairs = np.flatnonzero(number[1:] == number[:-1])
    chosen = np.sort(rng.permutation(pairs)[: share(columns.rows, 3)])
    at = np.sort(np.concatenate([chosen, chosen + 1]))
    draw.note("voucher_total_off", "VoucherPayAmt", "quarantined", at)
    totals = [int(text.replace(".", "")) + 100 for text in columns.cells("VoucherPayAmt", at)]
    columns.replace("VoucherPayAmt", at, amounts(np.array(totals, dtype=np.int64)))


def _contradicting(table: pa.Table, index: Ints) -> pa.Table:
    """Copies of rows that claim another amount under the same key."""
    rows = copied(table, index)
    for name in ("PayAmt", "XPayAmt"):
        changed = pa.array([f"9{text}" for text in rows[name].to_pylist()], pa.string())
        rows = rows.set_column(rows.schema.get_field_index(name), name, changed)
    return rows


def _skewed(pool: int, rows: int, rng: np.random.Generator) -> Ints:
    """Positions in a pool, few of them often: as large units pay often."""
    return np.asarray((rng.random(rows) ** 2 * pool).astype(np.int64))


def _spelled(text: str, k: int) -> str:
    year, month, day = text[:4], text[4:6], text[6:]
    forms = (f"{year}-{month}-{day}", f"{year}年{int(month)}月{int(day)}日", f"{year}.{month}.{day}")
    return forms[k % len(forms)]
