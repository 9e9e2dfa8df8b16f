"""Vouchers whose lines must add up: over pages, beside bad rows, and through fix and replay."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts.checks import kept
from contracts.model import FeedContract, RowRule, TopicSpec
from hub.ids import BatchId, FeedId, RuleId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import BY, FIELDS, HEADERS, contract, drop, row, spec
from warehouse import way
from warehouse.engine import transaction
from warehouse.quarantine import fixing, replay

pytestmark = pytest.mark.stack

ADDS_UP = RowRule(
    RuleId("adds_up"),
    "group_sum",
    ("amount", "whole"),
    {"by": ["paid_on", "note"], "parts": ["amount"], "total": "whole"},
)
ALL = (*HEADERS, "whole")


def vouchers(*more: RowRule, rule: RowRule = ADDS_UP) -> FeedContract:
    fields = (*FIELDS, spec("whole", "decimal", precision=18, scale=2))
    return contract(fields=fields, row_rules=(*contract().row_rules, rule, *more))


def line(at: int, voucher: str, amount: object, whole: object, **more: object) -> list[str]:
    return [*row(at, note=voucher, amount=amount, **more), str(whole)]


def run(hub: Hub, lines: list[list[str]], made: FeedContract | None = None) -> way.BatchOutcome:
    drop(hub.drop, "a.csv", lines, ALL)
    return way.run_feed(made or vouchers())[0]


def quarantined(hub: Hub, batch: str) -> list[tuple[int, list[str], str]]:
    return hub.all("select row_no, rules, state from hub.quarantine where batch_id = :b order by 1", b=batch)


def corrected(sheet: Path, change: Callable[[dict[str, str]], None]) -> None:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for one in lines:
        change(one)
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def fix(batch: str, sheet: Path, cells: dict[tuple[int, str], str]) -> None:
    fixing.export(BatchId(batch), sheet)

    def change(one: dict[str, str]) -> None:
        for (number, name), value in cells.items():
            if one["row"] == str(number):
                one[name] = value

    corrected(sheet, change)
    fixing.fix(vouchers(), BatchId(batch), sheet, editor="Ed Two", reason="read from the voucher")


def test_a_voucher_over_pages_whose_lines_do_not_add_up_is_quarantined_whole(hub: Hub) -> None:
    far = [line(at, f"v{at}", 5, "5.00") for at in range(2, 3000)]
    lines = [line(1, "off", 1, 7), *far, line(3000, "off", 2, 7), line(3001, "good", 3, 7), line(3002, "good", 4, 7)]
    done = run(hub, lines)
    assert hub.value("select count(*) from hub.landed_object where kind = 'rows'") > 1
    assert (done.rows_in, done.loaded, done.quarantined_by_rule) == (3002, 3000, {"adds_up": 2})
    assert quarantined(hub, done.batch_id) == [(1, ["adds_up"], "open"), (3000, ["adds_up"], "open")]


def test_a_batch_that_does_not_fit_into_memory_is_judged_alike(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeats, contradictions, values that must be unique, and groups over pages."""
    lines = [line(at, f"v{at // 3}", 5, 15, version=at) for at in range(3000)]
    lines += [lines[7], line(2500, "v833", 6, 15, version=2500)]  # a repeat, and a contradiction
    lines += [line(4000, "more", 5, 5, version=30), line(4001, "odd", 5, 9, version=4001)]  # a value again, a wrong sum
    drop(hub.drop, "a.csv", lines, ALL)
    unique = RowRule(RuleId("version.unique"), "unique", ("version",), {})
    found = []
    for feed, room in (("sample_small", kept.BOUND), ("sample_large", 10)):
        monkeypatch.setattr(kept, "BOUND", room)
        monkeypatch.setattr(kept, "LOT", room // 3)
        (done,) = way.run_feed(replace(vouchers(unique), id=FeedId(feed), topic=TopicSpec(f"hub.sample.{feed}.v1")))
        found.append((done.loaded, done.unchanged, done.quarantined_by_rule, quarantined(hub, done.batch_id)))
    assert found[0] == found[1]
    assert found[0][:3] == (
        2994,
        1,
        {"_key.conflict": 2, "version.unique": 4, "adds_up": 1, "adds_up.incomplete": 4},
    )


def test_one_wrong_amount_is_fixed_and_the_whole_voucher_goes_with_it(hub: Hub, tmp_path: Path) -> None:
    lines = [line(at, "v", amount, 6) for at, amount in ((1, 1), (2, 2), (3, 33))]
    lines += [line(4, "other", 1, 9), line(5, "sound", 4, 4)]
    done = run(hub, lines)
    assert (done.loaded, done.quarantined_by_rule) == (1, {"adds_up": 4})
    fix(done.batch_id, tmp_path / "rows.csv", {(3, "amount"): "3.00"})
    again = replay.replay(vouchers(), BatchId(done.batch_id), **BY)
    assert (again.rows_in, again.loaded, again.quarantined) == (3, 3, 0)
    assert [one[2] for one in quarantined(hub, done.batch_id)] == ["replayed"] * 3 + ["open"]
    assert hub.value("select sum(amount) from core.sample_vouchers where note = 'v'") == 6


def test_the_rest_of_a_voucher_waits_for_its_bad_line(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, [line(1, "v", 1, 6), line(2, "v", 5, 6, payee=""), line(3, "w", 1, 1)])
    assert quarantined(hub, done.batch_id) == [
        (1, ["adds_up.incomplete"], "open"),
        (2, ["payee.required"], "open"),
    ]
    assert done.quarantined_by_rule == {"adds_up.incomplete": 1, "payee.required": 1}
    fix(done.batch_id, tmp_path / "rows.csv", {(2, "payee"): "P2"})
    again = replay.replay(vouchers(), BatchId(done.batch_id), **BY)
    assert (again.loaded, again.quarantined) == (2, 0)


def test_a_voucher_fixed_in_two_steps_stays_together(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, [line(1, "v", 1, 6), line(2, "v", 2, 6, payee=""), line(3, "v", 3, 6, payee="")])
    fix(done.batch_id, tmp_path / "one.csv", {(2, "payee"): "P2"})
    first = replay.replay(vouchers(), BatchId(done.batch_id), **BY)
    assert (first.rows_in, first.loaded, first.quarantined) == (3, 0, 3)
    fix(first.batch_id, tmp_path / "two.csv", {(3, "payee"): "P3"})
    assert replay.replay(vouchers(), BatchId(first.batch_id), **BY).loaded == 3


def test_a_line_put_into_its_voucher_takes_the_others_along(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, [line(1, "v", 1, 6), line(2, "v", 2, 6), line(3, "vv", 3, 6)])
    assert done.quarantined == 3
    fix(done.batch_id, tmp_path / "rows.csv", {(3, "note"): "v"})
    assert replay.replay(vouchers(), BatchId(done.batch_id), **BY).loaded == 3


def test_a_contradicted_line_stops_its_voucher_and_a_repeated_one_does_not(hub: Hub) -> None:
    lines = [line(1, "v", 1, 3), line(2, "v", 2, 3), line(2, "v", 3, 3)]
    lines += [line(4, "w", 1, 3), line(5, "w", 2, 3), line(5, "w", 2, 3)]
    done = run(hub, lines)
    assert (done.loaded, done.unchanged, done.quarantined) == (2, 1, 3)
    assert [one[1] for one in quarantined(hub, done.batch_id)] == [["adds_up.incomplete"], *[["_key.conflict"]] * 2]


def test_a_row_stopped_by_one_rule_leaves_the_groups_of_another_incomplete(hub: Hub) -> None:
    by_payee = RowRule(
        RuleId("payee_adds_up"),
        "group_sum",
        ("amount", "version"),
        {"by": ["payee"], "parts": ["amount"], "total": "version"},
    )
    lines = [line(1, "v", 1, 9, payee="P", version=3), line(2, "w", 2, 2, payee="P", version=3)]
    lines += [line(3, "x", 4, 4, payee="Q", version=4)]
    done = run(hub, lines, vouchers(by_payee))
    assert done.loaded == 1
    assert [one[1] for one in quarantined(hub, done.batch_id)] == [["adds_up"], ["payee_adds_up.incomplete"]]


def test_a_warning_counts_and_lets_through(hub: Hub) -> None:
    warning = RowRule(ADDS_UP.id, ADDS_UP.kind, ADDS_UP.fields, ADDS_UP.args, "warning")
    done = run(hub, [line(1, "v", 1, 9), line(2, "v", 1, 9), line(3, "w", 1, 1)], vouchers(rule=warning))
    assert (done.loaded, done.quarantined) == (3, 0)
    assert hub.value("select facts->'metrics'->'broken'->>'adds_up' from hub.batch") == "2"


def test_vouchers_without_a_total_load_as_ever(hub: Hub) -> None:
    done = run(hub, [line(1, "v", 1, ""), line(2, "v", 2, "", payee="")])
    assert (done.loaded, done.quarantined_by_rule) == (1, {"payee.required": 1})


def test_a_replay_whose_columns_can_not_be_read_is_refused_as_ever(hub: Hub, tmp_path: Path) -> None:
    done = run(hub, [line(1, "v", 1, 6), line(2, "v", 2, 6)])
    fix(done.batch_id, tmp_path / "rows.csv", {(1, "amount"): "4"})
    with transaction() as conn:
        conn.execute(sa.text("update hub.quarantine set raw = raw - 'amount', fixed = fixed - 'amount'"))
    again = replay.replay(vouchers(), BatchId(done.batch_id), **BY)
    assert (again.state, again.loaded) == ("refused", 0)
