"""What comes late (a replay, a release, a file read after newer ones) never undoes what newer deliveries said."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.model import FeedContract
from hub.ids import BatchId
from hub.settings import settings
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import BY, HEADERS, HELD, contract, drop, row, rows
from tests.warehouse.test_hold import edit
from warehouse import way
from warehouse.batches import BatchOutcome
from warehouse.loading import merge
from warehouse.quarantine import fixing, replay

pytestmark = pytest.mark.stack

OLD_HEADERS = ("number", "payee", "amounts", *HEADERS[3:])


@pytest.fixture(autouse=True, params=["small table", "large table"])
def size_of_table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of asking what the table holds: all of it, or by keys."""
    if request.param == "large table":
        monkeypatch.setattr(merge, "SMALL_TABLE", 0)


def plain(**more: Any) -> FeedContract:
    """A feed whose source gives no versions: the order of deliveries decides."""
    return contract(**{"source_version": None, **more})


def readable(made: FeedContract) -> FeedContract:
    """The contract once it knows the columns of OLD_HEADERS."""
    fields = tuple(replace(one, aliases=("amounts",)) if one.name == "amount" else one for one in made.fields)
    return replace(made, fields=fields, sha256="1" * 64)


def take(hub: Hub, made: FeedContract, name: str, lines: list[list[str]], headers: Any = HEADERS) -> BatchOutcome:
    drop(hub.drop, name, lines, headers=headers)
    (done,) = way.run_feed(made)
    return done


def correct(made: FeedContract, batch: BatchId, folder: Path, changes: dict[tuple[str, str], str]) -> BatchOutcome:
    fixing.export(batch, folder / "rows.csv")
    edit(folder / "rows.csv", changes)
    fixing.fix(made, batch, folder / "rows.csv", editor="Ed", reason="r")
    return replay.replay(made, batch, **BY)


def live(hub: Hub) -> dict[str, str]:
    return dict(hub.all("select hub_key, amount::text from core.sample_vouchers where not hub_withdrawn order by 1"))


def test_a_replay_does_not_overwrite_what_a_newer_delivery_confirmed(hub: Hub, tmp_path: Path) -> None:
    made = plain()
    take(hub, made, "0.csv", [row(1, amount="1.00"), row(2, amount="1.00")])
    bad = take(hub, made, "1.csv", [row(1, amount="-7"), row(2, amount="-7"), row(3, amount="-7")])
    assert bad.quarantined == 3
    assert take(hub, made, "2.csv", [row(1, amount="1.00"), row(3, status="void")]).unchanged == 2
    done = correct(made, bad.batch_id, tmp_path, {(str(n), "amount"): f"{n + 6}.00" for n in (1, 2, 3)})
    assert (done.loaded, done.unchanged) == (1, 2)
    assert hub.value("select rows_stale from hub.batch where batch_id = :b", b=done.batch_id) == 2
    # 1 was confirmed, 3 was withdrawn before it was ever recorded; of 2 nothing newer is known than the correction.
    assert live(hub) == {"V000001": "1.00", "V000002": "8.00"}


def test_a_second_correction_is_no_older_than_the_first(hub: Hub, tmp_path: Path) -> None:
    made = plain()
    bad = take(hub, made, "1.csv", [row(1, amount="-7")])
    again = correct(made, bad.batch_id, tmp_path, {("1", "amount"): "-8"})
    assert again.quarantined == 1
    assert correct(made, again.batch_id, tmp_path, {("1", "amount"): "8.00"}).loaded == 1
    assert live(hub) == {"V000001": "8.00"}


def test_a_release_does_not_overwrite_what_a_newer_delivery_confirmed(hub: Hub) -> None:
    made = plain()
    take(hub, made, "0.csv", rows(3, amount="1.00"))
    held = take(hub, replace(made, batch_rules=(HELD,)), "1.csv", [*rows(2, amount="7.00"), row(9)])
    assert held.state == "held"
    assert take(hub, made, "2.csv", [row(1, amount="1.00")]).unchanged == 1
    done = replay.release(made, held.batch_id, **BY)
    assert (done.loaded, done.unchanged) == (2, 1)
    assert live(hub) == {"V000001": "1.00", "V000002": "7.00", "V000003": "1.00", "V000009": "9.50"}


