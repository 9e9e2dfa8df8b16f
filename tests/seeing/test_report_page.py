"""The report's page as it is drawn: with one batch, with few and with many, all of it is there to be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import html as lxml_html

from contracts.model import BatchRule, Sla
from hub.ids import RuleId
from tests.warehouse.feeds import contract
from warehouse.batches import Counts
from warehouse.freshness import Freshness
from warehouse.report import charts
from warehouse.report.figures import Report, Seen, buckets
from warehouse.report.page import page

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
LONG = BatchRule(
    RuleId("volume.stable"), "row_count_change", {"max_drop": "0.5"},
    label_zh="行数较上一批次的降幅不得超过一半，也不得在没有事先告知的情况下增长到数倍以上",
    label_en="The number of rows neither falls to less than half nor grows to a multiple without a word before",
)  # fmt: skip


def seen(number: int, count: int, every: timedelta) -> Seen:
    opened = NOW - every * (count - number)
    good, bad = (1_056, 2) if number == 0 else (900 + number % 90, number % 5)
    return Seen(
        batch_id=f"b{number}", kind="pull", state="loaded", counts=Counts(good + bad, good, 0, bad, 0), opened_at=opened,
        landed_at=opened + timedelta(seconds=3), loaded_at=opened + timedelta(seconds=5),
        seconds={"take": 3.0, "judge": 0.001, "load": 1.0, "publish": 0.2}, broken={"amount.range": bad} if bad else {},
        refused={}, verdicts={"volume.stable": "nothing" if number == 0 else "passed", "gone_since": "passed"}, waits=False,
    )  # fmt: skip


def drawn(count: int, every: timedelta = timedelta(hours=7)) -> tuple[str, Any]:
    feed = contract(batch_rules=(LONG,), sla=Sla(freshness_hours=24.0, latency_minutes=60))
    batches = [seen(number, count, every) for number in range(count)]
    fresh = Freshness(batches[-1].landed_at, 1.0, 24.0)
    text = page(Report(feed, 90, NOW, batches, buckets(batches, NOW, 90), False, fresh))
    return text, lxml_html.document_fromstring(text)


def width_of(text: str) -> float:
    return sum(12.0 if ord(letter) > 0x2E7F else 7.3 for letter in text)


def labels(chart: Any, css: str) -> list[Any]:
    return [one for one in chart.iter("text") if one.get("class") == css]


@pytest.mark.parametrize("count", [1, 3, 200])
def test_nothing_is_cut_off_and_no_bar_is_a_wall(count: int) -> None:
    _, whole = drawn(count)
    volumes, verdicts, freshness, latency = whole.findall(".//svg[@class='chart']")
    for chart in (volumes, verdicts, freshness, latency):
        for one in chart.iter("text"):
            words = one.text or ""
            wide = width_of(words) * {"end": 1.0, "middle": 0.5}.get(one.get("text-anchor"), 0.0)
            assert float(one.get("x")) - wide >= 0, words
            right = width_of(words) * {"end": 0.0, "middle": 0.5}.get(one.get("text-anchor"), 1.0)
            assert float(one.get("x")) + right <= charts.WIDTH, words
        for bar in chart.iter("rect"):
            assert float(bar.get("width")) <= charts.SLOT
            assert float(bar.get("y")) >= 0
    names = [one.text for one in labels(verdicts, "name")]
    assert any(name.startswith("◆ 行数较上一批次") for name in names)
    assert any(name.startswith("The number of rows") and name.endswith("…") for name in names)
    assert not any("volume.stable" in name or "amount.range" in name for name in names), "words, not ids"
    assert "◆ gone_since" in names, "a rule that the contract has no more is named by its id"
    whole_names = [one.findtext("title") for one in labels(verdicts, "name")]
    assert f"{LONG.label_zh} {LONG.label_en} (volume.stable)" in whole_names
    listed = [cell.text_content() for cell in whole.iter("td")]
    assert {"volume.stable", "amount.range", "gone_since"} <= set(listed)


def test_two_of_a_thousand_are_seen_and_the_page_says_that_they_are_drawn_higher() -> None:
    _, whole = drawn(1)
    bars = {one.get("class"): one for one in whole.find(".//svg[@class='chart']").iter("rect")}
    assert float(bars["quarantined"].get("height")) == charts.LEAST
    assert "2 行 rows" in bars["quarantined"].findtext("title")
    top = charts.HEIGHT - charts.BOTTOM - sum(float(one.get("height")) for one in bars.values())
    assert float(bars["quarantined"].get("y")) == pytest.approx(top, abs=0.02), "the parts stand on each other"
    assert "drawn at a least height" in whole.text_content()


@pytest.mark.parametrize(
    ("bar", "top", "expected"),
    [
        ([50, 50], 100, [96, 96]),
        ([99.9, 0.1, 0], 100, [189, 3, 0]),
        ([0.1, 0.1], 100, [3, 3]),
        ([0, 0], 4, [0, 0]),
    ],
)
def test_parts_are_as_high_as_they_are_and_never_too_low_to_be_seen(
    bar: Sequence[float], top: float, expected: list[float]
) -> None:
    assert charts._heights(bar, top) == pytest.approx(expected)


def test_what_was_not_judged_is_grey_and_the_legend_says_what_grey_is() -> None:
    text, whole = drawn(3)
    verdicts = whole.findall(".//svg[@class='chart']")[1]
    titles = [one.text for one in verdicts.iter("title") if ": " in (one.text or "")]
    first = next(one for one in titles if "(volume.stable): " in one)
    assert first.endswith("无可比较或无可判定 nothing to compare with or to judge")
    drawn_in = {one.get("class") for one in verdicts.iter("rect")}
    legends = {one.get("class") for svg in whole.iter("svg") if svg.get("class") == "key" for one in svg.iter("rect")}
    assert "none" in drawn_in and drawn_in <= legends
    assert "exceeded 0 times" in text and "passed 0 times" not in text


@pytest.mark.parametrize(
    "every", [timedelta(seconds=10), timedelta(seconds=70), timedelta(minutes=9), timedelta(days=30)]
)
def test_a_time_stands_once_below_the_axis(every: timedelta) -> None:
    for count in (1, 3):
        _, whole = drawn(count, every)
        freshness = whole.findall(".//svg[@class='chart']")[2]
        times = [one.text for one in labels(freshness, "tick") if re.search(r"\d:\d", one.text or "")]
        assert 2 <= len(times) == len(set(times)), times
