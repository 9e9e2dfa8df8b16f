"""What a failed task said: the hub's error, read back from the task's log, where `dags.operators.told` wrote it as one line.

No Airflow is imported: the demonstration and the tests ask over HTTP.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_TOLD = re.compile(
    r"(?P<code>HUB-[A-Z]{3}-\d{3}) \[\w+\] (?P<en>.+?) \| (?P<zh>.+?) \| remedy: (?P<remedy_en>.+?) \| 处理[:：](?P<remedy_zh>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that ended badly: which, in the hub's words why (empty where it said nothing), and its log below Airflow's."""

    task_id: str
    log: str
    code: str = ""
    en: str = ""
    zh: str = ""
    remedy_en: str = ""
    remedy_zh: str = ""


def failed_task(dag_id: str, run_id: str, task_id: str, attempt: int, log: str) -> FailedTask:
    """The failure of a try of a task, whose log is given an event a line."""
    path = f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}/attempt={attempt}.log"
    said = [found for line in log.splitlines() if (found := _TOLD.search(_event(line)))]
    return FailedTask(task_id, path, **(said[-1].groupdict() if said else {}))


def _event(line: str) -> str:
    try:
        item = json.loads(line)
    except ValueError:
        return line
    return str(item.get("event", "")) if isinstance(item, dict) else line
