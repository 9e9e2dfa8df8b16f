"""Airflow 3 with LocalExecutor on the stack's PostgreSQL: its services one by one, each a part, nothing beyond loopback.

`airflow standalone` would open log servers on all interfaces, and share one log; here each service has its own. All
configuration stands in the environment of the services (configuration reference of Airflow 3.3), all secrets are
generated, all telemetry is off.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psycopg

from hub.settings import ROOT
from hub.stack.layout import write_private
from hub.stack.parts import Part, Plan
from hub.stack.postgres import Postgres, plain_url
from hub.stack.processes import Launch

USER = "admin"
NOTES = "hub-notes"
"""The account by which tasks write notes onto runs. `user` is the least of the four roles that may: it reads DAGs and acts on
their runs, and sees no connection, variable, pool or configuration."""
LOOPBACK = "127.0.0.1,localhost,::1"


class AirflowPart(Part):
    """What all services share."""

    stop_order = 10
    grace = 8.0
    patience = 240.0
    probe_every = 0.3
    words: ClassVar[tuple[str, ...]] = ()
    """What follows `airflow` on the command line."""

    @property
    def folder(self) -> Path:
        """AIRFLOW_HOME."""
        return self.plan.layout.var / "airflow"

    def launch(self) -> Launch:
        """The service, in the foreground."""
        return Launch([sys.executable, "-m", "airflow", *self.words], self.environment(), ROOT)

    def prepare(self) -> None:
        """Makes AIRFLOW_HOME and the password file."""
        self.folder.mkdir(exist_ok=True)
        passwords = self.plan.vault.path("airflow-passwords.json")
        wanted = {USER: self.plan.vault.get("airflow-admin"), NOTES: self.plan.vault.get("airflow-notes")}
        if not passwords.exists() or json.loads(passwords.read_text(encoding="utf-8")) != wanted:
            write_private(passwords, json.dumps(wanted))

    def database_url(self) -> str:
        """Airflow's own database, by the driver that it uses."""
        given = self.plan.operator.airflow_database_url
        return given.get_secret_value() if given else Postgres(self.plan).url("airflow", "psycopg2")

    def environment(self) -> dict[str, str]:
        """The whole environment of a service."""
        get, port = self.plan.vault.get, self.plan.ports.get("airflow")
        logs = self.plan.layout.logs / "airflow"
        sections: dict[str, dict[str, object]] = {
            "core": {
                "dags_folder": ROOT / "dags",
                "load_examples": False,
                # LocalExecutor whose workers are forked with the heavy modules already there (docs/decisions/0007).
                "executor": "dags.executor.WarmLocalExecutor",
                "parallelism": max(4, 2 * (os.cpu_count() or 2)),
                "fernet_key": get("airflow-fernet", _fernet_key),
                "simple_auth_manager_users": f"{USER}:admin,{NOTES}:user",
                "simple_auth_manager_passwords_file": self.plan.vault.path("airflow-passwords.json"),
                "execution_api_server_url": f"http://{self.plan.host}:{port}/execution/",
                "default_timezone": "Asia/Shanghai",
                # A loaded machine is slow, not broken: by default a DAG file has 30 s, its process 50 s.
                "dagbag_import_timeout": 120,
            },
            "database": {
                "sql_alchemy_conn": self.database_url(),
                "sql_alchemy_pool_size": 4,
                "load_default_connections": False,
            },
            "api": {
                "host": self.plan.bind,
                "port": port,
                "workers": 1,
                "base_url": self.plan.operator.airflow_url or f"http://{self.plan.host}:{port}",
                "secret_key": get("airflow-session", _long_secret),
            },
            "api_auth": {"jwt_secret": get("airflow-jwt", _long_secret)},
            "scheduler": {
                "enable_health_check": False,
                "scheduler_heartbeat_sec": 2,
                "scheduler_idle_sleep_time": 0.5,
            },
            "dag_processor": {
                "parsing_processes": 1,
                "refresh_interval": 10,
                "min_file_process_interval": 30,
                "dag_file_processor_timeout": 180,
            },
            "logging": {
                "base_log_folder": logs,
                "dag_processor_child_process_log_directory": logs / "dag_processor",
                "colored_console_log": False,
            },
            "usage_data_collection": {"enabled": False},
        }
        if port is None:  # its database alone
            del sections["api"]["port"], sections["api"]["base_url"], sections["core"]["execution_api_server_url"]
        named = {f"AIRFLOW__{s}__{k}".upper(): str(v) for s, values in sections.items() for k, v in values.items()}
        no_proxy = ",".join(
            filter(None, [LOOPBACK, self.plan.host, os.environ.get("NO_PROXY") or os.environ.get("no_proxy")])
        )
        return self.plan.our_env(
            self.name,
            AIRFLOW_HOME=str(self.folder),
            GX_ANALYTICS_ENABLED="false",
            # Tasks speak to the API server on loopback; a proxy of the operator must not get in between.
            NO_PROXY=no_proxy,
            no_proxy=no_proxy,
            **named,
        )


