"""What `carry` does with several sources, on a real database and real sources: one in trouble keeps no other waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.errors import HttpRefused, HttpUnavailable
from contracts import catalogue
from contracts.model import FeedContract
from dags import hour
from dags.carry import carried, summary, worst
from dags.errors import DeliveriesUnreadable
from hub import clock
from hub.errors import HubException
from hub.ids import FeedId
from hub.settings import Settings, settings
from tests.connectors.serving import serving
from tests.dags import trial
from warehouse import engine
from warehouse.errors import FeedPaused
from warehouse.feeds import pausing

pytestmark = pytest.mark.stack
FEED = "testing_several"


@dataclass
class Several:
    contract: FeedContract
    drop: Path
    failing: set[str]


@pytest.fixture
def several(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Several]:
    """A feed of three sources: the API's own path, one that is not there, and a folder."""
    failing: set[str] = set()
    with serving(lambda asked: trial.answer(asked, failing)) as agency:
        root = trial.contracts(tmp_path / "contracts", [])
        document = trial.contract(FEED, "testing_gone", "drop")
        (root / "feeds" / "testing" / f"{FEED}.odcs.yaml").write_text(document, encoding="utf-8")
        places = trial.places(tmp_path / "places.toml", agency.url)
        monkeypatch.setenv("HUB_CONTRACTS", str(root))
        monkeypatch.setenv("HUB_PLACES", str(places))
        settings.cache_clear()
        yield Several(catalogue.load_one(FeedId(FEED)), places.with_suffix(".drop"), failing)
        engine.dispose()
        settings.cache_clear()


def test_a_source_that_fails_keeps_no_other_waiting(several: Several) -> None:
    (several.drop / "more.csv").write_text(
        "recordNo,amount,changedAt\nR-0099,1.00,2026-03-20T08:00:00Z\n", encoding="utf-8"
    )
    sources = ["trial_testing_gone", *(source.id for source in several.contract.sources if "gone" not in source.id)]
    outcomes, failures = carried(several.contract, sources, None)
    assert [type(error) for error in failures] == [HttpRefused]
    figures = summary(outcomes)
    assert (figures["rows_in"], figures["loaded"], len(figures["batches"])) == (11, 11, 2)


def test_a_delivery_that_nobody_can_read_is_told_and_the_others_load(several: Several) -> None:
    (several.drop / "a_bad.csv").write_bytes(b"nothing,of,this\n1,2,3\n")
    (several.drop / "b_good.csv").write_text(
        "recordNo,amount,changedAt\nR-0099,1.00,2026-03-20T08:00:00Z\n", encoding="utf-8"
    )
    outcomes, failures = carried(several.contract, ["trial_drop"], None)
    assert [type(error) for error in failures] == [DeliveriesUnreadable]
    assert failures[0].facts["count"] == 1
    assert "a_bad.csv" in failures[0].sentence()
    assert "HUB-" in failures[0].sentence() and "HUB-" in failures[0].sentence("zh")
    assert "columns" not in failures[0].sentence("zh"), "the Chinese sentence is Chinese to its end"
    assert summary(outcomes)["loaded"] == 1
    again, failures = carried(several.contract, ["trial_drop"], None)
    assert failures == [], "it was told once; the delivery is refused and known"
    assert summary(again)["loaded"] == 0


def test_a_paused_feed_brings_nothing_and_fails_nothing(several: Several) -> None:
    pausing.pause(several.contract.id, operator="Op One", reason="repair")
    paused: list[HubException] = []
    assert carried(several.contract, ["trial_api", "trial_drop"], None, paused) == ([], [])
    assert [type(error) for error in paused] == [FeedPaused], "and the run's note can say so"
    pausing.resume(several.contract.id, operator="Op One", reason="repaired")
    assert summary(carried(several.contract, ["trial_api"], None)[0])["loaded"] == 10


def test_doing_it_twice_counts_nothing_twice(several: Several) -> None:
    first, _ = carried(several.contract, ["trial_api"], None)
    second, _ = carried(several.contract, ["trial_api"], None)
    assert summary(first)["loaded"] == 10
    assert summary(second)["loaded"] == 0
    assert not set(summary(first)["batches"]) & set(summary(second)["batches"])


def test_a_passing_trouble_decides_for_another_try(several: Several) -> None:
    several.failing.add(f"/{FEED}")
    outcomes, failures = carried(several.contract, ["trial_testing_gone", "trial_api"], None)
    assert outcomes == []
    assert {type(error) for error in failures} == {HttpRefused, HttpUnavailable}
    assert isinstance(worst(failures), HttpUnavailable)


def test_the_hour_of_a_frequent_feed_holds_what_the_worker_took(several: Several) -> None:
    """Counts of all its batches in the hour, once; a delivery that nobody could read makes the run of its hour red."""
    began = clock.now()
    worker, _ = carried(several.contract, ["trial_drop"], None)
    (several.drop / "bad.csv").write_bytes(b"no such header\nx\n")
    more, unread = carried(several.contract, ["trial_drop"], None)
    assert [type(error) for error in unread] == [DeliveriesUnreadable]
    end = clock.now()
    own, failures = carried(several.contract, ["trial_api", "trial_drop"], None)
    assert failures == [], "what nobody can read was told before"
    found, missed = hour.gathered(several.contract, began, end, own)
    assert {one.batch_id for one in found} >= {one.batch_id for one in [*worker, *more, *own]}
    assert len({one.batch_id for one in found}) == len(found)
    assert summary(found)["loaded"] == 10 + sum(one.loaded for one in worker)
    assert [type(error) for error in missed] == [DeliveriesUnreadable]
    later, nothing = hour.gathered(several.contract, end, clock.now(), own)
    assert (later, nothing) == (own, []), "the next hour does not count it again"
