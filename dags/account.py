"""The hub's own account at Airflow's REST API: by it a task writes a run's note and asks how a run stands.

Its password is HUB_AIRFLOW_NOTES_PASSWORD; where that is not set, no note is written. The address is the one by which the task
itself speaks to Airflow.
"""

from __future__ import annotations

from dags.client import AirflowClient
from hub.settings import settings
from hub.stack.airflow import NOTES

PATIENCE_SECONDS = 5.0
"""What a request may take: no run waits longer for its note."""

_EXECUTION = "/execution"


def airflow() -> AirflowClient | None:
    """A session with the Airflow that runs this task; None where the hub has no account there."""
    from airflow.configuration import conf

    password = settings().airflow_notes_password
    address = str(conf.get("core", "execution_api_server_url", fallback="") or "").rstrip("/")
    if password is None or not address.endswith(_EXECUTION):
        return None
    address = address.removesuffix(_EXECUTION)
    return AirflowClient(address, NOTES, password.get_secret_value(), timeout=PATIENCE_SECONDS)
