"""Airflow's REST API for the demo, the tests and the command line: the `airflow` command takes seconds to start, this none.

with AirflowClient.of_stack(settings().var) as airflow:
    run = airflow.ring("feed_…")
    airflow.wait([run])
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from dags.errors import AirflowRefused, AirflowSilent, DagUnknown, RunNotEnded, RunNotSucceeded
from dags.failed_task import FailedTask, failed_task
from hub.stack.airflow import USER
from hub.stack.client import status
from hub.stack.errors import StackDown
from hub.stack.layout import Layout
from hub.stack.vault import Vault

ENDED = frozenset({"success", "failed"})
POLL_SECONDS = 0.3
SILENCE_SECONDS = 20.0
"""How long a server that does not answer is tried again, for reading only."""


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    start: datetime | None = None
    end: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    @property
    def seconds(self) -> float | None:
        """From its start to its end."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None


@dataclass(frozen=True, slots=True)
class TaskState:
    """The latest try of a task of a run. `state` is None until Airflow takes it up."""

    task_id: str
    state: str | None
    tries: int
    seconds: float | None


Watcher = Callable[[Sequence[Run]], None]


class AirflowClient:
    """A session with one Airflow. Raises AirflowSilent when it does not answer, AirflowRefused when it won't."""

    def __init__(self, address: str, user: str, password: str, timeout: float = 30) -> None:
        # A proxy of the operator's environment must not get between us and loopback.
        self._http = httpx.Client(base_url=address, timeout=timeout, trust_env=False)
        self._address, self._user, self._password = address, user, password

    @classmethod
    def of_stack(cls, var: Path, timeout: float = 30) -> Self:
        """The Airflow that `hub stack up` runs in `var`, with its generated password. Raises StackDown."""
        layout, current = Layout.of(var), status(var)
        if "airflow" not in current.ports or not current.running:
            raise StackDown(var=layout.var)
        users = json.loads(Vault(layout.secrets).get("airflow-passwords.json", lambda: "{}"))
        return cls(f"http://127.0.0.1:{current.ports['airflow']}", USER, users[USER], timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back the connection."""
        self._http.close()

    # --- DAGs

    def dag_ids(self) -> list[str]:
        """Every DAG that Airflow has read and not found stale."""
        return [dag_id for dag_id, _ in self._dags()]

    def _dags(self) -> list[tuple[str, Mapping[str, Any]]]:
        found: list[tuple[str, Mapping[str, Any]]] = []
        while True:
            page = self._ask("GET", "/dags", params={"limit": 100, "offset": len(found), "exclude_stale": True})
            found += [(dag["dag_id"], dag) for dag in page["dags"]]
            if not page["dags"] or len(found) >= page["total_entries"]:
                return found

    def switches(self) -> dict[str, bool]:
        """DAG id → whether its switch is on, of every DAG that Airflow has read and not found stale."""
        return {dag_id: not dag["is_paused"] for dag_id, dag in self._dags()}

    def await_dags(self, dag_ids: Iterable[str], seconds: float = 90) -> None:
        """Returns when Airflow has read all of them. Raises DagUnknown."""
        wanted, end = set(dag_ids), time.monotonic() + seconds
        while missing := wanted - set(self.dag_ids()):
            if time.monotonic() > end:
                raise DagUnknown(dag_id=", ".join(sorted(missing)), seconds=round(seconds))
            time.sleep(POLL_SECONDS)

    def import_errors(self) -> list[str]:
        """DAG files that could not be read, each with the last line of why."""
        found = self._ask("GET", "/importErrors", params={"limit": 100})["import_errors"]
        return [f"{item['filename']}: {item['stack_trace'].strip().splitlines()[-1]}" for item in found]

    def pause(self, dag_id: str, paused: bool = True) -> None:
        """Pauses a DAG, or lets it run."""
        self._ask("PATCH", f"/dags/{_part(dag_id)}", params={"update_mask": "is_paused"}, body={"is_paused": paused})

    # --- runs

    def ring(self, dag_ids: Iterable[str]) -> list[Run]:
        """One live run now of each DAG, which may be paused; in the order given.

        A DAG whose schedule has a run due, one that is let run for the first time say, would start that run by itself. So
        the run asked for is that very run, by its logical date, of which Airflow keeps one whoever comes first. The schedule
        moves on some time after: until then a run that has begun is told as due, and is not the one asked for.
        """
        rung = []
        for dag_id in dag_ids:
            dag = self._ask("GET", f"/dags/{_part(dag_id)}")
            due = dag["next_dagrun_run_after"]
            is_due = due is not None and datetime.fromisoformat(due) <= datetime.now(UTC)
            rung.append((self._due(dag) if is_due else None) or self.trigger(dag_id))
            if dag["is_paused"]:
                self.pause(dag_id, paused=False)
        return rung

    def _due(self, dag: Mapping[str, Any]) -> Run | None:
        """The run that the schedule has due, made by us or found made and not begun yet."""
        dag_id, date = dag["dag_id"], dag["next_dagrun_logical_date"]
        body = {
            "dag_run_id": f"due__{date}",
            "logical_date": date,
            "data_interval_start": dag["next_dagrun_data_interval_start"],
            "data_interval_end": dag["next_dagrun_data_interval_end"],
        }
        made = self._ask("POST", f"/dags/{_part(dag_id)}/dagRuns", body=body, taken={})
        if made:
            return _run(made)
        at = {"limit": 1, "logical_date_gte": date, "logical_date_lte": date}
        found = _run(self._ask("GET", f"/dags/{_part(dag_id)}/dagRuns", params=at)["dag_runs"][0])
        return found if found.start is None else None

    def trigger(self, dag_id: str, params: Mapping[str, Any] | None = None) -> Run:
        """Starts a run by hand with these parameters; the DAG must not be paused for it to proceed."""
        body = {"logical_date": None, "conf": dict(params or {})}
        return _run(self._ask("POST", f"/dags/{_part(dag_id)}/dagRuns", body=body))

    def again(self, dag_id: str, start: datetime, end: datetime) -> Run:
        """A run that reads the interval [start, end) again and moves no cursor; of any DAG of a feed, scheduled or not."""
        return self.trigger(dag_id, {"interval_start": start.isoformat(), "interval_end": end.isoformat()})

    def backfill(self, dag_id: str, start: datetime, end: datetime, *, again: bool = True) -> list[Run]:
        """Runs every interval that begins in [start, end] again; returns the runs. `again`: also where a run succeeded."""
        known = {run.run_id for run in self.runs(dag_id)}
        self._ask(
            "POST",
            "/backfills",
            body={
                "dag_id": dag_id,
                "from_date": start.isoformat(),
                "to_date": end.isoformat(),
                "reprocess_behavior": "completed" if again else "none",
                "max_active_runs": 1,
            },
        )
        return [run for run in self.runs(dag_id) if run.run_type == "backfill" and run.run_id not in known]

    def runs(self, dag_id: str, most: int = 50) -> list[Run]:
        """The latest runs, newest first."""
        page = self._ask("GET", f"/dags/{_part(dag_id)}/dagRuns", params={"limit": most, "order_by": "-run_after"})
        return [_run(item) for item in page["dag_runs"]]

    def run(self, run: Run) -> Run:
        """The run as it is now."""
        return _run(self._ask("GET", f"/dags/{_part(run.dag_id)}/dagRuns/{_part(run.run_id)}"))

    def find(self, dag_id: str, run_id: str) -> Run | None:
        """A run by its id; None where Airflow has none of it."""
        found = self._ask("GET", f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}", absent={})
        return _run(found) if found else None

    def note(self, dag_id: str, run_id: str) -> str:
        """What is noted on a run; empty where nothing is."""
        return str(self._ask("GET", f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}")["note"] or "")

    def put_note(self, dag_id: str, run_id: str, text: str) -> None:
        """Writes a run's note, in place of the one before."""
        path = f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}"
        self._ask("PATCH", path, params={"update_mask": "note"}, body={"note": text})

    def look(self, runs: Iterable[Run]) -> list[Run]:
        """These runs as they are now, in one request: asking for each costs the server a fifth of a core."""
        listed = list(runs)
        page = self._ask("GET", "/dags/~/dagRuns", params={"limit": 100, "order_by": "-run_after"})
        now = {(item["dag_id"], item["dag_run_id"]): _run(item) for item in page["dag_runs"]}
        return [now.get((run.dag_id, run.run_id)) or self.run(run) for run in listed]

    def wait(self, runs: Iterable[Run], seconds: float = 300, watch: Watcher | None = None) -> list[Run]:
        """Returns the runs when all have ended, whatever their states. Raises RunNotEnded."""
        listed, end = list(runs), time.monotonic() + seconds
        while True:
            listed = self.look(listed)
            if watch:
                watch(listed)
            open_ = [run for run in listed if not run.ended]
            if not open_:
                return listed
            if time.monotonic() > end:
                late = open_[0]
                raise RunNotEnded(dag_id=late.dag_id, run_id=late.run_id, state=late.state, seconds=round(seconds))
            time.sleep(POLL_SECONDS)

    def succeed(self, runs: Iterable[Run], seconds: float = 300, watch: Watcher | None = None) -> list[Run]:
        """Like `wait`. Raises RunNotSucceeded for the first that ended otherwise."""
        ended = self.wait(runs, seconds, watch)
        for run in ended:
            if run.state != "success":
                bad = [f"{task.task_id} {task.state}" for task in self.tasks(run) if task.state != "success"]
                raise RunNotSucceeded(dag_id=run.dag_id, run_id=run.run_id, state=run.state, tasks=", ".join(bad))
        return ended

    def tasks(self, run: Run) -> list[TaskState]:
        """The tasks of a run."""
        page = self._ask("GET", f"{_of(run)}/taskInstances")
        return [
            TaskState(item["task_id"], item["state"], item["try_number"], item["duration"])
            for item in page["task_instances"]
        ]

    def failure(self, run: Run) -> FailedTask | None:
        """The first task of a run that failed, and what it said; None where none did."""
        bad = next((task for task in self.tasks(run) if task.state == "failed"), None)
        if bad is None:
            return None
        return failed_task(run.dag_id, run.run_id, bad.task_id, bad.tries, self.log(run, bad.task_id, bad.tries))

    def figures(self, run: Run, task_id: str) -> Any:
        """What the task left for others (its XCom `return_value`); None when it left nothing."""
        path = f"{_of(run)}/taskInstances/{_part(task_id)}/xcomEntries/return_value"
        found = self._ask("GET", path, params={"deserialize": False}, absent={})
        value = found.get("value")
        return json.loads(value) if isinstance(value, str) else value

    def log(self, run: Run, task_id: str, attempt: int = 1) -> str:
        """The log of one try of a task, an event a line."""
        page = self._ask(
            "GET", f"{_of(run)}/taskInstances/{_part(task_id)}/logs/{attempt}", params={"full_content": True}
        )
        return "\n".join(
            item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in page["content"]
        )

    # --- the wire

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        absent: Any = None,
        taken: Any = None,
    ) -> Any:
        """One request. `absent`, `taken`: what a 404 or a 409 gives instead of an error. A read is tried again while nobody answers."""
        end = time.monotonic() + (SILENCE_SECONDS if method == "GET" else 0)
        while True:
            try:
                if "Authorization" not in self._http.headers:
                    self._log_in()
                answer = self._http.request(method, f"/api/v2{path}", params=params, json=body)
            except httpx.HTTPError as error:
                if time.monotonic() > end:
                    raise AirflowSilent(address=self._address, reason=type(error).__name__) from None
                time.sleep(POLL_SECONDS)
                continue
            if answer.status_code == httpx.codes.NOT_FOUND and absent is not None:
                return absent
            if answer.status_code == httpx.codes.CONFLICT and taken is not None:
                return taken
            if answer.is_success:
                return answer.json() if answer.content else None
            raise AirflowRefused(request=f"{method} {path}", status=answer.status_code, answer=answer.text[:300])

    def _log_in(self) -> None:
        answer = self._http.post("/auth/token", json={"username": self._user, "password": self._password})
        if not answer.is_success:
            # The answer is not shown: it may repeat what was sent.
            raise AirflowRefused(request="POST /auth/token", status=answer.status_code, answer="not let in")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _run(item: Mapping[str, Any]) -> Run:
    run = Run(item["dag_id"], item["dag_run_id"], item["run_type"], item["state"])
    return replace(run, start=_instant(item.get("start_date")), end=_instant(item.get("end_date")))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _of(run: Run) -> str:
    return f"/dags/{_part(run.dag_id)}/dagRuns/{_part(run.run_id)}"


def _part(text: str) -> str:
    return quote(text, safe="")
