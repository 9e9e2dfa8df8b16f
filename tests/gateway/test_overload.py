"""More than fits is told to come again; what was accepted goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.routes import deliver
from hub.settings import Settings
from tests.gateway import house
from tests.gateway.house import numbered
from warehouse import engine
from warehouse.errors import DatabaseUnavailable


@pytest.fixture
def narrow(tables: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    now = house.configured(
        monkeypatch, tmp_path, HUB_GATEWAY_LANDINGS="1", HUB_GATEWAY_WAITING="1", HUB_GATEWAY_RATE="40"
    )
    with house.door(now) as url:
        yield house.join(url)
    engine.dispose()


def test_what_does_not_fit_comes_again_and_what_was_accepted_lands(
    narrow: house.Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, before = threading.Event(), deliver._land

    def slow(*given: Any) -> Any:
        go.wait(20)
        return before(*given)

    monkeypatch.setattr(deliver, "_land", slow)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(narrow.deliver, numbered(1, first=at), f"k{at}") for at in range(1, 7)]
        turned_away = []
        while len(turned_away) < 4:
            turned_away = [one.result() for one in waiting if one.done()]
        go.set()
        answers = [one.result() for one in waiting]
    assert {answer.status_code for answer in turned_away} == {429}
    assert all(
        answer.json()["code"] == "HUB-GTW-009" and int(answer.headers["retry-after"]) > 0 for answer in turned_away
    )
    assert sorted(answer.status_code for answer in answers) == [202, 202, 429, 429, 429, 429]
    again = [narrow.deliver(numbered(1, first=at), f"k{at}").status_code for at in range(1, 7)]
    assert sorted(again) == [200, 200, 202, 202, 202, 202]


def test_an_agency_that_asks_too_often_waits(narrow: house.Office) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: narrow.get("/v1/feeds"), range(150)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].json()["code"] == "HUB-GTW-008" and refused[0].headers["retry-after"] == "1"
    assert {answer.status_code for answer in answers} == {200, 429}


def test_no_free_connection_may_pass(tables: Settings) -> None:
    with pytest.raises(DatabaseUnavailable), engine.translated():
        raise sa.exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached")
