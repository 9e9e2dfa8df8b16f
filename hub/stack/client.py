"""Starts, finds, asks and stops the stack of a run directory; what the command line, the tests and the demo call."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from hub.settings import ROOT
from hub.stack import catalogue, kafka_cluster, postgres, postgres_home, processes, state
from hub.stack.errors import OwnerGone, PartFailed, PartUnknown, StackDown, StackSlow, SupervisorDied
from hub.stack.layout import Layout, write_private
from hub.stack.state import GOOD, PartState, StackState
from hub.stack.stopping import stop_parts

Watcher = Callable[[StackState], None]
OWNER = "HUB_STACK_OWNER"
"""Environment variable: id of the process with which a stack that is started here ends, where none is named."""


def up(
    var: Path,
    parts: Iterable[str] | None = None,
    *,
    timeout: float = 300,
    watch: Watcher | None = None,
    owner: int | None = None,
    brokers: int | None = None,
) -> StackState:
    """Starts the parts (by default all, each with what it needs) and returns when all are ready.

    Finds a stack that already runs in `var`, and adds what it lacks. `watch` is called with each state seen. When a part
    fails, what this call started is stopped again. With an `owner` (a process id) a stack that this call starts is
    stopped when that process ends, however it ends. `brokers` says how many a new cluster gets; one that is there has
    its number. Raises PartFailed, StackSlow, SupervisorDied, PartUnknown, OwnerGone, ClusterSizeDiffers.
    """
    layout = Layout.of(var)
    wanted = catalogue.choose(parts, brokers=kafka_cluster.size(layout, brokers))
    layout.make()
    fresh = False
    with FileLock(layout.up_lock):
        current = state.read(layout)
        if not current.running:
            keeper = _owner(owner)
            _clear(layout)
            postgres_home.clear_lost_clusters()
            _launch(layout, wanted, keeper)
            fresh = True
        elif lacking := [
            n
            for n in wanted
            if n not in current.parts or state.observe(layout).parts[n].state in ("failed", "down", "stopped")
        ]:
            _request(layout, lacking)
            _await_taken(layout, timeout)
    try:
        return _wait(layout, wanted, timeout, watch)
    except BaseException:
        if fresh:
            down(layout.var)
        raise


def down(var: Path) -> StackState:
    """Stops what `up` started in `var`, also after its supervisor died; nothing else. Repeatable.

    Like `up`, removes the data of clusters that had to lie outside a run directory which is gone for long.
    """
    layout = Layout.of(var)
    postgres_home.clear_lost_clusters()
    if not layout.state_file.exists():
        return StackState(str(layout.var))
    layout.make()
    with FileLock(layout.up_lock):
        current = state.read(layout)
        if current.supervisor is not None and processes.send(current.supervisor, signal.SIGTERM):
            # The sum of all graces, and a little: each part ends within its own or is killed.
            processes.wait_gone(current.supervisor, 15 + sum(part.grace for part in current.parts.values()))
            processes.send(current.supervisor, signal.SIGKILL)
        _clear(layout)
    return state.read(layout)


def status(var: Path) -> StackState:
    """The stack as it truly is now. Changes nothing."""
    return state.observe(Layout.of(var))


def kill(var: Path, part: str, number: int = signal.SIGKILL, *, timeout: float = 30) -> None:
    """Sends a signal to a part's first process, for crash tests; after SIGKILL, returns when it is gone.

    And when the supervisor knows it: who starts the part again must not be told of that end instead. Raises StackDown
    when that part does not run.
    """
    layout, until = Layout.of(var), time.monotonic() + timeout
    current = state.read(layout).parts.get(part)
    if current is None or current.proc is None or not processes.send(current.proc, number):
        raise StackDown(var=var)
    if number == signal.SIGKILL:
        processes.wait_gone(current.proc, timeout)
        while time.monotonic() < until:
            seen = state.read(layout)
            if not seen.running or seen.parts[part].proc != current.proc or seen.parts[part].state != "ready":
                break
            time.sleep(0.05)


def start_part(var: Path, part: str, *, timeout: float = 120) -> StackState:
    """Starts a part that ended, on its port and data of before, and returns when it is ready; nothing if it runs.

    Raises StackDown, PartUnknown, PartFailed, StackSlow.
    """
    layout = Layout.of(var)
    if part not in catalogue.known():
        raise PartUnknown(part=part, known=", ".join(catalogue.known()))
    current = state.read(layout)
    if not current.running:
        raise StackDown(var=layout.var)
    before = current.parts.get(part)
    if before is not None and before.state == "ready" and processes.alive(before.proc):
        return current
    _request(layout, [part])
    _await_taken(layout, timeout)
    return _wait(layout, frozenset({part}), timeout, None)


def admin_conninfo(var: Path, database: str = "postgres") -> str:
    """libpq connection string of the superuser of the stack's own PostgreSQL, for tests and the demo. Raises StackDown."""
    layout = Layout.of(var)
    current = state.read(layout)
    if "postgres" not in current.ports:
        raise StackDown(var=layout.var)
    return postgres.admin_conninfo(layout, current.ports["postgres"], database)


