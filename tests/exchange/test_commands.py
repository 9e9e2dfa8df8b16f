"""The commands: JSON for programs, words for people, exit codes that say who must act."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from exchange.brokers.consume import tail
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.commands import feed, relay, topic, trace
from exchange.desk import locate
from exchange.desk.locate import Wanted
from exchange.errors import LaneUnknown, TopicUnknown
from hub import log
from hub.errors import NameUnknown
from tests.exchange.conftest import Bench

pytestmark = pytest.mark.stack

KEYS = ["甲", "乙", "丙", "甲"]


def ran(app: Any, *words: str, code: int = 0) -> str:
    log.configure("warning")  # as the shell does: the log goes to stderr, never between the JSON
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def test_relay_run_once_sends_and_status_tells(bench: Bench) -> None:
    bench.load(KEYS)
    (lane,) = json.loads(ran(relay.app, "status", "--json"))
    assert (lane["state"], lane["lag_events"]) == ("waiting", 4)
    assert json.loads(ran(relay.app, "run", "--once", "--json")) == [
        {"lane": bench.lane, "events": 4, "dead": 0, "state": "sent", "error": None}
    ]
    assert bench.lane[:8] in ran(relay.app, "status")
    bench.agrees()


def test_a_stopped_lane_ends_the_run_with_3_and_is_rebased(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    bench.sql("update hub.relay_position set cluster_id = 'elsewhere'")
    bench.load(KEYS[:1])
    said = ran(relay.app, "run", "--once", code=3)
    assert "HUB-EXC-020" in said
    assert f"hub relay rebase {bench.lane}" in " ".join(said.split())
    dry = json.loads(ran(relay.app, "rebase", bench.lane, "--dry-run", "--json"))
    assert (dry["done"], dry["to"], dry["events"], dry["why"]["code"]) == (False, "1:0", 5, "HUB-EXC-020")
    ran(relay.app, "run", "--once", code=3)
    words = ["rebase", bench.lane, "--to", "noted", "--operator", "demo-operator", "--reason", "新集群", "--json"]
    assert json.loads(ran(relay.app, *words))["done"] is True
    ran(relay.app, "run", "--once")
    bench.agrees()
    result = CliRunner().invoke(relay.app, ["rebase", "no.lane", "--operator", "a", "--reason", "b"])
    assert isinstance(result.exception, LaneUnknown)


def test_the_relay_says_in_words_how_far_it_is(bench: Bench) -> None:
    assert f"{bench.lane}  idle   nothing to send yet" in ran(relay.app, "status")
    bench.load(KEYS)
    assert "none of 1 entry sent" in ran(relay.app, "status")
    bench.relay()
    assert "all of 1 entry sent" in ran(relay.app, "status")
    bench.load(KEYS)
    assert "sent as far as record 4 of entry 1, of 2 entries" in ran(relay.app, "status")


def test_a_lane_that_is_not_there_has_not_been_sent(bench: Bench) -> None:
    result = CliRunner().invoke(relay.app, ["run", "--once", "--lane", bench.lane[:-1] + "2"])
    assert isinstance(result.exception, NameUnknown) and bench.lane in result.exception.sentence()


def test_a_dry_rebase_ends_with_the_line_that_does_it(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    bench.sql("update hub.relay_position set cluster_id = 'elsewhere'")
    said = ran(relay.app, "rebase", bench.lane, "--dry-run")
    assert "处理办法" in said
    (line,) = [line for line in said.splitlines() if line.startswith("next 下一步: hub ")]
    ran(relay.app, *shlex.split(line.split("hub relay ", 1)[1]))
    assert ran(relay.app, "run", "--once")


def test_who_may_read_a_topic_is_told_alike_everywhere(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    user = f"reader-{bench.topic[10:20]}"
    words = ["--operator", "a", "--reason", "b"]
    assert re.search("readers now +nobody", ran(topic.app, "describe", bench.topic))
    assert json.loads(ran(topic.app, "readers", bench.topic, "--json")) == []
    ran(topic.app, "grant", user, bench.topic, *words)
    (right,) = json.loads(ran(topic.app, "readers", bench.topic, "--json"))
    assert right["user"] == user
    (told,) = json.loads(ran(topic.app, "describe", bench.topic, "--json"))["readers"]
    assert told == f"{user} (groups {user}.*)"
    assert told in ran(topic.app, "describe", bench.topic)
    ran(topic.app, "revoke", user, *words)


def test_gaps_in_offsets_are_explained_where_they_are_seen(bench: Bench) -> None:
    bench.load(["甲"])
    bench.relay()
    result = CliRunner().invoke(topic.app, ["tail", bench.topic])
    assert result.stderr == "", "one event, no gap"
    bench.load(["甲"])
    bench.relay()
    result = CliRunner().invoke(topic.app, ["tail", bench.topic])
    assert "no event is missing" in result.stderr and "没有事件丢失" in result.stderr
    assert "no event is missing" in ran(topic.app, "describe", bench.topic)


def test_a_topic_that_is_not_there_tells_which_may_be_meant(bench: Bench) -> None:
    bench.load(KEYS)
    bench.relay()
    for words in (["describe"], ["tail"], ["readers"], ["grant", "some-reader", "--operator", "a", "--reason", "b"]):
        result = CliRunner().invoke(topic.app, [*words, bench.topic[:-1] + "2"])
        assert isinstance(result.exception, TopicUnknown), words
        assert bench.topic in result.exception.sentence() and "是否指" in result.exception.sentence("zh")


def test_topics_are_listed_described_and_read(bench: Bench) -> None:
    bench.load(KEYS)
    (before,) = [row for row in json.loads(ran(topic.app, "list", "--json")) if row["topic"] == bench.topic]
    assert before["state"] == "not made yet"
    bench.relay()
    rows = {row["topic"]: row for row in json.loads(ran(topic.app, "list", "--json"))}
    assert rows[bench.topic]["state"] == "as made"
    assert DEAD_LETTERS_TOPIC in rows
    about = json.loads(ran(topic.app, "describe", bench.topic, "--json"))
    assert about["partitions"] == bench.partitions
    assert len(about["ends"]) == bench.partitions
    events = json.loads(ran(topic.app, "tail", bench.topic, "-n", "2", "--json"))
    assert len(events) == 2
    assert events[0]["data"] == {"n": events[0]["data"]["n"]}
    assert bench.loaded[0][1] in ran(topic.app, "tail", bench.topic)
    assert "data" not in json.loads(ran(topic.app, "tail", bench.topic, "--no-data", "--json"))[0]
    for words in (["describe", "no.topic"], ["tail", "no.topic"]):
        assert isinstance(CliRunner().invoke(topic.app, words).exception, TopicUnknown)


def test_the_tail_is_the_end_of_each_topic(bench: Bench) -> None:
    for number in range(6):
        bench.load([f"K{number}"] * 5)
        bench.relay()
    last = [event.id for event in tail(bench.topic, 7)]
    assert sorted(last) == sorted(event_id for _, event_id in bench.loaded[-7:])
    assert list(tail(bench.topic, 0)) == []


def test_events_are_located_where_they_lie(bench: Bench) -> None:
    bench.load(KEYS * 50)
    bench.relay()
    now = datetime.now(UTC)
    picked = bench.loaded[::37]
    wanted = [Wanted(event_id, bench.topic, key, now - timedelta(minutes=1), now) for key, event_id in picked]
    wanted.append(Wanted("never:sent:1", bench.topic, "甲", now - timedelta(minutes=1), now))
    wanted.append(Wanted("never:sent:2", "no.topic", "甲", now, now))
    places = locate.find(wanted)
    truth = {event.id: (event.partition, event.offset) for event in tail(bench.topic, 10_000)}
    assert {event_id: [(place.partition, place.offset) for place in found] for event_id, found in places.items()} == {
        event_id: [truth[event_id]] for _, event_id in picked
    }


def test_feeds_are_listed_and_an_unknown_key_ends_with_1(bench: Bench) -> None:
    feeds = json.loads(ran(feed.app, "list", "--json"))
    assert feeds
    assert all(row["topic"].startswith("hub.") for row in feeds)
    assert json.loads(ran(trace.app, "no|such|key", "--json", code=1)) == []
