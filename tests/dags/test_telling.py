"""A task's process ends without ceremony: what observers are to be told has left when the task has ended."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags.operators import HubTask
from hub.emitting import Emitter
from hub.errors import CommandUnknown


class Slow:
    def __init__(self) -> None:
        self.items: list[str] = []

    def take(self, item: str) -> None:
        time.sleep(0.2)
        self.items.append(item)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_to_be_told_leaves_before_the_task_ends(fails: bool) -> None:
    slow = Slow()
    emitter = Emitter("of a task", lambda: slow)

    class Task(HubTask):
        def work(self, context: Any) -> dict[str, Any]:
            emitter.put("one")
            emitter.put("two")
            if fails:
                raise CommandUnknown(module="m", reason="r")
            return {}

    try:
        if fails:
            with pytest.raises(AirflowFailException):
                Task(task_id="task").execute({})
        else:
            Task(task_id="task").execute({})
        assert slow.items == ["one", "two"]
    finally:
        emitter.close()
