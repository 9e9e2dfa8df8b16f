"""Every alarm fires, once; it is repeated by policy and cleared; its notices reach log, topic and webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from contracts.catalogue import BrokenContract
from contracts.model import FeedContract, Sla
from exchange.alarms import book, webhook
from exchange.alarms.book import TOPIC
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import tail
from exchange.commands import alarm as alarm_command
from exchange.desk.feed_status import status
from exchange.errors import WebhookKeyMissing
from exchange.relay.lane import open_session
from exchange.subscribers.own_events import ALARMS
from hub import clock, log
from hub.errors import HubException
from hub.ids import FeedId, LaneId
from hub.settings import Settings, settings
from tests.exchange.firing import broken, on_disk
from tests.warehouse.feeds import HELD, contract, drop, row, rows
from warehouse import engine, way
from warehouse.engine import connection, transaction
from warehouse.errors import SourceUnknown
from warehouse.feeds import pausing
from warehouse.quarantine import replay
from warehouse.turns import book as turns

pytestmark = pytest.mark.stack

NOW = datetime.now(UTC)
PROMISED = contract(sla=Sla(freshness_hours=2))


def look(
    *contracts: FeedContract, after: float = 0, broken: tuple[BrokenContract, ...] = ()
) -> list[tuple[str, str, str]]:
    """(object, kind, change) of what is said some hours from now."""
    with clock.at(NOW + timedelta(hours=after)):
        return [(one.object, one.kind, one.change) for one in book.look(on_disk(*contracts, broken=broken))]


def test_turns_that_fail_or_that_nobody_takes_are_told(agency: Path) -> None:
    often = contract(latency="frequent", sla=Sla(schedule="* * * * *"))
    feed = often.id

    def turn(error: HubException | None) -> None:
        with transaction() as conn:
            assert turns.ring(conn, feed)
            assert turns.begin(conn, feed, "me")
            turns.end(conn, feed, 0.1, error)

    with transaction() as conn:
        turns.sync(conn, [often], serve_all=True)
    for _ in range(2):
        turn(SourceUnknown(feed=feed, source="x", sources="y"))
        assert look(often) == [], "it may pass"
    turn(SourceUnknown(feed=feed, source="x", sources="y"))
    assert look(often) == [(feed, "turns", "raised")]
    turn(None)
    assert look(often) == [(feed, "turns", "cleared")]
    assert look(often, after=1) == [(feed, "turns", "raised")], "it is due since long, and nobody takes it"
    with transaction() as conn:
        turns.serve(conn, {feed: False})
    assert look(often, after=1) == [(feed, "turns", "cleared")], "its DAG is off: nobody should"


def test_a_feed_of_which_nothing_comes_is_told_once_repeated_and_cleared(agency: Path) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    feed = PROMISED.id
    assert look(PROMISED) == []
    assert look(PROMISED, after=3) == [(feed, "freshness", "raised")]
    assert look(PROMISED, after=3.1) == look(PROMISED, after=26) == []
    assert look(PROMISED, after=27.1) == [(feed, "freshness", "repeated")]
    with connection() as conn, clock.at(NOW + timedelta(hours=28)):
        found = status(conn, PROMISED)
    assert (found.state, found.fresh, found.alarms) == ("stale", False, ("freshness",))
    drop(agency, "b.csv", rows(2, first=9))
    with clock.at(NOW + timedelta(hours=28)):
        way.run_feed(PROMISED)
    assert look(PROMISED, after=28) == [(feed, "freshness", "cleared")]
    assert look(PROMISED, after=31) == [(feed, "freshness", "raised")], "and raised anew another time"


def test_a_contract_that_breaks_on_disk_ends_no_alarm_and_is_one(agency: Path) -> None:
    """Nothing is pulled while it is broken: the feed grows older under the promise that was in use last."""
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    feed, other = PROMISED.id, broken(replace(PROMISED, id=FeedId("audit_others")))
    assert look(PROMISED, other_contract(), after=3) == [(feed, "freshness", "raised")]
    assert look(after=3.1, broken=(broken(PROMISED), other)) == [
        (feed, "contract", "raised"),
        (other.id, "contract", "raised"),
    ]
    assert look(after=3.2) == [], "a contracts folder that is not there tells nothing"
    assert look(PROMISED, after=3.3, broken=(other,)) == [(feed, "contract", "cleared")]
    with engine.transaction() as conn:
        conn.exec_driver_sql("update hub.contract_version set document = '{}'")
    folder = BrokenContract(FeedId("sample"), "feeds/sample", other.problems)
    assert look(after=3.4, broken=(broken(PROMISED), other)) == [(feed, "contract", "raised")], (
        "no contract to hold it against"
    )
    assert look(after=3.5, broken=(folder,)) == [
        ("sample", "contract", "raised"),
        (other.id, "contract", "cleared"),
    ], "its folder can't be listed"
    assert look(other_contract(), after=3.6) == [
        (feed, "freshness", "cleared"),
        (feed, "contract", "cleared"),
        ("sample", "contract", "cleared"),
    ], "there is no such feed any more"


def other_contract() -> FeedContract:
    """A feed that is there and well."""
    return replace(contract(), id=FeedId("audit_wells"))


def test_a_feed_goes_stale_under_a_contract_that_broke(agency: Path) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    found = look(after=3, broken=(broken(PROMISED),))
    assert sorted(found) == [(PROMISED.id, "contract", "raised"), (PROMISED.id, "freshness", "raised")]


def test_a_paused_feed_is_not_expected_to_be_fresh(agency: Path) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    pausing.pause(PROMISED.id, operator="Op One", reason="repair")
    assert look(PROMISED, after=30) == []
    with connection() as conn:
        assert status(conn, PROMISED).state == "paused"


def test_a_volume_that_is_not_as_agreed_and_a_held_batch(agency: Path) -> None:
    strict = contract(batch_rules=(HELD,))
    drop(agency, "a.csv", [row(1), row(2)])
    batch = way.run_feed(strict)[0].batch_id
    assert sorted(look(strict)) == [(strict.id, "held", "raised"), (strict.id, "volume", "raised")]
    assert look(strict, after=1) == []
    replay.release(strict, batch, operator="Op One", reason="the sender confirmed it")
    assert sorted(look(strict, after=2)) == [(strict.id, "held", "cleared"), (strict.id, "volume", "cleared")]


def test_events_that_wait_longer_than_promised(agency: Path) -> None:
    quick = contract(sla=Sla(latency_minutes=30))
    drop(agency, "a.csv", rows(2))
    way.run_feed(quick)
    assert look(quick) == []
    assert look(quick, after=1) == [(quick.id, "latency", "raised")]
    with engine.transaction() as conn:
        conn.exec_driver_sql("update hub.outbox set published_at = now()")
    assert look(quick, after=1) == [(quick.id, "latency", "cleared")]


def test_store_and_database_warn_at_their_share(agency: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(contract())
    assert look() == [], "no limit is set"
    monkeypatch.setenv("HUB_STORE_LIMIT_GIB", "0.000001")
    monkeypatch.setenv("HUB_DATABASE_LIMIT_GIB", "0.001")
    settings.cache_clear()
    assert look() == [("store", "storage", "raised"), ("database", "storage", "raised")]
    with connection() as conn:
        size = conn.scalar(sa.text("select pg_database_size(current_database())"))
    for share, said in ((0.69, [("database", "storage", "cleared")]), (0.71, [("database", "storage", "raised")])):
        monkeypatch.setenv("HUB_DATABASE_LIMIT_GIB", str(size / share / 1024**3))
        settings.cache_clear()
        assert look() == said


def test_a_notice_is_an_event_on_its_topic(
    agency: Path, hub_settings: Settings, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The database is this test's own, the brokers are not: on a topic that another wrote to, the relay would see a database restored.
    own = replace(TOPIC, name=f"{TOPIC.name}_{unique}", lane=f"{TOPIC.lane}_{unique}")
    monkeypatch.setattr(book, "TOPIC", own)
    drop(agency, "a.csv", rows(2))
    way.run_feed(PROMISED)
    assert look(PROMISED, after=3) == [(PROMISED.id, "freshness", "raised")]
    with Cluster(hub_settings) as cluster, open_session(LaneId(own.lane), cluster, hub_settings) as session:
        while session.turn() is not None:
            pass
    mine = [event for event in tail(own.name, 20) if event.key == PROMISED.id]
    assert mine[-1].type == "ops.alarm.raised" and mine[-1].data["kind"] == "freshness"
    jsonschema.Draft7Validator(ALARMS.schemas[mine[-1].type]).validate(mine[-1].data)
    assert "2 h" in mine[-1].data["en"] and "2 小时" in mine[-1].data["zh"]


@dataclass
class Receiver:
    """A webhook that answers what it is told to."""

    answers: list[int]
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    state = Receiver([])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers.items()), body))
            self.send_response(state.answers.pop(0) if state.answers else 204)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HUB_ALARM_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    monkeypatch.setenv("HUB_ALARM_WEBHOOK_KEY", "k" * 32)
    monkeypatch.setenv("HUB_ALARM_WEBHOOK_ATTEMPTS", "3")
    monkeypatch.setenv("HUB_STORE_LIMIT_GIB", "0.000000001")
    yield state
    server.shutdown()
    server.server_close()


def send(minutes: float) -> webhook.Sent:
    with clock.at(NOW + timedelta(minutes=minutes)):
        return webhook.send_due()


def test_the_webhook_gets_each_notice_signed_and_is_tried_again(receiver: Receiver, agency: Path) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(contract())
    receiver.answers = [500, 302]
    assert look() == [("store", "storage", "raised")]
    assert send(0) == webhook.Sent(0, 1, 0)
    assert send(0.5) == webhook.Sent(0, 0, 0), "not before its pause is over"
    assert send(1.1) == webhook.Sent(0, 1, 0), "a redirect is not followed"
    assert send(3.2) == webhook.Sent(1, 0, 0)
    assert send(9) == webhook.Sent(0, 0, 0)
    assert len(receiver.got) == 3 and len({body for _, body in receiver.got}) == 1
    headers, body = receiver.got[-1]
    stamp, _, signed = headers["Hub-Signature"].partition(",v1=")
    due = hmac.new(b"k" * 32, f"{stamp.removeprefix('t=')}.".encode() + body, hashlib.sha256).hexdigest()
    assert signed == due and re.fullmatch(r"alarm:1:1:\d{8}T\d{12}", headers["Hub-Event-Id"])
    assert json.loads(body)["change"] == "raised" and json.loads(body)["object"] == "store"


def test_the_webhook_is_given_up_after_so_many_tries(
    receiver: Receiver, agency: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(contract())
    receiver.answers = [500] * 9
    look()
    assert [send(minutes) for minutes in (0, 2, 9, 90)][2:] == [webhook.Sent(0, 0, 1), webhook.Sent(0, 0, 0)]
    assert len(receiver.got) == 3
    monkeypatch.delenv("HUB_ALARM_WEBHOOK_KEY")
    settings.cache_clear()
    with pytest.raises(WebhookKeyMissing):
        webhook.send_due()


def test_the_command_lists_what_is_open(agency: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(agency, "a.csv", rows(2))
    way.run_feed(contract())
    monkeypatch.setenv("HUB_STORE_LIMIT_GIB", "0.000000001")
    settings.cache_clear()
    log.configure("error")
    nothing = CliRunner().invoke(alarm_command.app, ["list"]).stdout
    assert "no alarm is open" in nothing and "没有未解除的告警" in nothing
    result = CliRunner().invoke(alarm_command.app, ["check", "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert ("store", "raised") in [(one["object"], one["change"]) for one in json.loads(result.stdout)["notices"]]
    listed = CliRunner().invoke(alarm_command.app, ["list", "--json"])
    assert [one["kind"] for one in json.loads(listed.stdout)] == ["storage"]
