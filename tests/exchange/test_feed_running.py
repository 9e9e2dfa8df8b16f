"""`hub feed pause | resume | status | backfill` as a person types them, on a source that is asked by interval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from contracts import catalogue
from dags.commands import feed as standing
from exchange.commands import feed
from hub import log
from hub.errors import HubException, ParameterWrong
from hub.ids import FeedId
from hub.settings import Settings, settings
from tests.connectors.serving import serving
from tests.dags import trial
from warehouse import engine, receipt, way
from warehouse.errors import FeedPaused, OperatorMissing

pytestmark = pytest.mark.stack

FEED = "testing_days"
SIGNED = ["--operator", "Op One", "--reason", "the source is being repaired"]


@pytest.fixture
def agency(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with serving(lambda asked: trial.answer(asked, set())) as server:
        monkeypatch.setenv("HUB_CONTRACTS", str(trial.contracts(tmp_path / "contracts", [FEED])))
        monkeypatch.setenv("HUB_PLACES", str(trial.places(tmp_path / "places.toml", server.url)))
        settings.cache_clear()
        log.configure("error")
        yield
        engine.dispose()
        settings.cache_clear()


def says(*words: str) -> Any:
    result = CliRunner().invoke(standing.app if words[0] == "status" else feed.app, [*words, "--json"])
    if isinstance(result.exception, HubException):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def cursors() -> list[Any]:
    with engine.connection() as conn:
        return list(conn.execute(sa.text("select source, value, batch_id from hub.cursor")).all())


@pytest.mark.usefixtures("agency")
def test_past_days_are_read_again_beside_live_runs() -> None:
    days = ("backfill", FEED, "--from", "2026-03-03", "--to", "2026-03-05", *SIGNED)
    first = says(*days)["batches"]
    assert [(one["day"], one["state"], one["rows_in"], one["loaded"]) for one in first] == [
        (f"2026-03-0{day}", "loaded", 1, 1) for day in (3, 4, 5)
    ]
    assert cursors() == [], "a backfill moves no cursor"
    live = way.run_feed(catalogue.load_one(FeedId(FEED)))
    assert [(one.loaded, one.unchanged) for one in live] == [(7, 3)]
    before = cursors()
    again = says(*days)["batches"]
    assert sum(one["loaded"] for one in again) == 0 and cursors() == before, "and twice brings nothing new"
    for wrong in (("2026-03-05", "2026-03-03"), ("2026-03-03", "2999-01-01")):
        with pytest.raises(ParameterWrong):
            says("backfill", FEED, "--from", wrong[0], "--to", wrong[1], *SIGNED)
    with pytest.raises(OperatorMissing):
        says("backfill", FEED, "--from", "2026-03-03", "--to", "2026-03-03", "--operator", "Op One", "--reason", " ")
    with engine.connection() as conn:
        acts = conn.execute(sa.text("select action, object, operator, facts ->> 'from' from hub.act")).all()
        (body,) = receipt.read(conn, again[0]["batch_id"])[1:2]
    assert [tuple(act) for act in acts] == [("backfill", FEED, "Op One", "2026-03-03")] * 2
    assert json.loads(body)["operator"] == {"name": "Op One", "reason": "the source is being repaired"}


@pytest.mark.usefixtures("agency")
def test_pause_resume_and_status() -> None:
    (new,) = says("status")
    assert (new["feed"], new["state"], new["last"], new["fresh"]) == (FEED, "new", None, None)
    assert says("pause", FEED, *SIGNED)["feed"] == FEED
    assert says("status", FEED)[0]["paused"]["operator"] == "Op One"
    for act in (("run", FEED), ("backfill", FEED, "--from", "2026-03-03", "--to", "2026-03-03", *SIGNED)):
        with pytest.raises(FeedPaused):
            says(*act)
    assert says("resume", FEED, *SIGNED) == {"feed": FEED, "was_paused": True}
    done = way.run_feed(catalogue.load_one(FeedId(FEED)))[0]
    (now,) = says("status", FEED)
    assert now["last"]["batch"] == done.batch_id and now["last"]["loaded"] == 10
    assert (now["state"], now["fresh"], now["freshness_hours"], now["lag_events"]) == ("well", True, 48.0, 10)
    told = CliRunner().invoke(standing.app, ["status", FEED])
    assert FEED in told.stdout and "well" in told.stdout and "by hand" not in told.stdout
    assert (now["by_hand_only"], now["airflow"]) == (False, {"asked": False, "switch": None, "error": None})


@pytest.mark.usefixtures("agency")
def test_a_feed_without_a_listed_place_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none.toml").write_text("[places]\n", encoding="utf-8")
    monkeypatch.setenv("HUB_PLACES", str(tmp_path / "none.toml"))
    settings.cache_clear()
    (found,) = says("status")
    place = catalogue.load_one(FeedId(FEED)).sources[0].place
    assert found["by_hand_only"] and place in found["unlisted_places"]
    told = CliRunner().invoke(standing.app, ["status", FEED]).stdout
    assert f"{FEED}: by hand only: no place is listed for" in told and "its schedule is not kept" in told
    assert "仅可手工接收" in told and catalogue.load_one(FeedId(FEED)).sla.schedule not in told
