"""What observers are told of a feed's whole way on the real parts: a receiver of OTLP, OpenLineage's events, and ones that hang."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contracts.model import TopicSpec
from exchange.relay import seen as relay_seen
from exchange.relay.serve import drain
from hub import emitting, telemetry
from hub.errors import HubException
from hub.settings import settings
from tests.seeing.receiver import attributes, hanging, receiver
from tests.seeing.test_lineage import JUDGE, judged
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import HELD, contract, drop, row, rows
from warehouse import way
from warehouse.lineage import datasets
from warehouse.quarantine import replay

pytestmark = pytest.mark.stack

CITIZEN = "11010519491231002X"
# Long enough that no identifier or number of what is sent holds it by chance: it is looked for among bytes.
PAYEE = "PAYEE-of-the-second-row"


@pytest.fixture
def observe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_to(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    return set_to


def told(events: Path) -> list[dict[str, Any]]:
    assert emitting.flush(20)
    return [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]


def taken(hub: Hub, unique: str) -> tuple[Any, Any]:
    """A feed with ten rows in: seven load, two are quarantined, one refused; published."""
    feed = contract(topic=TopicSpec(f"hub.sample.t{unique}.v1"))
    lines = [*rows(7), row(8, amount="-1"), row(9, payee=""), row(10, note="机密★20年")]
    lines[0] = row(1, note=f"身份证 {CITIZEN}")
    lines[1] = row(2, payee=PAYEE)
    drop(hub.drop, f"张三{CITIZEN}.csv", lines)
    (done,) = way.run_feed(feed)
    assert (done.rows_in, done.loaded, done.quarantined, done.refused) == (10, 7, 2, 1)
    (sent,) = drain([feed.topic.name], timeout=60)
    assert sent.events == 7, sent
    return feed, done


def test_a_collector_sees_rows_steps_and_the_topic_and_nothing_personal(
    hub: Hub, observe: Callable[..., None], unique: str
) -> None:
    with receiver() as got:
        observe(HUB_OTLP_ENDPOINT=got.url)
        feed, done = taken(hub, unique)
        relay_seen.Lags().tell()
        assert emitting.flush(30)
    assert got.wrong == []
    name, lane = feed.id, feed.topic.name
    rows_told = {key: point.as_int for key, point in got.points("hub.rows").items()}
    assert rows_told == {
        (name, "in"): 10,
        (name, "loaded"): 7,
        (name, "unchanged"): 0,
        (name, "quarantined"): 2,
        (name, "refused"): 1,
    }
    by_rule = {key: point.as_int for key, point in got.points("hub.rows.quarantined").items()}
    assert by_rule == {(name, "amount.range"): 1, (name, "payee.required"): 1}
    assert got.points("hub.batches")[name, "loaded"].as_int == 1
    assert got.points("hub.runs")[name, "complete"].as_int == 1
    assert got.points("hub.events.published")[lane,].as_int == 7
    assert got.points("hub.lag.events")[lane,].as_int == 0
    assert got.points("hub.lag.seconds")[lane,].as_double == 0
    assert abs(got.points("hub.feed.loaded")[name,].as_double - time.time()) < 600
    steps = {step for _, step in got.points("hub.step.duration")}
    assert {"read", "gate", "land", "check", "judge", "load"} <= steps
    assert got.points("hub.step.duration")[name, "load"].sum > 0

    batch, trace = got.span("batch"), uuid.UUID(done.batch_id).bytes
    assert batch.trace_id == trace and attributes(batch)["loaded"] == 7
    below = {span.name: span for span in got.spans if span.parent_span_id == batch.span_id}
    assert {"read", "gate", "land", "check", "judge", "load", "publish"} <= set(below)
    assert all(span.trace_id == trace for span in below.values())
    assert attributes(below["publish"])["events"] == 7
    assert batch.start_time_unix_nano <= below["load"].start_time_unix_nano < below["load"].end_time_unix_nano
    assert below["load"].end_time_unix_nano <= batch.end_time_unix_nano < below["publish"].end_time_unix_nano
    assert attributes(got.span("feed.run"))["batches"] == 1

    named = {one for span in got.spans for one in attributes(span)}
    named |= {one for metric in telemetry.METRICS for point in got.points(metric).values() for one in attributes(point)}
    assert named and named <= telemetry.LABELS
    assert {attributes(one)["service.name"] for one in got.resources} == {"supervision-hub"}
    now = settings()
    secrets = [str(sa.make_url(now.url()).password), now.kafka_password.get_secret_value()]  # type: ignore[union-attr]
    for word in (CITIZEN, "张三", "机密", "V000001", PAYEE, *secrets):
        assert not any(word.encode() in body for body in got.bodies), word


def test_a_run_that_fails_is_an_error_with_its_code(hub: Hub, observe: Callable[..., None], tmp_path: Path) -> None:
    events = tmp_path / "seen" / "events.jsonl"
    with receiver() as got:
        observe(HUB_OTLP_ENDPOINT=got.url, HUB_LINEAGE_URL=f"file://{events}")
        feed = contract()
        hub.drop.rmdir()
        with pytest.raises(HubException) as failed:
            way.run_feed(feed)
        start, end = told(events)
    span = got.span("feed.run")
    assert (span.status.code, attributes(span)["code"]) == (2, failed.value.code)
    assert got.points("hub.runs")[feed.id, "failed"].as_int == 1
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert end["run"]["facets"]["errorMessage"]["message"] == failed.value.code


def test_lineage_names_what_is_there_and_counts_it(
    hub: Hub, observe: Callable[..., None], tmp_path: Path, unique: str
) -> None:
    events = tmp_path / "events.jsonl"
    observe(HUB_LINEAGE_URL=f"file://{events}")
    feed, _ = taken(hub, unique)
    start, end = told(events)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert (end["job"]["namespace"], end["job"]["name"]) == ("supervision-hub", feed.id)
    (source,) = end["inputs"]
    assert source["namespace"] == f"file://{socket.gethostname()}"
    assert Path(source["name"]) == hub.drop and Path(source["name"]).is_dir()
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 10
    table, topic = end["outputs"]
    url = sa.make_url(settings().url())
    assert table["namespace"] == f"postgres://{url.host}:{url.port}"
    database, schema, name = table["name"].split(".")
    found = hub.value("select count(*) from information_schema.tables where table_catalog = :d and table_schema = :s and table_name = :n", d=database, s=schema, n=name)  # fmt: skip
    assert found == 1
    assert hub.value(f'select count(*) from "{schema}"."{name}"') == 7
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert [field["name"] for field in table["facets"]["schema"]["fields"]] == [spec.name for spec in feed.fields]
    assert topic["namespace"] == f"kafka://{settings().kafka_bootstrap}"
    assert topic["name"] == feed.topic.name
    text = events.read_text(encoding="utf-8")
    if JUDGE.exists():
        assert judged(text).returncode == 0
    assert CITIZEN not in text and "张三" not in text and str(url.password) not in text


def test_a_release_and_a_pull_with_nothing_are_runs_too(hub: Hub, observe: Callable[..., None], tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    observe(HUB_LINEAGE_URL=f"file://{events}")
    feed = contract(batch_rules=(HELD,))
    drop(hub.drop, "few.csv", rows(2))
    (held,) = way.run_feed(feed)
    assert held.state == "held"
    replay.release(feed, held.batch_id, operator="a person", reason="looked at")
    way.run_feed(feed)
    found = told(events)
    assert [event["eventType"] for event in found] == ["START", "COMPLETE"] * 3
    assert len({event["run"]["runId"] for event in found}) == 3
    check = found[1]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert check == [{"assertion": HELD.id, "success": False}]
    assert [event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] for event in found[1::2]] == [0, 2, 0]


def test_an_http_endpoint_takes_events_with_the_token(hub: Hub, observe: Callable[..., None]) -> None:
    with receiver() as got:
        observe(HUB_LINEAGE_URL=f"{got.url}/api/v1/lineage", HUB_LINEAGE_TOKEN="t0ken")
        way.run_feed(contract())
        assert emitting.flush(20)
    assert [event["eventType"] for event in got.documents] == ["START", "COMPLETE"]
    assert {one["authorization"] for one in got.headers} == {"Bearer t0ken"}
    assert {one["content-type"] for one in got.headers} == {"application/json"}


def test_observers_that_hang_or_refuse_hold_up_and_fail_no_load(hub: Hub, observe: Callable[..., None]) -> None:
    feed = contract()
    drop(hub.drop, "warm.csv", rows(50))
    way.run_feed(feed)  # tables, imports
    drop(hub.drop, "alone.csv", rows(2000, first=1000))
    started = time.monotonic()
    (alone,) = way.run_feed(feed)
    alone_seconds = time.monotonic() - started
    with hanging() as url, receiver(status=500) as refusing:
        observe(HUB_OTLP_ENDPOINT=url, HUB_LINEAGE_URL=f"{refusing.url}/api/v1/lineage")
        drop(hub.drop, "watched.csv", rows(2000, first=5000))
        started = time.monotonic()
        (watched,) = way.run_feed(feed)
        seconds = time.monotonic() - started
        emitting.flush(1)
    assert (alone.state, watched.state, watched.loaded) == ("loaded", "loaded", 2000)
    # An observer's time-outs are 2 s each: none of them is waited for.
    assert seconds < alone_seconds + 1.5
    assert refusing.documents


def test_names_hold_no_user_password_or_query(hub: Hub, tmp_path: Path, observe: Callable[..., None]) -> None:
    places = tmp_path / "more.toml"
    places.write_text(
        '[places.api]\nbase_url = "https://data.example.org:8443/v2"\n'
        '[places.books]\nhost = "db.example.org"\ndialect = "postgresql+psycopg"\ndatabase = "books"\nuser = "reader"\n'
    )
    observe(HUB_PLACES=str(places))
    feed = contract()
    api = replace(feed.sources[0], place="api", options={"path": "/findings?token=abc"})
    books = replace(feed.sources[0], place="books", options={"table": "vouchers", "schema": "ledger"})
    gone = replace(feed.sources[0], place="nowhere")
    assert datasets.of_source(api) == datasets.Dataset("https://data.example.org:8443", "/v2/findings")
    assert datasets.of_source(books) == datasets.Dataset("postgres://db.example.org:5432", "books.ledger.vouchers")
    assert datasets.of_source(gone) is None


def test_a_delivery_given_twice_by_hand_is_counted_once_and_its_folder_is_not_told(
    hub: Hub, observe: Callable[..., None], tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    with receiver() as got:
        observe(HUB_OTLP_ENDPOINT=got.url, HUB_LINEAGE_URL=f"file://{events}")
        feed, given = contract(), drop(tmp_path, "given.csv", rows(3))
        assert [one.repeated for _ in range(2) for one in way.run_feed(feed, file=given)] == [False, True]
        found = told(events)
    assert got.points("hub.rows")[feed.id, "in"].as_int == 3
    assert got.points("hub.runs")[feed.id, "complete"].as_int == 2
    assert [event["inputs"] for event in found] == [[]] * 4
    assert [event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] for event in found[1::2]] == [3, 0]
    assert str(tmp_path) not in events.read_text(encoding="utf-8")