def _owner(wanted: int | None) -> processes.Proc | None:
    named = str(wanted) if wanted is not None else os.environ.get(OWNER)
    if not named:
        return None
    found = processes.identify(int(named)) if named.isdecimal() else None
    if found is None:
        raise OwnerGone(pid=named, variable=OWNER)
    return found


def _launch(layout: Layout, wanted: frozenset[str], owner: processes.Proc | None) -> None:
    with layout.log("supervisor").open("ab") as out:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "hub.stack.supervisor",
                "--var",
                str(layout.var),
                "--parts",
                ",".join(sorted(wanted)),
                *(("--owner", str(owner)) if owner else ()),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (seen := state.read(layout).supervisor) and seen.pid == child.pid:
            return
        if child.poll() is not None:
            break
        time.sleep(0.03)
    child.kill()
    child.wait()
    path = layout.log("supervisor")
    raise SupervisorDied(log=path, tail="\n".join(processes.tail(path)))


def _wait(layout: Layout, wanted: frozenset[str], timeout: float, watch: Watcher | None) -> StackState:
    end = time.monotonic() + timeout
    while True:
        current = state.read(layout)
        if watch:
            watch(current)
        mine = {name: current.parts[name] for name in wanted if name in current.parts}
        broken = [part for part in mine.values() if part.state in ("failed", "down")]
        if broken:
            # The cause, not what only waited for it.
            first = min(broken, key=lambda part: part.detail.startswith("needs "))
            raise PartFailed(part=first.name, reason=first.detail, tail="\n".join(first.tail), log=first.log)
        if len(mine) == len(wanted) and all(_is_good(part) for part in mine.values()):
            return current
        if not current.running:
            path = layout.log("supervisor")
            raise SupervisorDied(log=path, tail="\n".join(processes.tail(path)))
        if time.monotonic() > end:
            late = ", ".join(f"{part.name} ({part.state})" for part in mine.values() if part.state not in GOOD)
            raise StackSlow(seconds=round(timeout), parts=late, logs=layout.logs)
        time.sleep(0.05)


def _request(layout: Layout, names: Iterable[str]) -> None:
    # A dot first, so that the supervisor never reads half a request.
    write_private(layout.requests / f"{time.time_ns()}-{uuid.uuid4().hex}.json", json.dumps({"start": sorted(names)}))


def _await_taken(layout: Layout, timeout: float) -> None:
    """The supervisor removes a request once the state says what comes of it."""
    end = time.monotonic() + timeout
    while any(layout.requests.glob("*.json")) and state.read(layout).running and time.monotonic() < end:
        time.sleep(0.03)


def _is_good(part: PartState) -> bool:
    # The supervisor may not have noticed yet that a part has ended.
    return part.state in GOOD and (part.state != "ready" or part.external or processes.alive(part.proc))


def _clear(layout: Layout) -> None:
    """Ends what a dead supervisor left, and notes that everything is stopped."""
    current = state.read(layout)
    stop_parts(current.parts, lambda name: None)
    for part in current.parts.values():
        part.state, part.pid, part.born, part.detail = "stopped", None, None, ""
    current.supervisor = None
    if layout.state_file.exists():
        state.write(layout, current)
    layout.env_file.unlink(missing_ok=True)