def test_a_file_read_late_does_not_overwrite_what_a_newer_one_confirmed(hub: Hub) -> None:
    made = plain()
    take(hub, made, "0.csv", rows(2, amount="1.00"))
    assert take(hub, made, "1.csv", rows(2, amount="7.00"), OLD_HEADERS).state == "refused"
    (hub.drop / "0.csv").unlink()
    drop(hub.drop, "2.csv", [row(1, amount="1.00")])
    assert [one.unchanged for one in way.run_feed(made) if not one.repeated] == [1]
    (done,) = way.run_feed(readable(made))
    assert (done.delivery, done.loaded, done.unchanged) == ("1.csv", 1, 1)
    assert live(hub) == {"V000001": "1.00", "V000002": "7.00"}


def test_nothing_is_noted_where_nothing_waits_and_notes_go_when_nothing_waits_any_more(
    hub: Hub, tmp_path: Path
) -> None:
    made = plain()
    notes = "select record_key, order_no from hub.confirmed order by 1"
    take(hub, made, "0.csv", rows(5))
    take(hub, made, "1.csv", rows(6))
    assert hub.all(notes) == []
    bad = take(hub, made, "2.csv", [row(1, amount="-7"), row(7)])
    take(hub, made, "3.csv", rows(7))
    take(hub, made, "4.csv", rows(8))
    assert hub.all(notes) == [("V000001", 5)], "only records that have a row in quarantine"
    correct(made, bad.batch_id, tmp_path, {("1", "amount"): "3.00"})
    assert live(hub)["V000001"] == "1.50"
    take(hub, made, "5.csv", rows(9))
    assert hub.all(notes) == []


def test_a_version_decides_where_there_is_one(hub: Hub, tmp_path: Path) -> None:
    made = contract()
    take(hub, made, "0.csv", [row(1, amount="1.00", version=1)])
    bad = take(hub, made, "1.csv", [row(1, amount="-7", version=2)])
    assert take(hub, made, "2.csv", [row(1, amount="1.00", version=1), row(2)]).unchanged == 1
    assert correct(made, bad.batch_id, tmp_path, {("1", "amount"): "7.00"}).loaded == 1
    assert live(hub)["V000001"] == "7.00"


def test_what_was_confirmed_of_an_older_version_says_nothing_of_two_corrections_of_a_newer_one(
    hub: Hub, tmp_path: Path
) -> None:
    made = contract()
    take(hub, made, "0.csv", [row(1, amount="1.00")])
    first = take(hub, made, "1.csv", [row(1, amount="-7", version="2")])
    second = take(hub, made, "2.csv", [row(1, amount="-8", version="2")])
    assert take(hub, made, "3.csv", [row(1, amount="1.00"), row(9)]).unchanged == 1  # the old version, once more
    assert correct(made, first.batch_id, tmp_path, {("1", "amount"): "7.00"}).loaded == 1
    assert correct(made, second.batch_id, tmp_path, {("1", "amount"): "8.00"}).loaded == 1
    assert live(hub)["V000001"] == "8.00"
    assert hub.all("select record_key from hub.confirmed where record_key = 'V000001'") == []


def test_a_correction_that_no_broker_would_take_leaves_what_was_confirmed_on_record(hub: Hub, tmp_path: Path) -> None:
    made = contract()
    take(hub, made, "0.csv", [row(1, amount="1.00")])
    bad = take(hub, made, "1.csv", [row(1, amount="-7", version="2", note="x" * 5000)])
    take(hub, made, "2.csv", [row(1, amount="1.00"), row(9)])
    settings().max_event_bytes = 2_000
    done = correct(made, bad.batch_id, tmp_path, {("1", "amount"): "7.00"})
    assert (done.loaded, done.quarantined_by_rule) == (0, {"_event.size": 1})
    assert hub.all("select record_key from hub.confirmed where record_key = 'V000001'") == [("V000001",)]


def snapshot(**more: Any) -> FeedContract:
    return plain(completeness="snapshot", **more)


def test_a_released_snapshot_withdraws_what_it_no_longer_has(hub: Hub) -> None:
    take(hub, snapshot(), "0.csv", rows(9))
    held = take(hub, snapshot(batch_rules=(HELD,)), "1.csv", [row(1), row(2, amount="7.00")])
    assert held.state == "held" and len(live(hub)) == 9
    done = replay.release(snapshot(), held.batch_id, **BY)
    assert (done.loaded, done.unchanged, done.events) == (1, 1, 8)
    assert live(hub) == {"V000001": "1.50", "V000002": "7.00"}


