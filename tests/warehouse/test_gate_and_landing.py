"""What touches the disk and what doesn't: refusals, maskings, originals, manifests, deliveries seen before."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import replace

import pyarrow.compute as pc
import pytest

from contracts.model import GateRule
from hub import crash
from hub.ids import RuleId
from hub.settings import settings
from tests.warehouse.conftest import Hub, killed_at
from tests.warehouse.feeds import contract, drop, row, rows
from warehouse import way
from warehouse.landing import pages as landing
from warehouse.store import store

pytestmark = pytest.mark.stack

CITIZEN = "11010519491231002X"
REFUSING = (GateRule(RuleId("mark"), "secrecy", "refuse_delivery"),)


def everything_on_disk() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(settings().var.rglob("*")) if path.is_file())


def test_an_untouched_file_is_kept_as_it_came(hub: Hub) -> None:
    path = drop(hub.drop, "a.csv", rows(1500))
    batch = way.run_feed(contract())[0].batch_id
    kinds = dict(hub.all("select kind, count(*) from hub.landed_object group by kind"))
    assert kinds == {"rows": 2, "original": 1, "manifest": 1}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert hub.one("select path, sha256 from hub.landed_object where kind = 'original'") == (
        f"originals/{sha256[:2]}/{sha256}",
        sha256,
    )
    assert store().read(f"originals/{sha256[:2]}/{sha256}") == path.read_bytes()
    where, sha256 = hub.one("select path, sha256 from hub.landed_object where kind = 'manifest'")
    manifest = json.loads(store().read(where, sha256=sha256))
    assert manifest["rows_in"] == 1500 and manifest["batch"] == batch and manifest["delivery"]["original_kept"]
    for page in manifest["pages"]:
        file = f"landing/sample_vouchers/{batch}/rows-{page['ordinal']:05d}.arrow"
        store().verify(file, page["sha256"])
    hashes = landing.row_hashes(store(), file).to_pylist()
    assert not hashes[0]["_masked"]
    first = json.dumps([value or None for value in row(hashes[0]["_row"])], ensure_ascii=False, separators=(",", ":"))
    assert hashes[0]["_row_hash"] == hashlib.sha256(first.encode()).digest()


def test_masked_values_reach_no_disk(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [*rows(3), row(4, note=f"举报人 {CITIZEN} 反映")])
    done = way.run_feed(contract())[0]
    assert (done.loaded, done.refused) == (4, 0)
    assert CITIZEN.encode() not in everything_on_disk()
    assert hub.all("select count(*) from hub.landed_object where kind = 'original'") == [(0,)]
    assert hub.all("select row_no, field, rule, action from hub.masking") == [(4, "note", "people", "mask")]
    assert CITIZEN not in hub.value("select note from core.sample_vouchers where hub_key = 'V000004'")
    hashes = landing.row_hashes(store(), hub.value("select path from hub.landed_object where kind = 'rows'"))
    assert hashes.filter(pc.field("_masked")).column("_row").to_pylist() == [4]


def test_a_refused_delivery_leaves_its_trace_only(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [*rows(2500), row(2501, note="绝密★启用前")])
    made = contract(gate_rules=REFUSING)
    done = way.run_feed(made)[0]
    assert (done.state, done.loaded) == ("refused", 0)
    assert list(store().list("")) == []
    assert hub.value("select count(*) from core.sample_vouchers") == 0
    rule, unit, sender, trace = hub.one("select rule, unit, sender, hmac from hub.refusal")
    assert (rule, unit, sender, len(trace)) == ("mark", "a.csv", "sample_agency", 64)
    sha256 = hashlib.sha256((hub.drop / "a.csv").read_bytes()).hexdigest()
    assert hub.value("select delivery_sha256 from hub.batch") != sha256, "a bare hash of what was refused is not kept"
    again = way.run_feed(made)
    assert [(one.state, one.repeated) for one in again] == [("refused", True)], "loud again, but not a new batch"
    assert hub.value("select count(*) from hub.batch") == 1


def test_a_name_with_a_secrecy_mark_is_not_kept(hub: Hub) -> None:
    drop(hub.drop, "机密.csv", rows(3))
    done = way.run_feed(contract(gate_rules=REFUSING))[0]
    assert (done.state, done.delivery) == ("refused", "(withheld)")
    assert "机密" not in str(hub.all("select * from hub.batch")) and "机密" not in str(
        hub.all("select * from hub.refusal")
    )


def test_an_unreadable_file_doesnt_stop_the_others(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3), headers=("number", "payee", "amounts", "paid_on", "version", "status", "note"))
    drop(hub.drop, "b.csv", rows(3))
    done = way.run_feed(contract())
    assert [(one.delivery, one.state, one.loaded) for one in done] == [("a.csv", "refused", 0), ("b.csv", "loaded", 3)]
    assert done[0].error is not None and done[0].error["side"] == "agency" and "amounts" in done[0].error["error"]
    assert [one.repeated for one in way.run_feed(contract())] == [True]
    # The contract learns the header: the file is read again by itself.
    fields = tuple(replace(one, aliases=("amounts",)) if one.name == "amount" else one for one in contract().fields)
    done = way.run_feed(contract(fields=fields, sha256="1" * 64))
    assert [(one.delivery, one.state, one.unchanged) for one in done] == [("a.csv", "loaded", 3)]


def test_the_same_bytes_are_no_new_batch(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    first = way.run_feed(contract())[0]
    drop(hub.drop, "copy.csv", rows(3))
    assert way.run_feed(contract()) == []
    again = way.run_feed(contract(), file=hub.drop / "copy.csv")
    assert [(one.batch_id, one.repeated) for one in again] == [(first.batch_id, True)]
    assert hub.value("select count(*) from hub.batch") == 1


def test_what_a_source_said_long_ago_and_says_again_is_heard(hub: Hub) -> None:
    said = {"a": rows(3), "b": [row(1, amount="9.00"), *rows(3)[1:]]}
    amounts = []
    for name in "abab":
        drop(hub.drop, f"{len(amounts)}.csv", said[name])
        assert [one.state for one in way.run_feed(contract(source_version=None))] == ["loaded"]
        amounts.append(hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000001'"))
        assert way.run_feed(contract(source_version=None)) == []
    assert amounts[0] == amounts[2] != amounts[1] == amounts[3] == "9.00"
    assert hub.value("select hub_revision from core.sample_vouchers where hub_key = 'V000001'") == 4
    # A person may say so too; what equals the delivery before it says nothing.
    again = way.run_feed(contract(source_version=None), file=hub.drop / "0.csv")
    assert [(one.loaded, one.unchanged, one.repeated) for one in again] == [(1, 2, False)]
    assert [one.repeated for one in way.run_feed(contract(source_version=None), file=hub.drop / "2.csv")] == [True]


def test_a_repetition_from_before_an_unreadable_file_does_not_come_after_it(hub: Hub) -> None:
    drop(hub.drop, "a.csv", rows(3))
    way.run_feed(contract())
    drop(hub.drop, "b.csv", rows(3))  # says what a.csv said
    drop(hub.drop, "c.csv", rows(3), headers=("number", "payee", "amounts", "paid_on", "version", "status", "note"))
    assert [one.delivery for one in way.run_feed(contract())] == ["c.csv"]
    # All still lie there. What was passed over before c.csv came is not news after it.
    assert [(one.delivery, one.repeated) for one in way.run_feed(contract())] == [("c.csv", True)]
    drop(hub.drop, "d.csv", rows(3))  # after something that nobody could read, the same again says something
    assert [one.delivery for one in way.run_feed(contract())] == ["c.csv", "d.csv"]


def test_a_file_that_can_be_read_at_last_does_not_overwrite_newer_ones(hub: Hub) -> None:
    headers = ("number", "payee", "amounts", "paid_on", "version", "status", "note")
    drop(hub.drop, "old.csv", [row(0, amount="1.00"), row(1, amount="1.00")], headers=headers)
    way.run_feed(contract(source_version=None))
    drop(hub.drop, "new.csv", [row(0, amount="9.00")])
    way.run_feed(contract(source_version=None))
    fields = tuple(replace(one, aliases=("amounts",)) if one.name == "amount" else one for one in contract().fields)
    done = way.run_feed(contract(source_version=None, fields=fields, sha256="1" * 64))
    assert [(one.delivery, one.loaded, one.unchanged) for one in done] == [("old.csv", 1, 1)]
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000000'") == "9.00"
    assert hub.value("select amount::text from core.sample_vouchers where hub_key = 'V000001'") == "1.00"


def test_a_file_taken_away_once_it_was_read_loads_without_its_original(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(hub.drop, "a.csv", rows(3))
    monkeypatch.setattr(crash, "point", lambda name: path.unlink(missing_ok=True) if "page_landed" in name else None)
    done = way.run_feed(contract())
    assert [(one.state, one.loaded) for one in done] == [("loaded", 3)]
    assert hub.value("select count(*) from hub.landed_object where kind = 'original'") == 0


def test_an_original_that_upkeep_removed_and_the_sender_too_is_named_nowhere(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(hub.drop, "a.csv", rows(3))

    def gone(name: str) -> None:
        if name == "collect.pages_landed":
            path.unlink()
            store().delete_folder("originals")

    monkeypatch.setattr(crash, "point", gone)
    assert [(one.state, one.loaded) for one in way.run_feed(contract())] == [("loaded", 3)]
    assert hub.value("select count(*) from hub.landed_object where kind = 'original'") == 0
    manifest = hub.value("select path from hub.landed_object where kind = 'manifest'")
    assert b'"original_kept":false' in store().read(manifest)


def test_an_empty_file_is_a_delivery(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [])
    done = way.run_feed(contract())[0]
    assert (done.state, done.rows_in, done.events) == ("loaded", 0, 0)
    assert way.run_feed(contract()) == []


def test_what_landed_is_checked_later_as_in_one_go(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [*rows(1500), row(1, amount="7"), row(2000, amount="-1"), row(2001, note="秘密")])
    assert killed_at("collect.landed") == -signal.SIGKILL
    assert hub.value("select state from hub.batch") == "landed"
    (done,) = way.run_feed(contract())
    assert (done.state, done.rows_in, done.loaded, done.quarantined, done.refused) == ("loaded", 1503, 1499, 3, 1)
    assert way.run_feed(contract()) == [], "and nothing is taken twice"
    assert len(hub.events()) == 1499
    assert hub.value("select count(*) from hub.outbox") == 1


def test_hostile_values_are_stored_or_quarantined(hub: Hub) -> None:
    nasty = [
        '"; drop table core.sample_vouchers; --',
        "a\nb\r\nc",
        "\\N",
        "\\.",
        "{}",
        "'",
        '"',
        "\x01\x1f",
        "é中🙂",
        " ",
    ]
    path = drop(hub.drop, "a.csv", [row(n, note=value) for n, value in enumerate(nasty)])
    path.write_bytes(path.read_bytes() + ",".join(row(99, note="nul\0here")).encode() + b"\r\n")
    done = way.run_feed(contract(fields=tuple(replace(one, normalise=()) for one in contract().fields)))[0]
    assert done.rows_in == len(nasty) + 1
    kept = dict(hub.all("select hub_key, note from core.sample_vouchers"))
    events = {event["record_key"]: json.loads(event["data"])["record"]["note"] for event in hub.events()}
    assert kept == events
    assert [kept[f"V{n:06d}"] for n in range(len(nasty) - 1)] == nasty[:-1]
    assert "V000099" not in kept and done.quarantined == 1
