"""A pushed delivery lands whole or not at all, once, and goes the way of all others after that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.client import receipts
from hub import crash
from hub.errors import TransientError
from hub.settings import settings
from tests.pushing.made import AGENCY, ndjson, push, pushed, send, written
from tests.warehouse import feeds
from tests.warehouse.conftest import Hub
from warehouse import engine, receipt, way
from warehouse.pushing import land as landing
from warehouse.pushing.errors import IdempotencyConflict, RulesChanged
from warehouse.signing import keys
from warehouse.store import store
from warehouse.takedown import taking


def jwks() -> dict[str, object]:
    with engine.transaction() as conn:
        return keys.jwks(conn)


def files(hub: Hub) -> list[str]:
    return [path for path in store().list("") if path.startswith("landing/")]


def test_a_push_goes_the_whole_way(hub: Hub) -> None:
    contract = pushed()
    rows = [*feeds.rows(4), feeds.row(5, amount="-1"), feeds.row(6, note="秘密")]
    landed = send(contract, ndjson(rows), push("first"))
    assert (landed.batch.state, landed.batch.kind, landed.repeated) == ("landed", "push", False)
    said = receipts.verify(landed.jws, jwks())
    assert said["receipt"] == "accepted" and said["position"] == landed.batch.batch_no
    assert (said["rows"], said["rows_refused"], said["agency"], said["signed"]) == (5, 1, AGENCY, True)
    (done,) = way.run_feed(contract)
    counts = (done.rows_in, done.loaded, done.unchanged, done.quarantined, done.refused)
    assert counts == (6, 4, 0, 1, 1) and done.batch_id == landed.batch.batch_id
    assert len(hub.events()) == 4
    with engine.transaction() as conn:
        version, final = receipt.signed(conn, done.batch_id) or (0, None)
    told = receipts.verify(str(final), jwks(), request_sha256=push().request_sha256)
    assert version == 1 and told["push"]["agency"] == AGENCY and told["counts"]["quarantined"] == 1
    assert way.run_feed(contract) == []


def test_the_same_delivery_gets_the_same_receipt(hub: Hub) -> None:
    contract, data = pushed(), ndjson(feeds.rows(3))
    first = send(contract, data, push("one"))
    again = send(contract, data, push("one"))
    assert again.repeated and again.jws == first.jws
    with pytest.raises(IdempotencyConflict) as told:
        send(contract, ndjson(feeds.rows(4)), push("one"))
    assert told.value.facts["batch"] == first.batch.batch_id
    assert send(contract, data, push("two")).batch.batch_id != first.batch.batch_id
    assert hub.value("select count(*) from hub.batch") == 2
    assert len({path.split("/")[2] for path in files(hub)}) == 2


def test_without_a_key_only_the_newest_is_the_same(hub: Hub) -> None:
    contract, one, two = pushed(), ndjson(feeds.rows(3)), ndjson(feeds.rows(4))
    first = send(contract, one)
    assert send(contract, one).jws == first.jws
    send(contract, two)
    third = send(contract, one)
    assert not third.repeated and third.batch.batch_no > first.batch.batch_no
    assert not send(contract, one, push(agency="other_agency")).repeated


def test_a_key_is_its_agency_s_own(hub: Hub) -> None:
    contract, data = pushed(), ndjson(feeds.rows(3))
    mine = send(contract, data, push("one"))
    theirs = send(contract, ndjson(feeds.rows(2)), push("one", agency="other_agency"))
    assert theirs.batch.batch_id != mine.batch.batch_id


def test_many_at_once_make_one_batch_each(hub: Hub) -> None:
    contract = pushed()
    bodies = [ndjson(feeds.rows(3, first=10 * number)) for number in range(4)]

    def one(number: int) -> str:
        return send(contract, bodies[number % 4], push(f"key {number % 4}")).jws

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(one, range(24)))
    assert len(set(told)) == 4 == hub.value("select count(*) from hub.batch")
    assert len({path.split("/")[2] for path in files(hub)}) == 4
    outcomes = way.run_feed(contract)
    assert [done.rows_in for done in outcomes] == [3] * 4
    order = [row[0] for row in hub.all("select batch_id from hub.batch order by batch_no")]
    assert [done.batch_id for done in outcomes] == order


def test_what_can_t_be_read_leaves_its_hash_size_and_reason(hub: Hub) -> None:
    contract, data = pushed(), b"\xff\xfe no records"
    refused = send(contract, data, push("bad"))
    assert refused.batch.state == "refused" and "HUB-PSH-010" in str(refused.batch.state_reason)
    said = receipts.verify(refused.jws, jwks())
    assert (said["receipt"], said["body"]["bytes"]) == ("refused", len(data))
    assert files(hub) == []
    assert send(contract, data, push("bad")).jws == refused.jws
    assert not send(contract, data).repeated and not send(contract, data).repeated
    row = hub.one("select body_sha256, body_bytes from hub.push where idempotency_key = 'bad'")
    assert row == (said["body"]["sha256"], len(data))
    assert way.run_feed(contract) == []


def test_what_the_gate_refuses_leaves_no_hash_that_can_be_guessed(hub: Hub) -> None:
    contract = pushed(gate_rules=feeds.REFUSING)
    data = ndjson([*feeds.rows(2), feeds.row(3, note="秘密")])
    refused = send(contract, data, push("secret"))
    assert refused.batch.state == "refused" and files(hub) == []
    said = receipts.verify(refused.jws, jwks())
    assert said["body"]["sha256"].startswith("hmac:")
    assert send(contract, data, push("secret")).jws == refused.jws
    with pytest.raises(IdempotencyConflict):
        send(contract, ndjson(feeds.rows(1)), push("secret"))
    everything = json.dumps([list(map(str, row)) for row in hub.all("select * from hub.push, hub.batch")])
    assert "秘密" not in everything and "秘密" not in str(refused.receipt)


def test_csv_and_the_kept_original(hub: Hub) -> None:
    contract, data = pushed(), written(feeds.rows(3))
    landed = send(contract, data, push(media_type="text/csv; charset=utf-8"), name="../../etc/三月.csv")
    kind, path = hub.one("select kind, path from hub.landed_object where kind = 'original'")
    assert kind == "original" and store().read(path) == data
    assert landed.batch.delivery == "三月.csv"


def test_a_record_taken_down_meanwhile_does_not_come_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = pushed()
    send(contract, ndjson(feeds.rows(2)))
    way.run_feed(contract)
    hub.all("select 1")
    with engine.transaction() as conn:
        conn.exec_driver_sql("update hub.outbox set published_at = now()")
    before = landing._Landing._land

    def slow(self: landing._Landing, total: object) -> object:
        taking.take_down(contract, "V000001", operator="Op One", reason="ordered")
        return before(self, total)  # type: ignore[arg-type]

    monkeypatch.setattr(landing._Landing, "_land", slow)
    with pytest.raises(RulesChanged) as told:
        send(contract, ndjson(feeds.rows(3)), push("late"))
    assert isinstance(told.value, TransientError)
    monkeypatch.undo()
    again = send(contract, ndjson(feeds.rows(3)), push("late"))
    assert again.batch.rows_refused == 1
    assert not any("V000001" in store().read(path).decode("utf-8", "replace") for path in files(hub))


def test_a_contract_that_only_landed_is_not_in_use(hub: Hub) -> None:
    contract = pushed()
    send(contract, ndjson(feeds.rows(2)))
    way.run_feed(contract)
    newer = replace(contract, version="1.1.0", sha256="b" * 64)
    send(newer, ndjson(feeds.rows(3)))
    (done,) = way.run_feed(newer)
    assert (done.state, done.loaded, done.unchanged) == ("loaded", 1, 2)
    used = hub.value("select sha256 from hub.contract_version order by last_used_at desc limit 1")
    assert used == newer.sha256


def run(point: str, key: str) -> subprocess.CompletedProcess[str]:
    """A process that lands the same delivery, killed at a point unless that is empty."""
    code = (
        "from tests.pushing.made import *; from tests.warehouse import feeds;"
        f"print(send(pushed(), ndjson(feeds.rows(5)), push({key!r})).jws)"
    )
    env = {**os.environ, **({crash.VARIABLE: point} if point else {})}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.crash
@pytest.mark.parametrize("point", crash.PUSH_POINTS)
def test_a_killed_door_loses_nothing_and_doubles_nothing(hub: Hub, point: str) -> None:
    died = run(point, "killed")
    assert died.returncode == -9 and died.stdout == ""
    assert hub.value("select count(*) from hub.batch") == int(point == "push.committed")
    told = run("", "killed")
    assert told.returncode == 0, told.stderr
    assert run("", "killed").stdout == told.stdout
    assert receipts.verify(told.stdout, jwks())["rows"] == 5
    (done,) = way.run_feed(pushed())
    assert (done.state, done.loaded) == ("loaded", 5) and len(hub.events()) == 5
    assert hub.value("select count(*) from hub.push") == 1


def test_the_key_is_the_file_s(hub: Hub) -> None:
    place = settings().var / "secrets" / keys.NAME
    send(pushed(), ndjson(feeds.rows(1)))
    assert place.stat().st_mode & 0o777 == 0o600
    with engine.transaction() as conn:
        before, now = keys.rotate(conn, operator="Op One", reason="yearly")
    later = send(pushed(), ndjson(feeds.rows(2)))
    assert later.kid == now != before
    assert [one["kid"] for one in jwks()["keys"]] == [now, before]  # type: ignore[attr-defined]
    assert Path(place).read_text() != ""
