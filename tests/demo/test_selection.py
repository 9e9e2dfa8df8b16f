"""Somebody adds a contract, breaks one, or takes one away: the demonstration runs as before and says so."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from connectors.places import load_places
from contracts import catalogue
from dags.client import AirflowClient, Run
from dags.errors import ContractsBroken
from dags.failed_task import FailedTask
from demo import selection, travel
from demo.agencies import places
from demo.agencies.handle import Agencies
from demo.agencies.places import OWN, Folder
from demo.errors import FeedStopped
from demo.generate.ledger import Ledger
from demo.show import Show
from hub.ids import FeedId
from hub.settings import ROOT, Settings, settings
from warehouse import migrate
from warehouse.engine import dispose

NEW, BROKEN, GONE, FAILING = "finance_my_things", "audit_findings", "inspection_problems", "finance_payments"


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The contracts of the house, with one added that names a place of its own, one broken and one taken away."""
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    feeds = folder / "feeds"
    text = (feeds / "finance" / "finance_payments.odcs.yaml").read_text(encoding="utf-8")
    text = text.replace("id: finance_payments\n", f"id: {NEW}\n").replace("hub.finance.payment.v1", "hub.finance.my.v1")
    mine = text.replace("value: finance_bureau_drop", "value: my_drop", 1)
    (feeds / "finance" / f"{NEW}.odcs.yaml").write_text(mine, encoding="utf-8")
    path = feeds / "audit" / f"{BROKEN}.odcs.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("status: active", "stauts: active"), encoding="utf-8")
    (feeds / "inspection" / f"{GONE}.odcs.yaml").unlink()
    monkeypatch.setenv("HUB_CONTRACTS", str(folder))
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def list_places(folder: Folder) -> None:
    folder.make()
    server = {"host": "127.0.0.1", "port": "1", "dbname": "d", "user": "u"}
    places.write(folder, database=server, api="http://127.0.0.1:2", published=folder.unpublished)


def test_only_feeds_whose_places_the_demonstration_lists_are_rung(contracts: Path) -> None:
    chosen = selection.choose(catalogue.load(), OWN)
    rung = {feed.id for feed in chosen.feeds}
    assert {"finance_payments", "statistics_observations"} <= rung
    assert not rung & {NEW, BROKEN, GONE}
    elsewhere, broken = chosen.told
    assert elsewhere == f"not run here: {NEW} (no place my_drop)"
    assert (
        broken.startswith(f"broken, not run: {BROKEN}: ")
        and f"{BROKEN}.odcs.yaml:" in broken
        and "hub contract lint" in broken
    )


def test_places_added_by_hand_stay_in_the_list(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "demo")
    list_places(folder)
    assert set(load_places(folder.places)) == OWN
    mine = '\n[places.my_drop]\nroot = "/srv/我的 \\"drop\\""\n[places.my_api]\nbase_url = "http://h"\n'
    mine += '[places.my_api.oauth2]\ntoken_url = "http://h/t"\nclient_id = "c"\nclient_secret_env = "X"\n'
    with folder.places.open("a", encoding="utf-8") as file:
        file.write(mine)
    before = load_places(folder.places)
    for _ in range(2):
        list_places(folder)
        assert load_places(folder.places) == before
    assert set(before) == OWN | {"my_drop", "my_api"}
    folder.places.write_text("[places.my", encoding="utf-8")
    list_places(folder)
    assert set(load_places(folder.places)) == OWN
    assert folder.places.with_name("places.toml.unreadable").read_text(encoding="utf-8") == "[places.my"


@dataclass
class Airflow:
    """Stands for Airflow's API: every run ends at once, those of `failing` badly."""

    failing: set[str]
    rung: list[str] = field(default_factory=list)

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None: ...

    def await_dags(self, dag_ids: Any) -> None: ...

    def pause(self, dag_id: str) -> None: ...

    def ring(self, dag_ids: Sequence[str]) -> list[Run]:
        self.rung = list(dag_ids)
        return [Run(one, "r1", "manual", "running") for one in dag_ids]

    def look(self, runs: Sequence[Run]) -> list[Run]:
        states = {one.dag_id: "failed" if one.dag_id in self.failing else "success" for one in runs}
        return [Run(one.dag_id, one.run_id, one.run_type, states[one.dag_id]) for one in runs]

    def failure(self, run: Run) -> FailedTask:
        log = f"dag_id={run.dag_id}/run_id={run.run_id}/task_id=carry/attempt=1.log"
        return FailedTask("carry", log, "HUB-SRC-002", "the place x is not listed", "未登记 x", "list x", "请登记 x")


@pytest.mark.stack
def test_the_others_are_carried_read_back_and_held(
    contracts: Path, hub_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    migrate.migrate()
    airflow = Airflow({f"feed_{FAILING}"})
    monkeypatch.setattr(AirflowClient, "of_stack", lambda _: airflow)
    asked: list[str] = []
    monkeypatch.setattr(travel, "read", lambda topics, *_, **__: asked.extend(topics) or {})
    agencies = Agencies(tmp_path / "var", 1_000, 1)
    list_places(agencies.folder)
    for number, feed in enumerate((BROKEN, GONE, FAILING, "statistics_observations")):
        Ledger(feed, "a.csv", 1, 1).write(agencies.folder.ledgers / f"{number}.json")
    out = io.StringIO()
    way = travel.Travel(tmp_path / "var", agencies, Show(Console(file=out, width=300)), lambda _: None)
    found = way.go(keep=False)
    dispose()
    assert f"feed_{FAILING}" in airflow.rung and f"feed_{NEW}" not in airflow.rung
    assert f"not run here: {NEW} (no place my_drop)" in out.getvalue()
    assert [(one.feed, one.broken) for one in found.not_run] == [(NEW, False), (BROKEN, True)]
    stopped, broken = way.wrong
    assert isinstance(stopped, FeedStopped) and isinstance(broken, ContractsBroken)
    assert "HUB-SRC-002 the place x is not listed" in stopped.sentence() and "未登记 x" in stopped.sentence("zh")
    assert "task_id=carry/attempt=1.log" in stopped.remedy() and "list x" in stopped.remedy()
    assert BROKEN in broken.sentence()
    # Only what was carried is held against what was planted.
    wrong = [str(claim) for claim in found.claims if not claim.holds]
    assert [line for line in wrong if FAILING in line or BROKEN in line or GONE in line] == []
    assert [line for line in wrong if line.startswith("statistics_observations")], json.dumps(wrong)
    assert FeedId(FAILING) not in {line.feed for line in found.lines}
