"""What a person sees at the end: in both languages, within 100 columns, with no markup from outside."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from demo import report, summary
from demo.agencies.places import Folder
from demo.facts import Facts, Result
from demo.outcome import FeedLine
from demo.proof import Claim
from demo.repair import Repair
from demo.request import Request
from demo.selection import NotRun
from demo.subscriber import Reading
from hub.ids import BatchId, FeedId
from warehouse.quarantine.view import QuarantinedRow

LONGEST = "statistics_government_spending"


def row(feed: str) -> QuarantinedRow:
    return QuarantinedRow(
        BatchId("b"),
        1_234,
        feed,
        "a.csv",
        1_235,
        "K",
        ("rule",),
        {},
        "open",
        None,
        None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def shown(tmp_path: Path) -> Facts:
    words = {
        "rule": "unit_uscc_valid",
        "en": "The code is valid: check character, category, division that ever existed",
        "zh": "统一社会信用代码须有效",
        "remedy_en": "correct the value at its source and send the row again",
        "remedy_zh": "请在来源处更正该值后重新报送该行",
    }
    event = {
        "topic": "hub.testing.thing.v1",
        "partition": 5,
        "offset": 0,
        "key": "12360102MA100670XX",
        "headers": {"ce_id": f"{LONGEST}:420106|2026:1", "ce_type": "testing.thing.recorded"},
        "data": {"feed": LONGEST, "record": {"name": "[red]示例[/]" * 200}},
    }
    result = Result(
        lines=[
            FeedLine(
                LONGEST, "b", "a.csv", "pull", "loaded", 1_000_000, 900_000, 50_000, 40_000, 10_000, 900_000, 123.4,
                {f"a_rather_long_rule_{number}": 12_345 for number in range(9)},
            ),
            FeedLine("testing_quiet", None, "", "", "nothing new"),
        ],
        not_run=[NotRun(FeedId("testing_mine"), "no place testing_drop"), NotRun(FeedId("testing_torn"), "[red]", True)],
        readings={"hub.testing.thing.v1": Reading("hub.testing.thing.v1", 1, {"x"}, first=event)},
        claims=[Claim("it holds", True), Claim("it does not", False, "nothing")],
        repaired=Repair(LONGEST, "b", 5, "K|1", "PayAmt", "7.02", "70200.00", "b2", None),
        examples=[(row(LONGEST), [words])],
    )  # fmt: skip
    facts = Facts(Request(1_000, 1, False), Folder(tmp_path / "demo"), result)
    facts.seconds = {"parts up": 66.8, "feeds carried": 139.9}
    facts.where, facts.files = report.where(tmp_path, None, "K|1"), [("report 全部数字", "var/demo/report.json")]
    return facts


@pytest.mark.parametrize("kept", [True, False])
def test_it_fits_a_terminal_of_100_columns(shown: Facts, kept: bool) -> None:
    out = io.StringIO()
    summary.show(Console(file=out, width=100, highlight=False), shown, kept=kept)
    text = out.getvalue()
    copied = ("hub ", "report.json")  # lines to be copied are not wrapped
    wide = [line for line in text.splitlines() if cell_len(line.rstrip()) > 100 and not any(c in line for c in copied)]
    assert wide == []
    for heading in ("feeds 各数据源", "quarantined by rule 按规则隔离", "events on Kafka 已发布的事件", "proof 核对"):
        assert heading in text
    figures = next(line for line in text.splitlines() if line.startswith(LONGEST))
    assert figures.split()[1:] == ["1", "1,000,000", "900,000", "50,000", "40,000", "10,000", "900,000", "123"]
    assert "1 of 2 claims hold" in text and "2 项中 1 项成立" in text
    assert "testing_mine not run 未运行: no place testing_drop" in text
    assert "testing_torn not run 未运行: [red]" in text
    assert "HUB_PLACES" not in text, "the stack's own settings name the list of places"
    assert "[red]示例[/]" in text, "what came from outside is no markup"
    assert "请在来源处更正该值后重新报送该行" in text
    assert ("trace 'K|1'" in text) is kept, "a command that needs the stack is named where the stack runs"
