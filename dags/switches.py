"""Airflow's own switch of each DAG, asked from outside of Airflow: it is none of the hub's pauses and does not look like one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dags.client import AirflowClient
from hub.errors import HubException
from hub.settings import Settings
from hub.stack.airflow import NOTES
from hub.stack.errors import StackDown

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Switches:
    """DAG id → whether it is on. `asked` is False where there is no Airflow to ask, or none that the hub has an account at."""

    asked: bool
    on: Mapping[str, bool]
    error: Mapping[str, Any] | None = None  # it should have answered

    def word(self, dag_id: str) -> str:
        """on · off · not there yet; empty where nobody was asked."""
        if not self.asked or self.error is not None:
            return ""
        is_on = self.on.get(dag_id)
        return "not there yet" if is_on is None else "on" if is_on else "off"


def of_all(now: Settings) -> Switches:
    """The switches as Airflow has them now; never raises: what the database knows stands without Airflow."""
    try:
        session = _session(now)
        if session is None:
            return Switches(False, {})
        with session:
            return Switches(True, session.switches())
    except HubException as error:
        return Switches(True, {}, error.as_dict())


def _session(now: Settings) -> AirflowClient | None:
    try:
        return AirflowClient.of_stack(now.var, timeout=PATIENCE_SECONDS)
    except StackDown:
        if now.airflow_notes_password is None:
            return None
    address = f"http://{now.airflow_host}:{now.airflow_port}"
    return AirflowClient(address, NOTES, now.airflow_notes_password.get_secret_value(), timeout=PATIENCE_SECONDS)