@pytest.mark.parametrize("version", [None, "version"])
def test_an_old_snapshot_released_after_a_newer_one_changes_nothing(hub: Hub, version: str | None) -> None:
    made = snapshot(source_version=version)
    take(hub, made, "0.csv", [*rows(4, amount="1.00"), row(5)])
    # 1 is other than in both, 5 is gone in the newer one, 6 never was in another.
    old = [row(1, amount="7.00"), row(2), row(5), row(6)]
    held = take(hub, replace(made, batch_rules=(HELD,)), "1.csv", old)
    assert held.state == "held"
    newer = take(hub, made, "2.csv", [*rows(4, amount="1.00", version=2 if version else 1), *rows(3, first=10)])
    assert newer.events == (8 if version else 4)
    before = live(hub)
    done = replay.release(made, held.batch_id, **BY)
    assert (done.loaded, done.unchanged, done.events) == (0, 4, 0)
    assert live(hub) == before == {f"V{n:06d}": "1.00" for n in range(1, 5)} | {f"V{n:06d}": f"{n}.50" for n in (10, 11, 12)}  # fmt: skip


def test_a_snapshot_that_can_be_read_at_last_changes_nothing(hub: Hub) -> None:
    made = snapshot()
    assert take(hub, made, "0.csv", [row(1), row(2), row(6)], OLD_HEADERS).state == "refused"
    drop(hub.drop, "1.csv", rows(4, amount="1.00"))
    way.run_feed(made)
    (done,) = way.run_feed(readable(made))
    assert (done.delivery, done.loaded, done.unchanged, done.events) == ("0.csv", 0, 3, 0)
    assert live(hub) == {f"V{n:06d}": "1.00" for n in range(1, 5)}


def test_a_correction_counts_where_the_newer_snapshot_has_no_good_row_either(hub: Hub, tmp_path: Path) -> None:
    made = snapshot()
    take(hub, made, "0.csv", rows(3, amount="1.00"))
    bad = take(
        hub, made, "1.csv", [row(1, amount="-7"), row(2, amount="-7"), row(3, amount="1.00"), row(4, amount="-7")]
    )
    assert (
        take(hub, made, "2.csv", [row(1, amount="-9"), row(2, amount="1.00"), row(3, amount="1.00")]).quarantined == 1
    )
    done = correct(made, bad.batch_id, tmp_path, {(str(n), "amount"): "7.00" for n in (1, 2, 4)})
    # 2 was confirmed by the newer snapshot, 4 is not in it; its row of 1 is no better than the one corrected.
    assert (done.loaded, done.unchanged) == (1, 2)
    assert live(hub) == {"V000001": "7.00", "V000002": "1.00", "V000003": "1.00"}


def test_a_correction_is_old_where_any_newer_snapshot_spoke_of_the_key(hub: Hub, tmp_path: Path) -> None:
    made = snapshot()
    take(hub, made, "0.csv", rows(3, amount="1.00"))
    take(hub, made, "1.csv", [row(2, amount="1.00"), row(3, amount="1.00")])
    first = take(hub, made, "2.csv", [row(n, amount="-7") for n in (1, 2, 3)])
    assert take(hub, made, "3.csv", [row(n, amount="-6") for n in (1, 2, 3)]).quarantined == 3
    # 1 is gone as it was before, 2 is as it was before; of 3 no newer one has a good row.
    take(hub, made, "4.csv", [row(2, amount="1.00"), row(3, amount="-8")])
    done = correct(made, first.batch_id, tmp_path, {(str(n), "amount"): "7.00" for n in (1, 2, 3)})
    assert (done.loaded, done.unchanged) == (1, 2)
    assert live(hub) == {"V000002": "1.00", "V000003": "7.00"}


T0 = 1_700_000_000


def put(hub: Hub, name: str, lines: list[list[str]], at: int, headers: Any = HEADERS) -> None:
    """Drops a file that was written at a given second."""
    os.utime(drop(hub.drop, name, lines, headers=headers), (T0 + at, T0 + at))


