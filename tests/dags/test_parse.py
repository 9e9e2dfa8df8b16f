"""Reading the DAG files as Airflow does: every contract has its DAG and every DAG its contract, quickly and lightly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dag_factory import copies
from contracts.model import FeedContract
from dags.words import escaped
from hub.ids import FeedId
from hub.settings import ROOT

CHORES = {"alarms", "broken_contracts", "frequent", "relay", "upkeep"}
HEAVY = {
    "pyarrow",
    "polars",
    "pandas",
    "great_expectations",
    "kafka",
    "confluent_kafka",
    "psycopg",
    "jsonschema",
}

PROGRAM = """
import json, logging, sys
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
airflows = set(sys.modules)
bag = DagBag(dag_folder="dags")
print(json.dumps({
    "errors": bag.import_errors,
    "heavy": sorted({name.split(".")[0] for name in set(sys.modules) - airflows}),
    "dags": {dag.dag_id: {
        "file": dag.relative_fileloc or dag.fileloc, "tasks": sorted(dag.task_dict), "runs": dag.max_active_runs,
        "catchup": dag.catchup, "timetable": type(dag.timetable).__name__, "doc": dag.doc_md or "", "name": dag.dag_display_name,
        "cron": getattr(dag.timetable, "expression", None), "tags": sorted(dag.tags), "params": sorted(dag.params),
        "paused": dag.is_paused_upon_creation, "start": dag.start_date.isoformat(),
        "retries": {task.task_id: [task.retries, task.retry_delay.total_seconds()] for task in dag.tasks},
        "assets": sorted(asset.uri for task in dag.tasks for asset in task.outlets),
        "deadlines": [[type(one.reference).__name__, one.interval.total_seconds(), one.callback.path, one.callback.kwargs]
                      for one in dag.deadline or []],
        "templates": sorted({field for task in dag.tasks for field in task.template_fields}),
    } for dag in bag.dags.values()},
}))
"""


def read(tmp_path: Path, contracts: Path | None = None, **env: str) -> dict[str, Any]:
    """What Airflow makes of the DAG folder, in a process of its own."""
    given = {"HUB_CONTRACTS": str(contracts)} if contracts else {}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HUB_VAR": str(tmp_path / "var"), **given, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG folder with the contracts of the repository."""
    return read(tmp_path_factory.mktemp("parse"))


def on_disk() -> set[str]:
    return {path.name.removesuffix(".odcs.yaml") for path in (ROOT / "contracts" / "feeds").glob("*/*.odcs.yaml")}


def test_no_dag_file_fails(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}


def test_every_contract_has_its_dag_and_every_dag_its_contract(parsed: dict[str, Any]) -> None:
    assert on_disk(), "there are contracts"
    assert set(parsed["dags"]) == {f"feed_{feed}" for feed in on_disk()} | CHORES


def test_every_dag_file_is_read_and_every_other_module_is_not(parsed: dict[str, Any]) -> None:
    read_files = {Path(dag["file"]).name for dag in parsed["dags"].values()}
    listed = {
        line.removeprefix("!")
        for line in (ROOT / "dags" / ".airflowignore").read_text().split()
        if line.startswith("!")
    }
    assert read_files == listed
    makes_a_dag = {path.name for path in (ROOT / "dags").glob("*.py") if "airflow.sdk import DAG" in path.read_text()}
    assert makes_a_dag - listed == {"factory.py"}, "a DAG file is missing in .airflowignore"


def test_reading_the_dags_imports_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert set(parsed["heavy"]) & HEAVY == set()


def rhythm(contract: FeedContract) -> str | None:
    """A run each time it is due; of a frequent feed one an hour."""
    from dags import factory

    found = factory.rhythm(contract)
    if contract.latency == "frequent":
        assert found is not None and re.fullmatch(r"\d{1,2} \* \* \* \*", found)
    else:
        assert found == contract.sla.schedule
    return found


