"""What the supervisor does when a part ends unasked, on real processes that do nothing."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from hub.stack import catalogue, client, processes, state
from hub.stack.errors import PartFailed, StackSlow
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


class Hopeless(Restarted):
    """Ends as soon as it starts."""

    name = "hopeless"
    words = ("false",)


class Endless(Restarted):
    """Comes up once; every later start fails."""

    name = "endless"
    words = ("sh", "-c", "echo x >> tries; [ $(wc -l < tries) = 1 ] || exit 3; touch up; exec sleep 300")

    def ready(self) -> bool:
        return (self.plan.layout.var / "up").exists()


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


class Leaning(Left):
    name = "leaning"
    needs = ("left",)


class First(Left):
    name = "first"
    peers = ("second", "third")


class Second(Left):
    name = "second"
    peers = ("first", "third")


class Third(Left):
    name = "third"
    peers = ("first", "second")


class OnThree(Restarted):
    """Needs a crew of three by the name of its first."""

    name = "on-three"
    needs = ("first",)


ALL = (Restarted, Left, Hopeless, Endless, Flaky, Broken, Waiting, Leaning, First, Second, Third, OnThree)
PARTS: dict[str, type[Part]] = {part.name: part for part in ALL}


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
    with supervised(tmp_path / "var", "endless") as supervisor:
        part, began = supervisor.now.parts["endless"], []
        assert soon(lambda: part.state == "ready")
        (tmp_path / "var" / "up").unlink()
        assert part.proc and processes.send(part.proc, 9)
        while len(began) < 4:
            assert soon(lambda: part.starts >= len(began) + 2)
            began.append(time.monotonic())
    gaps = [after - before for before, after in pairwise(began)]
    assert gaps == sorted(gaps) and gaps[-1] > 2 * gaps[0], gaps


def test_a_part_that_never_came_up_has_failed(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "hopeless") as supervisor:
        part = supervisor.now.parts["hopeless"]
        assert soon(lambda: part.state == "failed")
        time.sleep(1)
        assert part.starts == 1 and "code 1" in part.detail


def test_a_bug_in_a_part_is_that_parts_failure_and_of_those_who_need_it(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "broken", "waiting", "left") as supervisor:
        parts = supervisor.now.parts
        assert soon(lambda: parts["waiting"].state == "failed" and parts["left"].state == "ready")
        assert parts["broken"].detail == "RuntimeError: a bug" and parts["waiting"].detail == "needs broken"


def test_a_part_is_started_again_however_slowly_the_state_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks must not take the state from before the request for its answer."""
    var, write = tmp_path / "var", state.write
    with supervised(var, "left") as supervisor:
        part = supervisor.now.parts["left"]
        assert soon(lambda: part.state == "ready")
        assert part.proc and processes.send(part.proc, 9)
        assert soon(lambda: part.state == "down")
        first = part.proc

        def slowly(layout: Layout, now: state.StackState) -> None:
            time.sleep(0.4)
            write(layout, now)

        monkeypatch.setattr(state, "write", slowly)
        assert client.start_part(var, "left").parts["left"].proc != first
        monkeypatch.setattr(state, "write", write)
        assert part.starts == 2


def test_a_process_that_has_just_died_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor has not noticed yet: its state still says ready."""
    var = tmp_path / "var"
    with supervised(var, "left") as supervisor:
        part = supervisor.now.parts["left"]
        assert soon(lambda: part.state == "ready")
        with supervisor.change:  # the supervisor can't write while this is held
            assert part.proc and processes.send(part.proc, 9)
            processes.wait_gone(part.proc, 10)
            with pytest.raises(StackSlow):
                client._wait(Layout.of(var), frozenset({"left"}), 0.3, None)
        with pytest.raises(PartFailed, match="SIGKILL"):
            client._wait(Layout.of(var), frozenset({"left"}), 20, None)


def test_parts_asked_for_together_wait_for_each_other(tmp_path: Path) -> None:
    """One needs the other; both are down. The one must not fail because it looks before the other is on its way."""
    var = tmp_path / "var"
    with supervised(var, "left", "leaning") as supervisor:
        parts = supervisor.now.parts
        for _ in range(5):
            assert soon(lambda: all(part.state == "ready" for part in parts.values()))
            for part in parts.values():
                assert part.proc and processes.send(part.proc, 9)
            assert soon(lambda: all(part.state == "down" for part in parts.values()))
            assert client.up(var, ["leaning"], timeout=30).ready


def test_of_three_that_serve_the_same_two_will_do(tmp_path: Path) -> None:
    with supervised(tmp_path / "var", "first", "second", "third", "on-three") as supervisor:
        parts = supervisor.now.parts
        leaning = parts["on-three"]
        assert soon(lambda: all(part.state == "ready" for part in parts.values()))
        for number, dead in enumerate(("first", "second"), 2):
            for proc in (parts[dead].proc, leaning.proc):
                assert proc and processes.send(proc, 9)
            assert soon(lambda dead=dead: parts[dead].state == "down")
            if number == 2:
                assert soon(lambda: leaning.starts == 2 and leaning.state == "ready"), "though the first is away"
        assert soon(lambda: leaning.state == "failed" and leaning.detail == "needs first"), "one of three is not enough"
        assert client.start_part(tmp_path / "var", "first").parts["first"].state == "ready"
        assert soon(lambda: leaning.state == "ready")


def test_a_request_that_nobody_can_read_is_dropped(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with supervised(var, "left") as supervisor:
        layout = Layout.of(var)
        (layout.requests / "1.json").write_text("{")
        (layout.requests / "2.json").write_text('{"start": 7}')
        assert soon(lambda: not any(layout.requests.iterdir()))
        assert soon(lambda: supervisor.now.parts["left"].state == "ready")


def test_everything_ends_with_the_process_that_it_was_started_for(tmp_path: Path) -> None:
    owner = subprocess.Popen(["sleep", "300"])
    layout = Layout.of(tmp_path / "var")
    layout.make()
    supervisor = Supervisor(layout, frozenset({"left"}), processes.identify(owner.pid))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    part = supervisor.now.parts["left"]
    assert soon(lambda: part.state == "ready")
    proc = part.proc
    owner.kill()
    thread.join(30)
    owner.wait()
    assert not thread.is_alive() and part.state == "stopped" and not processes.alive(proc)
