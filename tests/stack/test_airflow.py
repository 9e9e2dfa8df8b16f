"""Airflow as the stack starts it: healthy, private, silent towards the outside, and gone after `down`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from hub import service, stack
from hub.settings import ROOT, settings
from hub.stack import processes
from hub.stack.airflow import AIRFLOW
from hub.stack.errors import ServiceUnwell
from hub.stack.layout import Layout
from hub.stack.vault import Vault
from tests.stack.conftest import listening, new_run_directory

pytestmark = [pytest.mark.stack, pytest.mark.airflow]
SERVICES = [part.name for part in AIRFLOW if not part.oneshot]


@pytest.fixture(scope="module")
def airflow() -> Iterator[Path]:
    folder = new_run_directory()
    try:
        stack.up(folder, ["airflow"], timeout=400)
        yield folder
    finally:
        stack.down(folder)
        shutil.rmtree(folder.parent, ignore_errors=True)


def members(var: Path) -> dict[str, list[psutil.Process]]:
    return {name: list(processes.members(part.kin)) for name, part in stack.status(var).parts.items()}


def test_every_service_is_healthy_and_private(airflow: Path) -> None:
    state = stack.status(airflow)
    base = f"http://{state.address('airflow-api')}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        health = client.get("/api/v2/monitor/health").json()
        # Nobody enters without the generated password.
        password = Vault(Layout.of(airflow).secrets).get("airflow-admin")
        answers = [
            client.post("/auth/token", json={"username": "admin", "password": word})
            for word in (password, "admin", "wrong")
        ]
        assert [answer.status_code for answer in answers] == [201, 401, 401]
        assert client.get("/api/v2/dags").status_code == 401
        token = {"Authorization": "Bearer " + answers[0].json()["access_token"]}
        assert client.get("/api/v2/dags", headers=token).status_code == 200
    assert {
        name: health[name]["status"] for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
    } == dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    assert len({state.pid(name) for name in SERVICES}) == 4
    # Nothing listens beyond loopback, on no service and no child.
    heard = {name: listening(found) for name, found in members(airflow).items()}
    assert heard["airflow-api"] == {"127.0.0.1"}
    assert not any(heard[name] for name in SERVICES if name != "airflow-api")
    assert set().union(*heard.values()) == {"127.0.0.1"}
    # Settings reached the services, and no secret reached a log or a command line.
    environment = psutil.Process(state.pid("airflow-scheduler")).environ()
    assert environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert len(environment["AIRFLOW__API_AUTH__JWT_SECRET"].encode()) >= 64
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(ROOT / "dags")
    assert str(ROOT) in environment["PYTHONPATH"].split(os.pathsep)
    layout = Layout.of(airflow)
    secrets = [path.read_text().strip() for path in layout.secrets.iterdir() if "." not in path.name]
    seen = [path.read_text(errors="replace") for path in layout.logs.rglob("*.log")]
    for process in (one for found in members(airflow).values() for one in found):
        with suppress(psutil.NoSuchProcess):  # a backend of PostgreSQL comes and goes
            seen.append(" ".join(process.cmdline()))
    assert not any(secret in text for secret in secrets for text in seen)


def test_every_check_of_a_service_says_that_it_is_well(airflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = stack.status(airflow)
    host, port = str(state.address("airflow-api")).split(":")
    given = psutil.Process(state.pid("airflow-scheduler")).environ()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    for name, value in {
        "VAR": airflow,
        "AIRFLOW_HOST": host,
        "AIRFLOW_PORT": port,
        "AIRFLOW_DATABASE_URL": given,
    }.items():
        monkeypatch.setenv(f"HUB_{name}", str(value))
    settings.cache_clear()
    try:
        for name in SERVICES:
            service.check(name)
        monkeypatch.setattr(service, "BEAT_SECONDS", -1)
        for name in service.JOBS:
            with pytest.raises(ServiceUnwell, match="heartbeat"):
                service.check(name)
    finally:
        settings.cache_clear()


@pytest.mark.crash
def test_a_killed_scheduler_is_reported_and_leaves_nothing_behind(airflow: Path) -> None:
    end = time.monotonic() + 120  # it is healthy before it has forked its workers
    while len((before := members(airflow))["airflow-scheduler"]) < 2 and time.monotonic() < end:
        time.sleep(0.5)
    assert len(before["airflow-scheduler"]) > 1, "the scheduler has workers"
    stack.kill(airflow, "airflow-scheduler", signal.SIGKILL)
    state = stack.status(airflow)
    assert state.parts["airflow-scheduler"].state == "down" and not state.ready
    stack.down(airflow)
    left = [process for found in before.values() for process in found if process.is_running()]
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    raw = json.loads(Layout.of(airflow).state_file.read_text())
    assert {part["state"] for part in raw["parts"]} <= {"stopped", "skipped"}
