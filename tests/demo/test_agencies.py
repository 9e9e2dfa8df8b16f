"""The four agency systems run as real servers in a process of their own, and the hub's connectors read from them what the
ledgers say."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

import psycopg
import pytest

from connectors.base import Window
from connectors.places import Place, load_places
from connectors.registry import connector_class
from contracts import catalogue
from contracts.model import FeedContract, SourceSpec
from demo.agencies.handle import NAMES, Agencies
from demo.agencies.places import OWN
from demo.errors import AgenciesFailed
from demo.generate.ledger import Ledger
from demo.proof import ledgers
from hub.ids import FeedId
from hub.stack import processes
from hub.stack.processes import Proc
from tests.conftest import TestStack

pytestmark = pytest.mark.stack
ROWS, SEED = 1_500, 3
SERVED = ("audit_findings", "finance_payments", "inspection_problems", "statistics_observations")


@pytest.fixture(scope="module")
def agencies(stack: TestStack) -> Iterator[Agencies]:
    running = Agencies(stack.var, ROWS, SEED)
    running.start()
    end = time.monotonic() + 120
    while not running.ready():
        assert time.monotonic() < end, running.state()
        time.sleep(0.1)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def places(agencies: Agencies) -> dict[str, Place]:
    return {str(name): place for name, place in load_places(agencies.folder.places).items()}


def sources() -> list[tuple[FeedContract, SourceSpec]]:
    return [
        (contract, source)
        for contract in (catalogue.load_one(FeedId(feed)) for feed in SERVED)
        for source in contract.sources
    ]


def test_each_says_where_it_answers_and_no_secret_is_open(agencies: Agencies) -> None:
    assert set(agencies.state()["ready"]) == set(NAMES)
    text = agencies.folder.places.read_text(encoding="utf-8")
    for path in agencies.folder.secret_file("audit-office").parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text(encoding="utf-8") not in text
    assert stat.S_IMODE(agencies.folder.places.stat().st_mode) == 0o600


def test_the_places_of_the_feeds_it_serves_are_listed_and_no_others(places: dict[str, Place]) -> None:
    assert set(places) == OWN
    assert {str(source.place) for _, source in sources()} == OWN - {"published_records"}


def test_the_audit_office_lets_the_hub_read_and_nothing_else(places: dict[str, Place]) -> None:
    place = places["audit_office_db"]
    secret = place.password()
    assert secret is not None
    with psycopg.connect(
        host=place.host, port=place.port, dbname=place.database, user=place.user, password=secret.get_secret_value()
    ) as office:
        found = office.execute("select count(*) from audit.audit_findings").fetchone()
        assert found is not None and found[0] > 1_000
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            office.execute("delete from audit.audit_findings")
        office.rollback()
        office.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            office.execute("delete from audit.audit_findings")


@pytest.mark.parametrize(("contract", "source"), sources(), ids=lambda item: getattr(item, "id", ""))
def test_the_hubs_connectors_read_what_the_ledgers_say(
    contract: FeedContract, source: SourceSpec, agencies: Agencies, places: dict[str, Place]
) -> None:
    time.sleep(agencies.rest_seconds())
    kind = connector_class(source.connector)
    connector = kind(contract, source, places[str(source.place)], page_rows=1_000)
    planted: dict[str, Ledger] = {
        one.unit: one for one in ledgers(agencies.folder.ledgers) if FeedId(one.feed) == contract.id
    }
    found = 0
    for delivery in connector.deliveries(Window()):
        rows = sum(page.rows_in for page in delivery.pages())
        delivery.close()
        ledger = planted.get(delivery.name) or next(iter(planted.values()))
        assert rows == ledger.rows
        found += 1
    assert found == 1


def test_a_second_start_leaves_files_as_they_lie_and_takes_the_firsts_place(
    agencies: Agencies, stack: TestStack
) -> None:
    before = {path: path.stat().st_mtime_ns for path in agencies.folder.finance.iterdir()}
    first = agencies.state()
    agencies.start()
    end = time.monotonic() + 120
    while not agencies.ready():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert {path: path.stat().st_mtime_ns for path in agencies.folder.finance.iterdir()} == before
    assert not processes.alive(Proc(first["pid"], first["born"]))
    assert agencies.state()["port"] == first["port"]
    assert stack.var.is_dir()


def test_stopping_ends_the_process_whoever_started_it(agencies: Agencies, stack: TestStack) -> None:
    now = agencies.state()
    os.kill(now["pid"], 0)
    Agencies(stack.var, ROWS, SEED).stop()
    assert not processes.alive(Proc(now["pid"], now["born"]))
    # Its parent sees it a moment later, when its last thread is gone.
    with pytest.raises(AgenciesFailed):
        for _ in range(100):
            agencies.ready()
            time.sleep(0.05)
