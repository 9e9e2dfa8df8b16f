"""Every kind of alarm fires: in the log, in the outbox for its topic, and at the webhook; and the deadline's own story."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts.model import FeedContract
from exchange.alarms import book, deadlines, webhook
from exchange.alarms.book import TOPIC
from exchange.alarms.conditions import KINDS, Kind
from exchange.desk.feed_status import status
from hub import clock
from hub.ids import FeedId
from tests.exchange.firing import FIRING, on_disk
from tests.exchange.test_alarms import Receiver, look, receiver
from tests.warehouse.feeds import contract, drop, rows, source
from warehouse import way
from warehouse.engine import connection
from warehouse.tables import outbox

pytestmark = pytest.mark.stack
__all__ = ["receiver"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_reaches_log_topic_and_webhook(
    kind: Kind, receiver: Receiver, agency: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amiss = FIRING[kind](agency, monkeypatch)
    with clock.at(datetime.now(UTC) + timedelta(hours=amiss.hours)):
        book.look(amiss.on_disk)
        webhook.send_due()
    told = [json.loads(body) for _, body in receiver.got]
    (mine,) = [one for one in told if (one["object"], one["kind"]) == (amiss.object, kind)]
    assert mine["change"] == "raised" and mine["next"].startswith("hub ")
    assert len(mine["en"]) > 10 and any("\u4e00" <= char <= "\u9fff" for char in mine["zh"])
    with connection() as conn:
        events = conn.scalars(sa.select(outbox.c.event).where(outbox.c.topic == TOPIC.name)).all()
    assert [one["data"] for one in events if one["data"]["kind"] == kind and one["key"] == amiss.object] == [mine]
    lines = [line for line in capsys.readouterr().err.splitlines() if "alarm raised" in line]
    assert any(mine["en"] in line and f"kind={kind}" in line for line in lines), lines


FEED = contract(sources=(source("drop"), source("other")))
OTHER = replace(contract(), id=FeedId("audit_others"))


def late(state: str = "running", run: str = "scheduled__1", of: FeedContract = FEED) -> list[tuple[str, str]]:
    return [(one.kind, one.change) for one in deadlines.tell(deadlines.Late(of.id, run, 30, state))]


def test_a_late_run_is_told_once_and_repeated_while_no_later_run_has_gone_through(agency: Path) -> None:
    places = agency.parent / "places.toml"
    other = agency.parent / "other"
    other.mkdir()
    places.write_text(f'{places.read_text()}[places.other]\nroot = "{other}"\n')
    drop(agency, "before.csv", rows(2))
    way.run_feed(FEED)
    assert late() == [("deadline", "raised")]
    assert late("failed", "scheduled__2") == [], "one is open of a feed at a time"
    assert [one.run for one in deadlines.open_ones()] == ["scheduled__2"]
    with connection() as conn:
        assert status(conn, FEED).alarms == ("deadline",)
    assert look(FEED, after=1) == []
    assert look(FEED, after=25) == [(FEED.id, "deadline", "repeated")]
    drop(agency, "after.csv", rows(2, first=9))
    way.run_feed(FEED, "drop")
    assert look(FEED, after=26) == [], "the other source was not looked at since"
    drop(other, "after.csv", rows(2, first=19))
    way.run_feed(FEED, "other")
    assert look(FEED, after=26) == [(FEED.id, "deadline", "cleared")]
    assert deadlines.open_ones() == []


def test_an_alarm_of_a_run_that_is_done_or_of_a_feed_that_is_no_more_is_over(agency: Path) -> None:
    late()
    (one,) = deadlines.open_ones()
    assert [notice.change for notice in book.over(one.alarm)] == ["cleared"]
    assert book.over(one.alarm) == [], "twice changes nothing"
    assert late() == [("deadline", "raised")]
    assert look() == [], "nothing on disk at all: nothing was looked at"
    with clock.at(datetime.now(UTC)):
        (told,) = book.look(on_disk(OTHER))
    assert (
        (told.kind, told.change) == ("deadline", "cleared") and "has no contract" in told.en and "已无契约" in told.zh
    )
