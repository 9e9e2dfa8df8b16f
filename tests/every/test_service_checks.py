"""Every check of `hub service check`, by the list: nothing that is away or late passes for well, and what serves does.

Airflow's services are asked where they run: tests/stack/test_airflow.py, tests/shipping/test_entrypoints.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub import service
from hub.cli import shell
from hub.settings import Settings, settings
from hub.stack import catalogue
from hub.stack.airflow import AIRFLOW
from hub.stack.errors import ServiceUnwell
from hub.stack.postgres import plain_url
from warehouse.engine import holding

pytestmark = pytest.mark.stack

OURS = {"relay": ("hub", "relay", "serve"), "worker": ("tests.warehouse.frequent", "serve")}
"""The module that each of our own parts is started by, and its words."""


def why(name: str) -> str | None:
    """What is wrong with a part; None where it is well."""
    try:
        service.check(name)
    except ServiceUnwell as error:
        return str(error.facts["reason"])
    return None


def test_every_part_that_goes_on_has_a_check_and_its_test() -> None:
    lasting = {name for name in service.names() if not catalogue.known()[name].oneshot}
    assert lasting == set(service.CHECKS)
    assert lasting == {"kafka", *OURS, *(part.name for part in AIRFLOW if not part.oneshot)}


@pytest.mark.parametrize("name", service.names())
def test_what_does_not_run_is_not_well(
    name: str, hub_settings: Settings, make_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the same name that serves another database of this PostgreSQL is none of ours."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HUB_AIRFLOW_DATABASE_URL", make_database())
    monkeypatch.setenv("HUB_AIRFLOW_PORT", str(port))
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", f"127.0.0.1:{port}")
    settings.cache_clear()
    other = f"hub {name} {os.getpid()}@{socket.gethostname()}"[:63]
    with psycopg.connect(plain_url(make_database()), application_name=other):
        told = CliRunner().invoke(shell, ["service", "check", name]).exception
    assert isinstance(told, ServiceUnwell) and (told.exit_code, told.code) == (3, "HUB-STK-025")
    assert name not in OURS or "listens in the database" in str(told)


def test_a_broker_is_well(hub_settings: Settings) -> None:
    assert why("kafka") is None


@pytest.mark.parametrize("name", OURS)
def test_ours_are_well_while_they_serve(name: str, agency: Path, hub_settings: Settings) -> None:
    """And the worker is not while something has been due for long, whoever it is that keeps it from it."""
    process = subprocess.Popen([sys.executable, "-m", *OURS[name]], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while why(name) is not None:
            assert time.monotonic() < end, why(name)
            time.sleep(0.1)
        if name == "worker":
            with psycopg.connect(plain_url(hub_settings.url()), autocommit=True) as conn, holding("feed", "audit_late"):  # type: ignore[arg-type]
                conn.execute(
                    "insert into hub.feed_turn (feed, served, due_at) values ('audit_late', true, now() - %s * interval '1 s')",
                    [service.LATE_SECONDS + 60],
                )
                assert "1 feeds are due" in str(why(name))
                conn.execute("update hub.feed_turn set due_at = now() - interval '1 minute'")
                assert why(name) is None, "a turn takes its time"
    finally:
        process.terminate()
        process.wait(70)
    assert "of this machine listens" in str(why(name))
