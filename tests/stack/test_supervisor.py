"""What the supervisor does when a part ends unasked, on real processes that do nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from hub.stack import catalogue, processes, state
from hub.stack.layout import Layout
from hub.stack.parts import Part
from hub.stack.processes import Launch
from hub.stack.supervisor import Supervisor


class Restarted(Part):
    name = "restarted"
    restarts = True
    words: ClassVar[tuple[str, ...]] = ("sleep", "300")

    def launch(self) -> Launch:
        return Launch(self.words, self.plan.step_env(self.name), self.plan.layout.var)


class Left(Restarted):
    name = "left"
    restarts = False


class Endless(Restarted):
    """Ends as soon as it starts."""

    name = "endless"
    words = ("false",)


class Flaky(Restarted):
    """Comes up, then fails at its start once, then comes up again."""

    name = "flaky"
    words = ("sh", "-c", "rm -f up; echo x >> tries; [ $(wc -l < tries) = 2 ] && exit 3; touch up; exec sleep 300")

    def ready(self) -> bool:
        return (self.plan.layout.var / "up").exists()


class Broken(Restarted):
    name = "broken"

    def prepare(self) -> None:
        raise RuntimeError("a bug")


class Waiting(Restarted):
    name = "waiting"
    needs = ("broken",)


PARTS: dict[str, type[Part]] = {part.name: part for part in (Restarted, Left, Endless, Flaky, Broken, Waiting)}


@contextmanager
def supervised(var: Path, *names: str) -> Iterator[Supervisor]:
    layout = Layout.of(var)
    layout.make()
    supervisor = Supervisor(layout, frozenset(names))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stopping.set()
        thread.join(30)
    assert {part.state for part in state.read(layout).parts.values()} <= {"stopped", "failed"}


@pytest.fixture(autouse=True)
def only_these_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "known", lambda: PARTS)


def soon(what: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_only_a_part_that_may_be_restarted_is(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "restarted", "left") as supervisor:
        parts = supervisor.now.parts
        assert soon(lambda: all(part.state == "ready" for part in parts.values()))
        first = {name: part.proc for name, part in parts.items()}
        for proc in first.values():
            assert proc and processes.send(proc, 9)
        assert soon(lambda: parts["restarted"].starts == 2 and parts["restarted"].state == "ready")
        assert parts["restarted"].proc != first["restarted"]
        assert parts["left"].state == "down" and "SIGKILL" in parts["left"].detail and parts["left"].starts == 1


def test_a_restart_that_fails_is_tried_again(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "flaky") as supervisor:
        part = supervisor.now.parts["flaky"]
        assert soon(lambda: part.state == "ready")
        (tmp_path / "var" / "up").unlink()
        assert part.proc and processes.send(part.proc, 9)
        assert soon(lambda: part.starts == 3 and part.state == "ready")


def test_a_part_that_ends_again_and_again_is_tried_ever_more_slowly(tmp_path: Path) -> None:
    """It counts as failed at its start, not as restarted without end."""
    with supervised(tmp_path / "var", "endless") as supervisor:
        time.sleep(1.5)
        assert supervisor.now.parts["endless"].starts <= 5


def test_a_bug_in_a_part_is_that_parts_failure_and_of_those_who_need_it(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "broken", "waiting", "left") as supervisor:
        parts = supervisor.now.parts
        assert soon(lambda: parts["waiting"].state == "failed" and parts["left"].state == "ready")
        assert parts["broken"].detail == "RuntimeError: a bug" and parts["waiting"].detail == "needs broken"
