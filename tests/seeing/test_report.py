"""A feed's report: what it shows is what the tables say, and the page needs nothing else and tells nothing personal."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import etree
from lxml import html as lxml_html
from typer.testing import CliRunner

from contracts.model import BatchRule, FeedContract, Sla
from exchange.desk.feed_status import status
from exchange.relay.serve import drain
from hub import clock
from hub.errors import NameUnknown
from hub.ids import RuleId, new_batch_id
from tests.seeing.test_docs import OUTSIDE
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, row, rows
from warehouse import way
from warehouse.commands import report
from warehouse.engine import transaction
from warehouse.quarantine import replay
from warehouse.report import figures
from warehouse.report.errors import ReportNotWritten
from warehouse.report.page import page
from warehouse.tables import batch

pytestmark = pytest.mark.stack

CITIZEN = "11010519491231002X"
AT_LEAST = BatchRule(
    RuleId("batch.rows"), "row_count", {"min": "5"}, gate=True, label_zh="行数", label_en="Row <count>"
)


def made(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(report.app, ["feed", *words])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def text_of(chart: Any) -> list[str]:
    return [title.text for title in chart.iter("title")]


def test_report_status_and_alarm_have_one_freshness(hub: Hub) -> None:
    """A delivery that is held and released later came when it came."""
    feed = contract(batch_rules=(AT_LEAST,), sla=Sla(freshness_hours=2))
    drop(hub.drop, "a.csv", rows(7))
    way.run_feed(feed)
    drop(hub.drop, "few.csv", rows(2, first=50))
    (held,) = (one for one in way.run_feed(feed) if not one.repeated)
    replay.release(feed, held.batch_id, operator="Op One", reason="the sender confirmed it")
    # As if that had taken four hours, of which the second delivery came in the third.
    now = datetime.now(UTC)
    with transaction() as conn:
        conn.exec_driver_sql("update hub.source_look set found_at = now() - interval '9 hours'")
        conn.exec_driver_sql(
            "update hub.batch set landed_at = now() - interval '4 hours', loaded_at = now() - interval '4 hours'"
        )
        conn.execute(
            sa.update(batch).where(batch.c.batch_id == held.batch_id).values(landed_at=now - timedelta(hours=1))
        )
    for later, age, is_fresh in ((0.0, 1.0, True), (2.0, 3.0, False)):
        with clock.at(now + timedelta(hours=later)), transaction() as conn:
            told, shown = status(conn, feed), figures.of_feed(conn, feed, 90)
        assert (told.age_hours, told.fresh) == (shown.freshness.age_hours, shown.freshness.fresh) == (age, is_fresh)
        assert len(list(shown.came())) == 2
        words = page(shown)
        assert "since something new came" in words and ("<li class=late>" in words) is not is_fresh


def test_the_page_shows_what_became_of_the_batches(hub: Hub, tmp_path: Path, unique: str) -> None:
    feed = contract(
        batch_rules=(AT_LEAST,), sla=Sla(freshness_hours=30.0, latency_minutes=60), name_en="<script>x</script>"
    )
    drop(hub.drop, f"张三{CITIZEN}.csv", [*rows(7), row(8, amount="-1"), row(9, payee=""), row(10, note="机密★20年")])
    way.run_feed(feed)
    drop(hub.drop, "few.csv", rows(2, first=50))
    (held,) = (one for one in way.run_feed(feed) if not one.repeated)
    assert held.state == "held"
    drain([feed.topic.name], timeout=60)
    target = tmp_path / "report.html"
    told = json.loads(made(feed.id, "--html", str(target), "--json").stdout)
    assert told == {"feed": feed.id, "html": str(target), "days": 90, "batches": 2, "rows_in": 12, "loaded": 7,
                    "unchanged": 0, "quarantined": 4, "refused": 1}  # fmt: skip

    text = target.read_text(encoding="utf-8")
    for word in ("张三", CITIZEN, "机密★20年", "V000001", "few.csv"):
        assert word not in text
    whole = lxml_html.document_fromstring(text)
    assert not [one for one in whole.iter() if one.tag in ("script", "img", "link", "iframe", "object", "a")]
    assert not OUTSIDE.search(text)
    assert "default-src 'none'" in text and "&lt;script&gt;" in text
    assert whole.findtext(".//h1").strip() == feed.name_zh

    charts = whole.findall(".//svg[@class='chart']")
    assert len(charts) == 4
    volumes, verdicts, _, latency = charts
    said = text_of(volumes)
    assert [one.split(" · ")[1] for one in said] == [
        "已入库 loaded: 7 行 rows",
        "进入隔离区 quarantined: 2 行 rows",
        "闸口拒收 refused: 1 行 rows",
        "进入隔离区 quarantined: 2 行 rows",
    ]
    said = [one.split(" · ", 1)[1] for one in text_of(verdicts) if " · " in one]
    for verdict in ("通过 passed 1/1", "挂起 held 1/1"):
        assert f"行数 Row <count> (batch.rows): {verdict}" in said
    for rule in ("amount.range", "mark"):
        assert any(one.endswith(f"({rule}): 1 行 rows (10.0%)") for one in said)
    assert any("转发至主题 relay to the topic" in one for one in text_of(latency))
    words = whole.text_content()
    assert "挂起的批次" in words and "≤ 30.0 小时 h" in words and "契约要求：60 分钟以内。" in words

    replay.reject(feed, held.batch_id, operator="a person", reason="too few")
    made(feed.id, "--html", str(target))
    assert "挂起的批次" not in target.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.glob(".report*")] == []


def fill(feed: FeedContract, days: int, a_day: int, now: datetime) -> None:
    """Batches as if the feed had run for long."""
    lines = []
    for number in range(days * a_day):
        opened = now - timedelta(days=days) + timedelta(hours=24 / a_day * number + 2)
        if number % 31 in (3, 4, 5, 6):  # an outage now and then
            continue
        bad = number % 13
        late = timedelta(seconds=20 + number % 40)
        lines.append(
            {
                "batch_id": new_batch_id(), "feed": feed.id, "contract_version": "1.0.0", "contract_sha256": "0" * 64,
                "kind": "pull", "source": "drop", "delivery": "x", "state": "loaded", "rows_in": 1000 + number % 300,
                "rows_loaded": 900 + number % 300 - bad, "rows_unchanged": 90, "rows_quarantined": bad, "rows_refused": 10,
                "rows_stale": 0, "events": 900, "opened_at": opened, "landed_at": opened + late / 2,
                "checked_at": opened + late / 2 + timedelta(seconds=2), "loaded_at": opened + late,
                "facts": {
                    "metrics": {"broken": {"amount.range": bad, "payee.required": bad // 5}},
                    "verdicts": [{"rule": "batch.rows", "passed": number % 17 != 0, "gate": False}],
                },
            }
        )  # fmt: skip
    with transaction() as conn:
        conn.execute(sa.insert(batch), lines)


def test_many_batches_are_gathered_by_days_and_the_sums_stay(hub: Hub, tmp_path: Path) -> None:
    feed = contract(batch_rules=(AT_LEAST,), sla=Sla(freshness_hours=10.0))
    way.run_feed(feed)
    now = datetime(2026, 9, 1, 4, tzinfo=UTC)
    fill(feed, 200, 4, now)
    target = tmp_path / "long.html"
    with clock.at(now):
        told = json.loads(made(feed.id, "--html", str(target), "--days", "365", "--json").stdout)
        short = json.loads(made(feed.id, "--html", str(tmp_path / "short.html"), "--days", "5", "--json").stdout)
    count, total = hub.one("select count(*), sum(rows_in) from hub.batch where delivery = 'x'")
    assert (told["batches"], told["rows_in"]) == (count, total)
    assert 12 <= short["batches"] <= 20
    whole = lxml_html.document_fromstring(target.read_text(encoding="utf-8"))
    bars = whole.find(".//svg[@class='chart']")
    assert 200 < len(text_of(bars)) <= 4 * figures.MOST_BUCKETS
    words = whole.text_content()
    late = re.search(r"exceeded (\d+) times", words)
    assert late and int(late[1]) == 26  # each outage of a day
    assert target.stat().st_size < 500_000
    for svg in whole.iter("svg"):
        etree.fromstring(etree.tostring(svg, with_tail=False))


def test_a_feed_without_batches_and_one_that_is_none(hub: Hub, tmp_path: Path) -> None:
    feed = contract()
    way.run_feed(feed)
    target = tmp_path / "none.html"
    made(feed.id, "--html", str(target))
    assert "这一时段没有批次" in target.read_text(encoding="utf-8")
    assert isinstance(made("sample_nothing", "--html", str(target), code=1).exception, NameUnknown)
    nowhere = made(feed.id, "--html", str(tmp_path / "missing" / "a.html"), code=1).exception
    assert isinstance(nowhere, ReportNotWritten)


def test_chromium_draws_it_and_asks_for_nothing(hub: Hub, tmp_path: Path) -> None:
    browser = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
    if browser is None:
        pytest.skip("no Chromium here")
    feed = contract(batch_rules=(AT_LEAST,), sla=Sla(freshness_hours=10.0))
    way.run_feed(feed)
    fill(feed, 20, 1, clock.now())
    with transaction() as conn:
        text = page(figures.of_feed(conn, feed, 90))
    target, picture = tmp_path / "report.html", tmp_path / "report.png"
    target.write_text(text, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--window-size=1100,2400", f"--screenshot={picture}", f"file://{target}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Refused to" not in done.stderr and "violates" not in done.stderr
    assert picture.stat().st_size > 30_000
