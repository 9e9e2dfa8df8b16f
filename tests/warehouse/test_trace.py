"""`hub trace`: a record's story in dated lines, also of a feed whose contract is gone and of a row that the gate refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from exchange.commands import trace
from exchange.relay.serve import drain
from hub import log
from hub.errors import HubException, NameUnknown, ParameterWrong
from hub.ids import LaneId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row
from warehouse import way
from warehouse.quarantine import fixing, replay

pytestmark = pytest.mark.stack

KEY = "V000002"
DATED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+08|not yet) +")


def traced(*words: str, code: int = 0) -> Any:
    log.configure("warning")
    result = CliRunner().invoke(trace.app, list(words))
    if isinstance(result.exception, HubException):
        raise result.exception
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout) if "--json" in words else result.stdout.splitlines()


def told(*words: str) -> list[str]:
    """The lines of one story, without its head and without their dates; the dates are in order."""
    head, *lines = traced(*words)
    assert head.startswith("sample_vouchers ")
    dates = [found[1] for line in lines if (found := DATED.match(line))]
    assert len(dates) == len(lines), "every line has its date"
    assert dates == sorted(dates)
    return [DATED.sub("", line, count=1) for line in lines]


def story_of_three(hub: Hub, topic: str) -> list[str]:
    """A record that came with blanks, was corrected by its sender, broke a rule, was fixed, and came in again."""
    ours = contract(topic=contract().topic.__class__(topic))
    batches = []
    for name, line in (
        ("a.csv", row(2, amount=" 12.50 ", note=" x ")),
        ("b.csv", row(2, note="NEW", version=2)),
        ("c.csv", row(2, amount="-4", version=3)),
    ):
        drop(hub.drop, name, [line])
        batches.append(way.run_feed(ours)[0].batch_id)
    sheet = hub.drop.parent / "c-fixed.csv"
    fixing.export(batches[2], sheet)
    sheet.write_text(sheet.read_text(encoding="utf-8-sig").replace("'-4", "4"), encoding="utf-8")
    fixing.fix(ours, batches[2], sheet, editor="Li Ming", reason="a slip")
    batches.append(replay.replay(ours, batches[2], operator="Li Ming", reason="a slip").batch_id)
    (done,) = drain([LaneId(topic)], timeout=60)
    assert done.state == "sent"
    return batches


def test_a_record_tells_its_story_in_dated_lines(hub: Hub, unique: str) -> None:
    topic = f"hub.sample.t{unique}.v1"
    first, second, third, again = story_of_three(hub, topic)
    lines = told(KEY)
    assert len(lines) < 20

    def said(*parts: str) -> None:
        assert [line for line in lines if all(part in line for part in parts)], (parts, lines)

    said("delivered in a.csv (source drop), line 2, row 1, page 0 of batch", first)
    said('changed 2 fields: amount " 12.50 " → 12.50 by trim; note " x " → x by trim')
    said("checked: it keeps every rule")
    said("loaded as revision 1 in batch", first)
    said("loaded as revision 2", second, "note x → NEW")
    said("quarantined: amount.range")
    said("fixed by Li Ming: amount -4 → 4 (a slip)")
    said(f"sent the way again by Li Ming in batch {again}")
    said("loaded as revision 3", again)
    assert not [line for line in lines if "delivered" in line and again in line]
    events = {one["revision"]: one for one in traced(KEY, "--json")[0]["events"]}
    for revision, event in events.items():
        place = f"on {topic} partition {event['partition']} offset {event['offset']}"
        said(f"event sample_vouchers:{KEY}:{revision} (", place)
    assert third in " ".join(lines)


def test_json_keeps_everything(hub: Hub, unique: str) -> None:
    story_of_three(hub, f"hub.sample.t{unique}.v1")
    (one,) = traced(KEY, "--json")
    assert {"current", "history", "quarantined", "batches", "rows", "events", "refused"} <= set(one)
    assert one["rows"][0]["changed"][0] == {"field": "amount", "from": " 12.50 ", "to": "12.50", "steps": ["trim"]}
    assert one["rows"][0]["raw"]["amount"] == " 12.50 "


def test_a_record_whose_feed_is_gone_is_traced_still(hub: Hub) -> None:
    """The tests' feed has no contract on disk: only what it was loaded under is on record."""
    drop(hub.drop, "a.csv", [row(1), row(2)])
    way.run_feed(contract())
    assert "delivered in a.csv" in told(KEY, "--feed", "sample_vouchers")[0]
    assert [line for line in told(KEY) if "waits for the relay" in line]
    with pytest.raises(NameUnknown, match="did you mean sample_vouchers"):
        traced(KEY, "--feed", "sample_voucher")


def test_a_row_that_the_gate_refused_is_told_by_its_place_and_rule_alone(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2, payee="SECRET PAYEE", note="机密")])
    batch = way.run_feed(contract())[0].batch_id
    lines = told("--batch", batch[:30], "--row", "2")
    assert len(lines) == 2 and "delivered in a.csv" in lines[0] and "line 3, row 2" in lines[0]
    assert "refused at the gate: mark" in lines[1]
    everything = " ".join(lines) + json.dumps(traced("--batch", batch, "--row", "2", "--json"))
    assert not [value for value in ("SECRET PAYEE", "机密", "note 2", KEY) if value in everything]
    unknown = traced(KEY, code=1)
    assert "no feed ever saw the key" in unknown[0]
    assert [line for line in unknown if f"hub trace --batch {batch} --row 2" in line and "mark" in line]


def test_a_row_is_found_by_its_place(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2), row(3, amount="-1")])
    batch = way.run_feed(contract())[0].batch_id
    assert traced("--batch", batch, "--row", "2")[0] == f"sample_vouchers {KEY}"
    waiting = told("--batch", batch, "--row", "3")
    assert f"hub quarantine show {batch} 3" in waiting[-1]
    assert "has no row 99" in traced("--batch", batch, "--row", "99", code=1)[0]
    for words in ((), (KEY, "--batch", batch, "--row", "1"), ("--batch", batch), ("--row", "1")):
        with pytest.raises(ParameterWrong):
            traced(*words)


def test_a_refusal_at_the_second_look_is_told_too(hub: Hub, tmp_path: Path) -> None:
    batch = None
    drop(hub.drop, "a.csv", [row(2, amount="-4")])
    batch = way.run_feed(contract(gate_rules=()))[0].batch_id
    sheet = tmp_path / "s.csv"
    fixing.export(batch, sheet)
    sheet.write_text(
        sheet.read_text(encoding="utf-8-sig").replace("'-4", "4").replace("note 2", "机密"), encoding="utf-8"
    )
    fixing.fix(contract(gate_rules=()), batch, sheet, editor="Li Ming", reason="a slip")
    replay.replay(contract(), batch, operator="Li Ming", reason="a slip")
    assert [line for line in told(KEY) if "refused at the gate: mark" in line]


def test_a_value_from_outside_makes_no_line_of_the_story(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(2, note=" a\n2020-01-01 00:00:00Z  loaded \x1b[31m")])
    way.run_feed(contract())
    assert not [line for line in told(KEY) if line.startswith("loaded \\x1b") or "\x1b" in line]


def test_the_story_stands_without_the_brokers(hub: Hub, unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    story_of_three(hub, f"hub.sample.t{unique}.v1")

    def away(*_: Any) -> None:
        raise trace.HubException

    monkeypatch.setattr(trace.locate, "find", away)
    shown = "\n".join(traced(KEY))
    assert "the brokers could not be asked where" in shown and "处理办法" in shown