def test_of_equal_versions_the_later_delivery_counts(hub: Hub, tmp_path: Path) -> None:
    made = contract()
    bad = take(hub, made, "0.csv", [row(n, amount="-7", version=5) for n in (1, 2, 3)])
    take(hub, made, "1.csv", [row(1, amount="9.00", version=5), row(2, amount="9.00", version=4)])
    # Confirmed by a later delivery, so that a tie is no news either, but a higher version is.
    take(hub, made, "2.csv", [row(1, amount="9.00", version=5), row(3, status="void", version=4)])
    done = correct(made, bad.batch_id, tmp_path, {(str(n), "amount"): "7.00" for n in (1, 2, 3)})
    assert (done.loaded, done.unchanged) == (2, 1)
    assert live(hub) == {"V000001": "9.00", "V000002": "7.00", "V000003": "7.00"}


def test_a_release_of_an_equal_version_does_not_overwrite_what_a_newer_delivery_said(hub: Hub) -> None:
    made = contract()
    take(hub, made, "0.csv", [row(2, amount="1.00", version=5)])
    held = take(hub, replace(made, batch_rules=(HELD,)), "1.csv", [row(n, amount="7.00", version=5) for n in (1, 2)])
    take(hub, made, "2.csv", [row(1, amount="9.00", version=5), row(2, amount="1.00", version=5)])
    done = replay.release(made, held.batch_id, **BY)
    assert (done.loaded, done.unchanged) == (0, 2)
    assert live(hub) == {"V000001": "9.00", "V000002": "1.00"}


def test_a_file_read_at_last_and_put_back_later_is_news(hub: Hub) -> None:
    made = plain()
    put(hub, "list.csv", [row(1, amount="1.00")], 0, OLD_HEADERS)
    assert way.run_feed(made)[0].state == "refused"
    assert way.run_feed(readable(made))[0].loaded == 1
    put(hub, "list.csv", [row(1, amount="2.00")], 100)
    assert way.run_feed(readable(made))[0].loaded == 1
    put(hub, "list.csv", [row(1, amount="1.00")], 0, OLD_HEADERS)
    assert way.run_feed(readable(made))[0].loaded == 1
    assert live(hub) == {"V000001": "1.00"}


@pytest.mark.parametrize(
    ("completeness", "how"),
    [
        ("incremental", "removed"),
        ("incremental", "at once"),
        ("snapshot", "one by one"),
    ],
)
def test_a_return_to_what_came_before_an_unreadable_file_counts(hub: Hub, completeness: str, how: str) -> None:
    made = plain(completeness=completeness)
    good = readable(made)
    put(hub, "1.csv", rows(2, amount="1.00"), 0)
    way.run_feed(made)
    put(hub, "2.csv", [row(1, amount="7.00")], 100, OLD_HEADERS)
    if how != "at once":
        assert [one.state for one in way.run_feed(made)] == ["refused"]
    put(hub, "3.csv", rows(2, amount="1.00"), 200)
    told = [(one.delivery, one.state, one.unchanged) for one in way.run_feed(made) if not one.repeated]
    assert told[-1] == ("3.csv", "loaded", 2)
    assert [one for one in way.run_feed(made) if not one.repeated] == [], "once"
    if how == "removed":
        (hub.drop / "3.csv").unlink()
    (late,) = [one for one in way.run_feed(good) if not one.repeated]
    assert (late.delivery, late.loaded) == ("2.csv", 0)
    assert live(hub) == {"V000001": "1.00", "V000002": "1.00"}
    # The last word is 3.csv's: what 2.csv said would be news now, what 3.csv said is not.
    put(hub, "4.csv", rows(2, amount="1.00"), 300)
    put(hub, "5.csv", [row(1, amount="7.00")], 400, OLD_HEADERS)
    assert [one.delivery for one in way.run_feed(good) if not one.repeated] == ["5.csv"]
    assert live(hub)["V000001"] == "7.00"


def test_a_return_by_hand_counts_too(hub: Hub) -> None:
    made = plain()
    for name, lines, headers in (
        ("1.csv", "1.00", HEADERS),
        ("2.csv", "7.00", OLD_HEADERS),
        ("3.csv", "1.00", HEADERS),
    ):
        drop(hub.drop, name, [row(1, amount=lines)], headers=headers)
        (done,) = way.run_feed(made, file=hub.drop / name)
        assert not done.repeated
    assert way.run_feed(made, file=hub.drop / "3.csv")[0].repeated
    way.run_feed(readable(made), file=hub.drop / "2.csv")
    assert live(hub) == {"V000001": "1.00"}
