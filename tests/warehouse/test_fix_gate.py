"""A correction passes the gate before it is stored: what is refused changes nothing, what is masked is stored masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.model import GateRule
from hub.ids import BatchId, RuleId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows
from tests.warehouse.test_nothing_readable import CITIZEN, in_database, on_disk
from warehouse import way
from warehouse.errors import FixInvalid
from warehouse.quarantine import fixing, replay

pytestmark = pytest.mark.stack

SECRET = "秘密★5年 some body"


def corrected(hub: Hub, tmp_path: Path, *, note: str) -> tuple[BatchId, Path]:
    """A batch with two quarantined rows, and its export in which both are put right, the second with a note."""
    drop(hub.drop, "a.csv", [*rows(2), row(3, amount="-1"), row(4, amount="-2", note="fourth")])
    batch = way.run_feed(contract())[0].batch_id
    sheet = tmp_path / "rows.csv"
    assert fixing.export(batch, sheet) == 2
    text = sheet.read_text(encoding="utf-8-sig").replace("'-1", "1").replace("'-2", "2").replace("fourth", note)
    sheet.write_text(text, encoding="utf-8-sig")
    return batch, sheet


@pytest.mark.parametrize("action", ["refuse_row", "refuse_delivery"])
def test_a_refused_correction_changes_nothing(hub: Hub, tmp_path: Path, action: str) -> None:
    batch, sheet = corrected(hub, tmp_path, note=SECRET)
    made = contract(gate_rules=(GateRule(RuleId("mark"), "secrecy", action),))  # type: ignore[arg-type]
    with pytest.raises(FixInvalid) as raised:
        fixing.fix(made, batch, sheet, editor="Ed", reason="r")
    assert "row 4" in str(raised.value) and "mark" in str(raised.value)
    assert "some body" not in str(raised.value)
    assert in_database(hub, "some body") == []
    assert hub.all("select distinct state from hub.quarantine") == [("open",)]
    assert hub.value("select count(*) from hub.fix") == 0


def test_a_number_in_a_correction_is_stored_masked(hub: Hub, tmp_path: Path) -> None:
    batch, sheet = corrected(hub, tmp_path, note=f"举报人 {CITIZEN}")
    done = fixing.fix(contract(), batch, sheet, editor="Ed", reason=f"as {CITIZEN} said")
    assert (done.rows, done.values) == (2, 3)
    assert hub.value("select new_value from hub.fix where field = 'note'") == "举报人 [身份证号已遮蔽]"
    assert replay.replay(contract(), batch, operator="Op", reason="r").loaded == 2
    assert hub.value("select note from core.sample_vouchers where hub_key = 'V000004'") == "举报人 [身份证号已遮蔽]"
    assert in_database(hub, CITIZEN) == []
    assert on_disk(CITIZEN) == []


def test_a_row_that_could_not_be_split_is_gated_by_its_new_cells(hub: Hub, tmp_path: Path) -> None:
    path = drop(hub.drop, "a.csv", rows(2))
    path.write_bytes(path.read_bytes() + b"too,short\r\n")
    batch = way.run_feed(contract())[0].batch_id
    sheet = tmp_path / "rows.csv"
    fixing.export(batch, sheet)
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    headings, cells = lines[0].split(","), lines[1].split(",")
    assert headings[3:10] == ["number", "payee", "amount", "paid_on", "version", "status", "note"]
    cells[3:10] = ["V000009", "P", "1", "2026-01-31", "1", "", "机密★"]
    sheet.write_text("\r\n".join([lines[0], ",".join(cells)]), encoding="utf-8-sig")
    with pytest.raises(FixInvalid):
        fixing.fix(contract(), batch, sheet, editor="Ed", reason="r")
    assert in_database(hub, "机密★") == []
