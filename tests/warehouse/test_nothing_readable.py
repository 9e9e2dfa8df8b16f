"""What may not be stored reaches no disk and no table, under whatever name, however the process ends."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from connectors.base import Window
from contracts.model import GateRule, TopicSpec
from hub.ids import FeedId
from hub.settings import settings
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import HEADERS, REFUSING, contract, drop, row, rows, source
from warehouse import way
from warehouse.landing import intake
from warehouse.store import store

pytestmark = pytest.mark.stack

CITIZEN = "11010519491231002X"
PLANTED = "a sentence that only the sender may read"


def on_disk(text: str) -> list[Path]:
    """Files of the run directory that hold the text, or whose name does."""
    found = [path for path in settings().var.rglob("*") if path.is_file()]
    return [path for path in found if text in path.name or text.encode() in path.read_bytes()]


def in_database(hub: Hub, text: str) -> list[str]:
    """Tables of the hub with the text in any row."""
    tables = hub.all(
        "select table_schema, table_name from information_schema.tables"
        " where table_schema in ('hub', 'core', 'history') and table_type = 'BASE TABLE'"
    )
    bodies = "".join(bytes(body).decode() for (body,) in hub.all("select body from hub.receipt"))
    return [
        *(
            f"{schema}.{name}"
            for schema, name in tables
            if hub.value(f'select count(*) from {schema}."{name}" t where t::text like :text', text=f"%{text}%")
        ),
        *(["bodies of receipts"] if text in bodies else []),
    ]


@pytest.mark.parametrize("rules", [(), contract().gate_rules], ids=["no rule", "masking"])
def test_a_file_without_its_header_row_is_refused(hub: Hub, rules: tuple[GateRule, ...]) -> None:
    drop(hub.drop, "a.csv", rows(3), headers=row(1, note=f"举报人 {CITIZEN}"))
    done = way.run_feed(contract(gate_rules=rules))[0]
    assert (done.state, done.loaded) == ("refused", 0)
    assert done.reason is not None and done.reason.startswith("the gate refused the delivery")
    assert CITIZEN not in repr(done)
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])
    assert hub.value("select count(*) from hub.refusal") == 1


def test_a_number_in_a_files_name_is_masked_everywhere(hub: Hub) -> None:
    drop(hub.drop, f"{CITIZEN}.csv", rows(3))
    done = way.run_feed(contract())[0]
    assert (done.state, done.loaded, done.delivery) == ("loaded", 3, "[身份证号已遮蔽].csv")
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])
    assert hub.all("select row_no, field, rule from hub.masking") == [(-1, "_unit", "people")]
    assert way.run_feed(contract()) == [], "and it is known again"


def test_a_number_in_a_sheets_name_is_masked_with_the_workbook(hub: Hub) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = CITIZEN
    for line in (HEADERS, *rows(3)):
        sheet.append(list(line))
    book.save(hub.drop / "a.xlsx")
    made = contract(sources=(replace(source(), options={"glob": "*.xlsx", "stable_seconds": 0}),))
    done = way.run_feed(made)[0]
    assert (done.state, done.loaded) == ("loaded", 3)
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])
    assert hub.value("select count(*) from hub.landed_object where kind = 'original'") == 0


def test_an_error_that_quotes_a_header_is_masked(hub: Hub) -> None:
    drop(hub.drop, f"{CITIZEN}.csv", rows(3), headers=(CITIZEN, *HEADERS[1:-1], CITIZEN))
    done = way.run_feed(contract())[0]
    assert done.state == "refused" and done.error is not None and done.error["code"] == "HUB-SRC-015"
    assert "doubled names [身份证号已遮蔽]" in done.error["error"]
    assert CITIZEN not in repr(done)
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])


def test_nothing_of_a_delivery_is_readable_before_its_last_page_has_passed(hub: Hub) -> None:
    """Killed when the page that refuses the delivery has been through the gate."""
    drop(hub.drop, "a.csv", [*rows(2500, note=PLANTED), row(2501, note="绝密★启用前")])
    assert killed_at("collect.page_gated:3", TEST_REFUSING="1") == -signal.SIGKILL
    assert on_disk(PLANTED) == []


def test_what_passes_late_lands_as_ever(hub: Hub) -> None:
    lines = [*rows(2500), row(2501, amount="-1"), row(2502, note=f"举报人 {CITIZEN}")]
    path = drop(hub.drop, "a.csv", lines)
    path.write_bytes(path.read_bytes() + b"too,short\r\n")
    masking = contract().gate_rules[1]
    landed = []
    for rules in ((*REFUSING, masking), (replace(REFUSING[0], action="refuse_row"), masking)):
        made = contract(gate_rules=rules)
        if landed:
            made = replace(made, id=FeedId("other_vouchers"), topic=TopicSpec("hub.sample.other_vouchers.v1"))
        done = way.run_feed(made, file=path)[0]
        assert (done.state, done.rows_in, done.loaded, done.quarantined) == ("loaded", 2503, 2501, 2)
        query = "select o.sha256 from hub.landed_object o where batch_id = :b and o.kind = 'rows' order by ordinal"
        landed.append([sha256 for (sha256,) in hub.all(query, b=done.batch_id)])
    assert len(landed[0]) > 2
    assert landed[0] == landed[1]
    assert (on_disk(CITIZEN), in_database(hub, CITIZEN)) == ([], [])


def test_a_mark_on_a_later_sheet_refuses_what_came_before(hub: Hub) -> None:
    book = openpyxl.Workbook()
    for title in ("一月", "机密★5年"):
        sheet = book.create_sheet(title)
        for line in (HEADERS, *rows(3, note=PLANTED)):
            sheet.append(list(line))
    book.remove(book.worksheets[0])
    book.save(hub.drop / "a.xlsx")
    made = contract(sources=(replace(source(), options={"glob": "*.xlsx", "stable_seconds": 0}),))
    written: list[str] = []
    kept = store().__class__.writer

    def writer(self, path, **more):  # type: ignore[no-untyped-def]
        written.append(path)
        return kept(self, path, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store().__class__, "writer", writer)
        assert way.run_feed(made)[0].state == "refused"
    assert written == []


def test_a_delivery_that_turns_out_known_leaves_no_folder(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(hub.drop, "a.csv", rows(3))
    way.run_feed(contract())
    now = datetime.now(UTC)
    again = Window(interval_start=now - timedelta(days=1), interval_end=now + timedelta(days=1))

    def died(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(intake, "discard", died)
        with pytest.raises(KeyboardInterrupt):
            way.run_feed(contract(), None, again)
    assert hub.value("select count(*) from hub.batch where state = 'opened'") == 1, "its folder has an owner still"
    assert [one.repeated for one in way.run_feed(contract(), None, again)] == [True]
    assert len([path for path in store().list("landing") if path.endswith(".arrow")]) == 1


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("form", ["title with a mark", "title with a number", "one line without a header"])
def test_what_stands_around_the_rows_is_gated_before_the_file_is_kept(hub: Hub, ending: str, form: str) -> None:
    secret = {"title with a mark": f"机密★5年 {PLANTED}"}.get(form, f"{PLANTED} {CITIZEN}")
    lines = [row(1, note=secret)] if form == "one line without a header" else [[secret], list(HEADERS), *rows(3)]
    path = hub.drop / f"a.{ending}"
    if ending == "csv":
        drop(hub.drop, "a.csv", lines[1:], headers=lines[0])
    else:
        book = openpyxl.Workbook()
        assert book.active is not None
        for line in lines:
            book.active.append(list(line))
        book.save(path)
    header = 1 if form == "one line without a header" else 2
    made = contract(
        sources=(replace(source(), options={"glob": "*.*", "stable_seconds": 0, "header_row": header}),),
    )
    done = way.run_feed(made)[0]
    assert done.state == ("loaded" if form == "title with a number" else "refused")
    assert (on_disk(PLANTED), in_database(hub, PLANTED)) == ([], [])
    assert store().list("originals") == [], "a workbook is packed: its text can't be searched for"


def test_a_title_that_hides_nothing_is_kept_with_its_file(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [HEADERS, *rows(3)], headers=["2026年1月凭证"])
    made = contract(sources=(replace(source(), options={"glob": "*.*", "stable_seconds": 0, "header_row": 2}),))
    assert way.run_feed(made)[0].loaded == 3
    assert len(store().list("originals")) == 1
