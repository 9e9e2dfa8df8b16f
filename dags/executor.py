"""LocalExecutor whose workers start warm.

LocalExecutor forks its workers from the scheduler, and every task is a fork of a worker (no new interpreter). What the
scheduler has imported when it starts the executor is therefore there in every task, shared and for nothing; what it has
not, every task imports again: Great Expectations alone costs 7 s of CPU. Figures: docs/decisions/0007-airflow.md.

Only modules are imported here. No settings are read, no connection opened, no thread pool of ours started, so that a
forked task begins as a fresh process would.
"""

from __future__ import annotations

import http.client
import importlib
import logging
import os
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.executors.local_executor import LocalExecutor

WARM: tuple[str, ...] = (
    # what Airflow itself imports at the start of each task
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.bundles.local",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.connection",
    # what the whole way needs
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pyarrow.pandas_compat",
    "lxml.html",
    "jinja2.ext",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "httpx",
    "great_expectations",
    "contracts.catalogue",
    "dags.factory",
    "dags.note",
    "dags.account",
    "hub.settings",
    "warehouse.way",
    "exchange.relay.publication",
)
"""Modules that are safe to inherit. polars, which the warehouse imports, starts a thread that a fork does not get: it clears
spilled files of the out-of-core engine, which nothing here uses."""


class WarmLocalExecutor(LocalExecutor):
    """LocalExecutor that imports WARM before it forks."""

    def start(self) -> None:
        """Imports, then starts the workers. What can't be imported is logged and left to the tasks."""
        warm(self.log)
        knock(conf.get("core", "execution_api_server_url", fallback=""))
        super().start()


def warm(log: Any) -> list[str]:
    """Imports WARM and the connectors; returns what could not be imported."""
    began, cpu = time.monotonic(), time.process_time()
    # One thread is enough for the little that numpy does here, and a fork copies no others.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    missing = [name for name in (*WARM, *_connectors()) if not _import(name, log)]
    log.info("workers start warm after %.1f s (%.1f s CPU)", time.monotonic() - began, time.process_time() - cpu)
    return missing


def knock(url: str) -> None:
    """Asks the execution API one thing and does not wait: it builds its routes at the first request, which takes it 4 s of
    CPU, better now than when the first task wants it. Where nobody answers yet, nothing is lost."""
    where = urlsplit(url)
    if where.scheme != "http" or not where.hostname:
        return
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=0.5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{where.path.rstrip('/')}/health")
        connection.getresponse()
    connection.close()


def _connectors() -> list[str]:
    """The connectors on disk, as modules."""
    from connectors.registry import connectors_on_disk

    return [f"connectors.{name}" for name in connectors_on_disk()]


def _import(name: str, log: Any) -> bool:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a module that fails here fails in its task, where it can be told
        log.warning("can't warm %s: %s", name, type(error).__name__)
        return False
    return True
