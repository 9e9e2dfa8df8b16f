"""Ways that led past the gate, on the whole way: nothing of them is readable in store, tables or events."""

from __future__ import annotations

import io
import json
import signal
import zipfile
from collections.abc import Callable
from dataclasses import replace

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.packaging.custom import StringProperty

from contracts.checks import Checker
from contracts.checks.errors import UnexpectedColumns
from contracts.model import FeedContract, GateRule
from hub.ids import RuleId
from tests.connectors.workbooks import sharing
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import HEADERS, contract, drop, row, rows, source
from tests.warehouse.test_nothing_readable import CITIZEN, PLANTED, in_database, on_disk
from warehouse import way
from warehouse.store import store

pytestmark = pytest.mark.stack


def test_rows_that_cannot_be_split_bring_nothing_in(hub: Hub) -> None:
    rules = (
        GateRule(RuleId("mark"), "secrecy", "refuse_row"),
        GateRule(RuleId("informant"), "forbidden_field", "drop_field", (), {"names": ["informant"]}),
    )
    good = [*row(1), "nobody"]
    lines = [good, [*row(2), PLANTED, "stray"], [*row(3, status="机密", note=PLANTED), "x", "stray"]]
    drop(hub.drop, "a.csv", lines, headers=(*HEADERS, "informant"))
    done = way.run_feed(contract(gate_rules=rules))[0]
    assert (done.state, done.rows_in, done.loaded, done.quarantined, done.refused) == ("loaded", 3, 1, 1, 1)
    assert (on_disk(PLANTED), in_database(hub, PLANTED)) == ([], [])
    assert hub.value("select raw->>'_text' from hub.quarantine") == ""
    assert "informant" in hub.value("select raw->>'_reason' from hub.quarantine")
    assert hub.all("select row_no, rule, action from hub.masking where row_no > 0") == [(2, "informant", "drop_field")]


def test_the_steps_put_no_number_together(hub: Hub) -> None:
    steps = ("trim", "remove_invisible", "remove_space", "remove_hyphen")
    fields = tuple(replace(one, normalise=steps) if one.name == "note" else one for one in contract().fields)
    signs = ["\u200b\u200b\u200b", "   ", "---", "\x01", "\x7f", "\u0080", "\u202a"]
    notes = [*(CITIZEN[:6] + sign + CITIZEN[6:] for sign in signs), "\u200b\u200b\u200b".join(CITIZEN)]
    drop(hub.drop, "a.csv", [row(n, note=note) for n, note in enumerate(notes)])
    done = way.run_feed(contract(fields=fields))[0]
    assert (done.state, done.loaded) == ("loaded", len(notes))
    assert hub.all("select distinct note from core.sample_vouchers") == [("[身份证号已遮蔽]",)]
    events = [json.loads(event["data"])["record"]["note"] for event in hub.events()]
    assert events == ["[身份证号已遮蔽]"] * len(notes)
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])


def _another_sheet(book: openpyxl.Workbook) -> None:
    book.create_sheet("other").append([PLANTED, CITIZEN])


def _comment(book: openpyxl.Workbook) -> None:
    book.worksheets[0]["A2"].comment = Comment(PLANTED, "me")


def _property(book: openpyxl.Workbook) -> None:
    book.custom_doc_props.append(StringProperty(name="note", value=PLANTED))


def _title(book: openpyxl.Workbook) -> None:
    book.properties.title = CITIZEN


def _footer(book: openpyxl.Workbook) -> None:
    book.worksheets[0].oddFooter.center.text = PLANTED


def _formula(book: openpyxl.Workbook) -> None:
    book.worksheets[0]["G2"] = f'=IF(1,"","{PLANTED}")'


def _nothing(_: openpyxl.Workbook) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (_nothing, True),
        (_another_sheet, False),
        (_comment, False),
        (_property, False),
        (_title, False),
        (_footer, False),
        (_formula, False),
    ],
)
def test_a_workbook_is_kept_only_where_all_of_it_was_seen(
    hub: Hub, change: Callable[[openpyxl.Workbook], None], kept: bool
) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "data"
    for line in (HEADERS, *rows(3)):
        sheet.append(list(line))
    change(book)
    book.save(hub.drop / "a.xlsx")
    done = way.run_feed(_reading("data"))[0]
    assert (done.state, done.loaded) == ("loaded", 3)
    originals = [path for (path,) in hub.all("select path from hub.landed_object where kind = 'original'")]
    assert bool(originals) is kept
    said = json.loads(store().read(hub.value("select path from hub.landed_object where kind = 'manifest'")))["delivery"]
    assert said["original_kept"] is kept
    assert ("original_not_kept" in said) is not kept
    assert PLANTED not in json.dumps(said) and CITIZEN not in json.dumps(said)
    for path in store().root.rglob("*"):
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                texts = b"".join(archive.read(name) for name in archive.namelist())
            assert PLANTED.encode() not in texts and CITIZEN.encode() not in texts


def test_a_workbook_with_a_text_that_no_cell_shows_is_not_kept(hub: Hub) -> None:
    """As a program leaves it that took out a column, and not its texts."""
    book = openpyxl.Workbook()
    book.worksheets[0].title = "data"
    for line in (HEADERS, *rows(3)):
        book.worksheets[0].append(list(line))
    whole = io.BytesIO()
    book.save(whole)
    for more in ("", f"<si><t>{PLANTED} {CITIZEN}</t></si>"):
        (hub.drop / "a.xlsx").write_bytes(sharing(whole.getvalue(), more))
        done = way.run_feed(_reading("data"))[0]
        assert (done.state, done.rows_in) == ("loaded", 3)
        assert len(store().list("originals")) == 1, "the first of the two"
    query = "select path from hub.landed_object where kind = 'manifest' and batch_id = :b"
    said = json.loads(store().read(hub.value(query, b=done.batch_id)))["delivery"]
    assert said["original_not_kept"] == "not looked at: texts that no cell shows"
    assert (on_disk(PLANTED), on_disk(CITIZEN)) == ([], [])


def test_a_secrecy_mark_in_a_workbooks_title_refuses_it(hub: Hub) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "data"
    for line in (HEADERS, *rows(3)):
        book.worksheets[0].append(list(line))
    book.properties.title = "机密★5年"
    book.save(hub.drop / "a.xlsx")
    assert way.run_feed(_reading("data"))[0].state == "refused"


def _reading(sheet: str) -> FeedContract:
    options = {"glob": "*.xlsx", "stable_seconds": 0, "sheets": sheet}
    return contract(sources=(replace(source(), options=options),))


def test_an_error_of_a_later_check_is_masked_too(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(hub.drop, "a.csv", rows(3))
    assert killed_at("collect.landed") == -signal.SIGKILL

    def refuses(_: object, page: object) -> None:
        raise UnexpectedColumns(feed="sample_vouchers", unit=f"{CITIZEN}.csv", columns=repr(CITIZEN))

    monkeypatch.setattr(Checker, "check", refuses)
    done = way.run_feed(contract())[0]
    assert done.state == "refused"
    assert "[身份证号已遮蔽]" in (done.reason or "")
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])
