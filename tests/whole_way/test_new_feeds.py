"""The published inspections, and feeds made from samples a moment ago, go the whole way to a consumer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from connectors.sample.making import make
from connectors.sample.reading import Asked
from contracts import catalogue
from contracts.sample.writing import Identity
from hub.ids import FeedId
from hub.settings import ROOT, Settings, settings
from tests.connectors.samples import sample
from tests.whole_way.test_published_records import REAL, added_up, feed, hub, latest, sent_and_read
from warehouse import engine
from warehouse.way import run_feed

__all__ = ["hub"]
pytestmark = pytest.mark.stack


@pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records")
@pytest.mark.parametrize(
    ("name", "rows", "unchanged"), [("inspection_housing_scores", 6_783, 0), ("inspection_food_violations", 26_461, 2)]
)
def test_the_published_inspections(hub: Settings, unique: str, name: str, rows: int, unchanged: int) -> None:
    """The figures are those of an independent reading: tests/contracts/test_published_inspections.py."""
    contract = feed(name, unique)
    outcomes = run_feed(contract)
    assert added_up(outcomes) == (rows, rows - unchanged, 0, 0)
    assert sum(one.unchanged for one in outcomes) == unchanged
    assert len(latest(sent_and_read(contract, hub))) == rows - unchanged
    assert [one for one in run_feed(contract) if not one.repeated] == []


@pytest.fixture
def house(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "contracts"
    (root / "feeds").mkdir(parents=True)
    (root / "codes").symlink_to(ROOT / "contracts" / "codes")
    monkeypatch.setenv("HUB_CONTRACTS", str(root))
    settings.cache_clear()
    yield root
    engine.dispose()


@pytest.mark.parametrize("kind", ["gb18030", "xlsx", "json", "parquet"])
def test_a_new_feed_runs_at_once_with_its_sample(house: Path, tmp_path: Path, unique: str, kind: str) -> None:
    path, connector = sample(tmp_path, kind)
    own = Identity(f"audit_t{unique}_reports", "audit", "audit_office")
    made = make(path, own, place=None, asked=Asked())
    contract = catalogue.load_one(FeedId(own.feed))
    assert contract.sources[0].connector == connector and contract.path == made.contract.path
    (outcome,) = run_feed(contract, file=path)
    assert (outcome.state, outcome.rows_in, outcome.loaded, outcome.quarantined) == ("loaded", 240, 240, 0), outcome
    records = latest(sent_and_read(contract, settings()))
    assert len(records) == 240
    assert [one.repeated for one in run_feed(contract, file=path)] == [True]


def test_a_json_feed_is_pulled_over_http_by_its_new_contract(
    house: Path, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = sample(tmp_path, "json")
    body = path.read_bytes()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/sample" else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        places = tmp_path / "places.toml"
        places.write_text(f'[places.office_api]\nbase_url = "http://127.0.0.1:{server.server_port}/api"\n')
        monkeypatch.setenv("HUB_PLACES", str(places))
        settings.cache_clear()
        own = Identity(f"audit_h{unique}_reports", "audit", "audit_office")
        make(path, own, place="office_api", asked=Asked())
        (outcome,) = run_feed(catalogue.load_one(FeedId(own.feed)))
        assert (outcome.state, outcome.loaded) == ("loaded", 240)
    finally:
        server.shutdown()
        server.server_close()
    assert json.loads(body)["data"]["items"][0]["report"]["no"] == "R-2024-0000"