def test_hours_of_frequent_feeds_are_spread_and_stay_where_they_are() -> None:
    from contracts import catalogue

    one = next(iter(catalogue.load().feeds.values()))
    often = [replace(one, id=FeedId(f"testing_often{number}"), latency="frequent") for number in range(60)]
    found = {rhythm(contract) for contract in often}
    assert len(found) > 20
    assert {rhythm(contract) for contract in often} == found


def test_a_feeds_dag_is_what_its_contract_says(parsed: dict[str, Any]) -> None:
    from contracts import catalogue

    for contract in catalogue.load().feeds.values():
        dag = parsed["dags"][f"feed_{contract.id}"]
        assert dag["cron"] == rhythm(contract)
        assert dag["timetable"] == ("CronDataIntervalTimetable" if contract.sla.schedule else "NullTimetable")
        assert dag["tasks"] == ["carry", "published"]
        assert dag["name"].startswith(f"{contract.id} "), (
            "Airflow's page looks for what is typed at the beginning of it"
        )
        wanted = [contract.sla.retries, contract.sla.retry_delay_seconds]
        assert dag["retries"] == {"carry": wanted, "published": wanted}
        assert (dag["catchup"], dag["runs"], dag["paused"]) == (False, 1, True)
        assert dag["assets"] == [f"kafka://hub/{contract.topic.name}"]
        assert {"feed", contract.domain, contract.owner} <= set(dag["tags"])
        assert "interval_start" in dag["params"]
        assert escaped(contract.name_zh) in dag["doc"]
        within = min(12 * 60, contract.sla.run_minutes or 12 * 60)
        told = {"feed": contract.id, "minutes": within}
        assert dag["deadlines"] == [["DagRunQueuedAtDeadline", within * 60, "dags.deadline.missed", told]]
        assert dag["start"] == "1999-12-31T16:00:00+00:00", "a fixed day, midnight in Asia/Shanghai"


def test_no_task_takes_its_arguments_for_a_template(parsed: dict[str, Any]) -> None:
    assert {field for dag in parsed["dags"].values() for field in dag["templates"]} == set()


def test_a_broken_contract_has_no_dag_and_takes_no_other_down(tmp_path: Path) -> None:
    one = copies(tmp_path / "contracts", 3)
    folder = next((tmp_path / "contracts" / "feeds").iterdir())
    (folder / "broken_yaml.odcs.yaml").write_text("id: [", encoding="utf-8")
    (folder / "broken_shape.odcs.yaml").write_text("id: broken_shape\nkind: DataContract\n", encoding="utf-8")
    found = read(tmp_path, tmp_path / "contracts")
    assert found["errors"] == {}
    feeds = {name for name in found["dags"] if name.startswith("feed_")}
    assert len(feeds) == 3
    assert f"feed_{one}" in feeds


def test_broken_contracts_are_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.broken_contracts import ListBroken
    from dags.errors import ContractsBroken
    from hub.settings import settings

    copies(tmp_path / "contracts", 1)
    folder = next((tmp_path / "contracts" / "feeds").iterdir())
    monkeypatch.setenv("HUB_CONTRACTS", str(tmp_path / "contracts"))
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    settings.cache_clear()
    try:
        task = ListBroken(task_id="tell")
        assert task.work({}) == {"contracts": 1}
        (folder / "broken_yaml.odcs.yaml").write_text("id: [", encoding="utf-8")
        (folder / "broken_shape.odcs.yaml").write_text("id: broken_shape\n", encoding="utf-8")
        with pytest.raises(ContractsBroken) as raised:
            task.work({})
    finally:
        settings.cache_clear()
    assert raised.value.facts["count"] == 2
    assert "broken_yaml" in raised.value.sentence()
    assert "broken_shape" in raised.value.sentence()


def test_a_starting_task_builds_its_own_dag_alone(tmp_path: Path) -> None:
    one = copies(tmp_path / "contracts", 5)
    found = read(tmp_path, tmp_path / "contracts", _AIRFLOW_PARSING_CONTEXT_DAG_ID=f"feed_{one}")
    assert {name for name in found["dags"] if name.startswith("feed_")} == {f"feed_{one}"}
    assert found["dags"][f"feed_{one}"]["tasks"] == ["carry", "published"]
    assert set(found["heavy"]) & HEAVY == set()