class AirflowDatabase(AirflowPart):
    """Creates or migrates the database; nothing to do when it stands at the installed version's revision."""

    name = "airflow-db"
    title = "Airflow database"
    needs = ("postgres",)
    port_names = ()
    oneshot = True

    @property
    def address(self) -> str | None:
        """It has none."""
        return None

    @property
    def note(self) -> Path:
        """The version and revision that the last migration left."""
        return self.folder / "migrated.json"

    def launch(self) -> Launch:
        """The migration, without Airflow's command line."""
        argv = [sys.executable, "-m", "hub.stack.airflow_migrate", str(self.note)]
        return Launch(argv, self.environment(), ROOT)

    def done_already(self) -> bool:
        """Whether the database stands at the revision that the installed version left there."""
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            if noted["airflow"] != metadata.version("apache-airflow-core"):
                return False
            with psycopg.connect(plain_url(self.database_url()), connect_timeout=3) as connection:
                row = connection.execute("select version_num from alembic_version").fetchone()
        except (OSError, ValueError, KeyError, psycopg.Error):
            return False
        return row is not None and row[0] == noted["head"]


class AirflowApi(AirflowPart):
    """The API server: pages, REST API and the execution API that tasks speak to."""

    name = "airflow-api"
    title = "Airflow API server"
    needs = ("airflow-db",)
    port_names = ("airflow",)
    words = ("api-server",)

    def ready(self) -> bool:
        """Whether its health page answers."""
        return health(self.plan, "metadatabase") is not None


class AirflowService(AirflowPart):
    """A service that is known to be well by the API server's health page."""

    key: ClassVar[str] = ""
    works_with = ("airflow-api",)

    def launch(self) -> Launch:
        """Remembers when, so that a heartbeat of an earlier run does not count."""
        self._since = time.time()
        return super().launch()

    @property
    def address(self) -> str | None:
        """It has none; it is asked about at the API server."""
        return None

    def ready(self) -> bool:
        """Whether the health page shows a heartbeat since its start."""
        beat = health(self.plan, self.key)
        return beat is not None and beat >= self._since


class AirflowScheduler(AirflowService):
    """The scheduler, with the tasks as its children."""

    name = "airflow-scheduler"
    title = "Airflow scheduler"
    needs = ("airflow-db", "warehouse")
    words = ("scheduler", "--skip-serve-logs")
    key = "scheduler"

    def environment(self) -> dict[str, str]:
        """With the password of the account by which tasks write notes, as a file: tasks alone have it."""
        named = super().environment()
        if not named.get("HUB_AIRFLOW_NOTES_PASSWORD"):
            named.setdefault("HUB_AIRFLOW_NOTES_PASSWORD_FILE", str(self.plan.vault.file("airflow-notes")))
        return named


class AirflowDagProcessor(AirflowService):
    """Reads the DAG files."""

    name = "airflow-dag-processor"
    title = "Airflow DAG processor"
    needs = ("airflow-db",)
    words = ("dag-processor",)
    key = "dag_processor"


class AirflowTriggerer(AirflowService):
    """Waits for what deferred tasks wait for."""

    name = "airflow-triggerer"
    title = "Airflow triggerer"
    needs = ("airflow-db",)
    words = ("triggerer", "--skip-serve-logs")
    stop_signal = signal.SIGTERM
    key = "triggerer"


AIRFLOW: tuple[type[AirflowPart], ...] = (
    AirflowDatabase,
    AirflowApi,
    AirflowScheduler,
    AirflowDagProcessor,
    AirflowTriggerer,
)


def health(plan: Plan, key: str) -> float | None:
    """The last heartbeat (seconds since the epoch) of a component that is healthy; 0 for one without; None if it is not."""
    url = f"http://{plan.host}:{plan.ports['airflow']}/api/v2/monitor/health"
    found: dict[str, Any] = {}
    with suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(url, timeout=5, trust_env=False)
        found = answer.json().get(key) or {} if answer.status_code == 200 else {}
    if found.get("status") != "healthy":
        return None
    beats = [value for name, value in found.items() if name.startswith("latest_") and value]
    return datetime.fromisoformat(str(beats[0])).timestamp() if beats else 0.0


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _long_secret() -> str:
    return secrets.token_hex(64)
