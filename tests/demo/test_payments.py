"""The generated vouchers: the same bytes for the same seed, the contract's elements, and a ledger that a reader of its
own can follow."""

from __future__ import annotations

import csv
import io
import re
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from stdnum.cn import ric, uscc

from contracts.reader import read
from demo.generate.ledger import Ledger
from demo.generate.payments import payments, write_csv
from hub.settings import ROOT

Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    """Read the slow and plain way, by the standard library."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("gb18030"), newline="")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], Ledger]:
    path = tmp_path_factory.mktemp("drop") / "vouchers.csv"
    ledger = write_csv(path, 6_000, 5)
    return rows_of(path), ledger


def planted(ledger: Ledger, defect: str, field: str | None = None) -> set[int]:
    return {row for one in ledger.planted if one.defect == defect and field in (None, one.field) for row in one.rows}


def test_same_seed_same_bytes_other_seed_other_vouchers(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in "abc")
    assert write_csv(one, 3_000, 5).planted == write_csv(two, 3_000, 5).planted
    write_csv(three, 3_000, 6)
    assert one.read_bytes() == two.read_bytes()
    assert not {row["Id"] for row in rows_of(one)} & {row["Id"] for row in rows_of(three)}


def test_table_and_file_hold_the_same_rows(tmp_path: Path) -> None:
    table, ledger = payments(2_000, 9, voucher="8202")
    path = tmp_path / "v.csv"
    assert write_csv(path, 2_000, 9, voucher="8202").expected() == ledger.expected()
    assert rows_of(path) == table.to_pylist()


def test_every_element_is_the_contracts(made: tuple[list[Row], Ledger]) -> None:
    contract = read(ROOT / "contracts/feeds/finance/finance_payments.odcs.yaml", root=ROOT / "contracts")
    known = {field.source_name for field in contract.fields} | set(contract.ignored)
    header = set(made[0][0])
    assert header <= known
    assert {field.source_name for field in contract.fields if field.required} <= header


def test_a_reader_of_its_own_finds_what_the_ledger_says_and_nothing_else(made: tuple[list[Row], Ledger]) -> None:
    rows, ledger = made
    found: dict[str, set[int]] = {
        name: set() for name in ("uscc", "payee", "unit", "future", "wide", "form", "person", "secret")
    }
    for number, row in enumerate(rows, start=1):
        if row["AgencyUscc"][0].isdigit() and not uscc.is_valid(row["AgencyUscc"]):
            found["uscc"].add(number)
        if row["PayeeUscc"][2:8] == "119900":
            found["payee"].add(number)
        if re.search(r"[０-９．]", row["PayAmt"]):
            found["wide"].add(number)
        elif Decimal(row["XPayAmt"]) == Decimal(row["PayAmt"]) * 10_000:
            found["unit"].add(number)
        if row["VouDate"] == "20991231":
            found["future"].add(number)
        elif not re.fullmatch(r"\d{8}", row["VouDate"]):
            found["form"].add(number)
        if any(ric.calc_check_digit(text) == text[-1] for text in re.findall(r"\d{17}[0-9X]", row["Remark"])):
            found["person"].add(number)
        if row["Remark"].startswith("秘密"):
            found["secret"].add(number)
    assert found["uscc"] == planted(ledger, "bad_check_digit")
    assert found["payee"] == planted(ledger, "division_never_existed", "PayeeUscc")
    assert found["unit"] == planted(ledger, "wan_yuan_for_yuan")
    assert found["future"] == planted(ledger, "future_date")
    assert found["wide"] == planted(ledger, "full_width_digits")
    assert found["form"] == planted(ledger, "mixed_date_form")
    assert found["person"] == planted(ledger, "informant_number")
    assert found["secret"] == planted(ledger, "secret_mark")
    assert all(found.values())


def test_copies_are_what_the_ledger_says(made: tuple[list[Row], Ledger]) -> None:
    rows, ledger = made
    times = Counter(row["Id"] for row in rows)
    twice = {number for number, row in enumerate(rows, start=1) if times[row["Id"]] > 1}
    identical = {number for number in twice if rows.count(rows[number - 1]) > 1}
    assert planted(ledger, "conflicting_duplicate") == twice - identical
    assert planted(ledger, "identical_duplicate") <= identical
    assert len(identical) == 2 * len(planted(ledger, "identical_duplicate"))


def test_figures_add_up_and_no_row_carries_two_defects(made: tuple[list[Row], Ledger]) -> None:
    rows, ledger = made
    expected = ledger.expected()
    assert (
        expected.rows_in == len(rows) == expected.loaded + expected.unchanged + expected.quarantined + expected.refused
    )
    marked = [row for one in ledger.planted for row in one.rows]
    assert len(marked) == len(set(marked))
    assert min(expected.loaded, expected.unchanged, expected.quarantined, expected.refused) > 0


def test_lines_of_one_voucher_share_its_head(made: tuple[list[Row], Ledger]) -> None:
    rows, ledger = made
    spoilt = {row for one in ledger.planted for row in one.rows}
    heads: dict[str, set[tuple[str, ...]]] = {}
    for number, row in enumerate(rows, start=1):
        if number not in spoilt:
            head = tuple(row[name] for name in ("VouDate", "AgencyUscc", "ExpFuncCode", "FundTypeCode", "XPayDate"))
            heads.setdefault(row["VoucherNo"], set()).add(head)
            assert row["ExpFuncCode"].startswith(row["ExpFuncCode2"]) and row["ExpFuncCode2"].startswith(
                row["ExpFuncCode1"]
            )
            assert row["AgencyCode"].startswith(row["SupDepCode"])
    assert all(len(seen) == 1 for seen in heads.values())
    assert len(heads) < len(rows)


def test_lines_add_up_to_their_vouchers_amount_but_where_the_ledger_says(made: tuple[list[Row], Ledger]) -> None:
    rows, ledger = made
    off = planted(ledger, "voucher_total_off")
    spoilt = {row for one in ledger.planted for row in one.rows} - off
    numbers: dict[str, set[int]] = {}
    for number, row in enumerate(rows, start=1):
        numbers.setdefault(row["VoucherNo"], set()).add(number)
    wrong = set()
    for lines in numbers.values():
        totals = {Decimal(rows[number - 1]["VoucherPayAmt"]) for number in lines}
        if lines & spoilt:
            # What doesn't load keeps no sound line of its voucher back.
            assert lines <= spoilt or len({rows[number - 1]["Id"] for number in lines}) == 1
        elif totals != {sum(Decimal(rows[number - 1]["PayAmt"]) for number in lines)}:
            wrong |= lines
    assert wrong == off
    assert len(off) == 2
    assert any(len(lines) == 2 and not lines & spoilt for lines in numbers.values())


def test_without_defects_every_row_is_sound() -> None:
    table, ledger = payments(1_000, 2, defects=False)
    assert (table.num_rows, ledger.planted, ledger.expected().loaded) == (1_000, [], 1_000)


def test_the_ledger_survives_its_file(made: tuple[list[Row], Ledger], tmp_path: Path) -> None:
    made[1].write(tmp_path / "ledger.json")
    assert Ledger.read(tmp_path / "ledger.json") == made[1]


def test_two_hundred_thousand_rows_take_seconds(tmp_path: Path) -> None:
    began = time.process_time()
    ledger = write_csv(tmp_path / "v.csv", 200_000, 1)
    # A row at a time in Python takes 30 s and more.
    assert time.process_time() - began < 12
    assert ledger.rows == 200_000
    with (tmp_path / "v.csv").open("rb") as file:
        assert sum(1 for _ in file) == 200_001
