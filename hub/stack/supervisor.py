"""The one process above all parts: starts them side by side, watches them, stops them in order.

Run detached as `python -m hub.stack.supervisor --var DIR --parts a,b`. Others read `var/stack.json` and leave requests in
`var/stack/requests/`. It ends on SIGTERM, after the parts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hub import log
from hub.errors import HubException
from hub.said import Said
from hub.stack import catalogue, ports, processes, state
from hub.stack.environment import publish
from hub.stack.errors import PartUnrunnable
from hub.stack.layout import Layout
from hub.stack.parts import Part
from hub.stack.state import GOOD, PartState, StackState, log_size
from hub.stack.stopping import stop_parts

TICK = 0.1
RESTART_FIRST, RESTART_MOST = 0.2, 5.0
LOG_MOST = 20 * 1024 * 1024
_log = log.get("stack.supervisor")


class Supervisor:
    """The parts of one run directory and their processes."""

    def __init__(self, layout: Layout, wanted: frozenset[str], owner: processes.Proc | None = None) -> None:
        self.layout = layout
        self.owner = owner
        before = state.read(layout)
        self.now = StackState(str(layout.var), uuid.uuid4().hex, processes.identify(os.getpid()), before.ports)
        self.parts: dict[str, Part] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.change = threading.Condition(threading.RLock())
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self.backoff: dict[str, float] = {}
        self.starting: dict[str, threading.Lock] = {}
        self.add(wanted)

    def add(self, wanted: frozenset[str]) -> None:
        """Takes more parts under supervision and starts bringing them up."""
        with self.change:
            new = wanted - set(self.parts)
            if not new:
                return
            held = frozenset(self.parts) | new
            taken = {name: port for part in self.parts.values() for name, port in part.plan.ports.items()}
            made = (
                catalogue.build(self.layout, self.now.id, held, self.now.ports | taken)
                if not self.parts
                else self._more(held, taken)
            )
            for name, part in made.items():
                if name in new:
                    self.parts[name] = part
                    self.now.parts[name] = self._first_state(part)
                    self.now.ports |= part.plan.ports
            self._write()
            for name in new:
                self._bring_up(name)

    def run(self) -> None:
        """Watches until told to stop, or until the process that wanted the stack is gone, then stops everything."""
        while not self.stopping.is_set():
            if self.owner is not None and not processes.alive(self.owner):
                _log.warning("its owner is gone, everything is stopped", owner=self.owner.pid)
                self.stopping.set()
                break
            self._watch()
            self._serve_requests()
            self.stopping.wait(TICK)
        for thread in self.threads:
            thread.join(timeout=0.5)
        with self.change:  # no part is started once this lock was held after the stop
            parts = dict(self.now.parts)
        stop_parts(parts, self._set_stopped)
        self.layout.env_file.unlink(missing_ok=True)

    def _more(self, held: frozenset[str], taken: dict[str, int]) -> dict[str, Part]:
        """Parts beside running ones: the ports of these stay theirs although they are not free."""
        plan = next(iter(self.parts.values())).plan
        plan.wanted = held
        everything = catalogue.known()
        names = [port for name in held for port in everything[name].port_names if port not in taken]
        plan.ports |= ports.choose(names, self.now.ports)
        return {name: kind(plan) for name, kind in everything.items() if name in held}

    def _first_state(self, part: Part) -> PartState:
        path = self.layout.log(part.name)
        return PartState(
            part.name,
            address=part.address,
            external=part.external,
            log=str(path),
            mark=part.plan.mark(part.name),
            stop_signal=int(part.stop_signal),
            stop_order=part.stop_order,
            grace=part.grace,
        )

    def _bring_up(self, name: str) -> None:
        thread = threading.Thread(target=self._start, args=(name,), name=f"start-{name}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _start(self, name: str) -> None:
        with self.starting.setdefault(name, threading.Lock()):
            current = self.now.parts[name]
            if current.state == "ready" and processes.alive(current.proc):
                return  # somebody else was faster
            try:
                self._start_part(name, self.parts[name])
            except HubException as error:
                self._fail(name, f"{error.sentence()} - {error.remedy()}")
            except Exception as error:  # noqa: BLE001 - a part's bug must show up as its failure, not as silence
                _log.exception("starting failed", part=name)
                self._fail(name, f"{type(error).__name__}: {error}"[:500])

    def _start_part(self, name: str, part: Part) -> None:
        self._set(name, state="waiting", detail="", tail=[], seconds=None)
        if (reason := part.absent()) is not None:
            self._set(name, state="skipped", detail=reason)
        elif self._wait_for_needs(name, part):
            began = time.monotonic()
            if self._get_going(name, part) and self._wait_until_up(name, part, began):
                part.settle()
                self._publish(part)
                self._set(name, state="done" if part.oneshot else "ready", seconds=time.monotonic() - began)
                _log.info("ready", part=name, seconds=round(time.monotonic() - began, 2))

    def _get_going(self, name: str, part: Part) -> bool:
        """Prepares and starts it, unless the operator runs it elsewhere; False when told to stop meanwhile."""
        if part.external:
            self._set(name, state="starting", starts=self.now.parts[name].starts + 1)
            return True
        path = self.layout.log(name)
        _rotate(path)
        self._set(name, state="preparing", log_start=log_size(path), home=str(part.home) if part.home else None)
        # What a killed first process left behind must be gone before the next one starts on the same data and port.
        processes.sweep(self.now.parts[name].kin)
        part.prepare()
        if part.oneshot and part.done_already():
            return True
        launch = part.launch()
        with self.change:
            if self.stopping.is_set():
                return False
            try:
                child = processes.start(launch, part.plan.mark(name), path)
            except OSError as error:
                raise PartUnrunnable(program=launch.argv[0], reason=error.strerror or str(error)) from error
            self.children[name], part.pid = child, child.pid
            proc = processes.identify(child.pid)
            self._set(
                name,
                state="starting",
                pid=child.pid,
                born=proc.born if proc else None,
                starts=self.now.parts[name].starts + 1,
            )
        return True

    def _wait_until_up(self, name: str, part: Part, began: float) -> bool:
        child = self.children.get(name)
        while True:
            code = child.poll() if child else None
            if code is None and part.oneshot and child is None:
                return True
            if code is None and not part.oneshot and part.ready():
                return True
            if code is not None:
                if not (part.oneshot and code == 0):
                    self._fail(name, _how_it_ended(code))
                return part.oneshot and code == 0
            if time.monotonic() - began > part.patience:
                self._fail(name, Said(f"not ready after {part.patience:.0f} s", f"{part.patience:.0f} 秒后仍未就绪"))
                return False
            if self.stopping.wait(part.probe_every):
                return False

    def _wait_for_needs(self, name: str, part: Part) -> bool:
        with self.change:
            while not self.stopping.is_set():
                standing = {need: self._standing(need) for need in part.needs if need in self.now.parts}
                broken = [need for need, how in standing.items() if how == "broken"]
                if broken:
                    self._fail(name, Said(f"needs {', '.join(broken)}", f"依赖 {'、'.join(broken)}"))
                    return False
                if all(how == "good" for how in standing.values()):
                    return True
                self.change.wait(0.2)
        return False

    def _standing(self, need: str) -> str:
        """How a part that others need is: good, coming or broken. Of peers a majority will do, once none is coming any more."""
        crew = [name for name in (need, *self.parts[need].peers) if name in self.now.parts]
        states = [self.now.parts[name].state for name in crew]
        broken = sum(value in ("failed", "down", "stopped") for value in states)
        if 2 * (len(crew) - broken) <= len(crew):
            return "broken"
        return "good" if sum(value in GOOD for value in states) + broken == len(crew) else "coming"

    def _watch(self) -> None:
        for name, part in self.parts.items():
            child = self.children.get(name)
            if child is None or part.oneshot or self.now.parts[name].state != "ready":
                continue
            code = child.poll()
            if code is None:
                continue
            self._fail(name, _how_it_ended(code), "down")
            if part.restarts:
                self._restart_later(name)

    def _restart_later(self, name: str) -> None:
        # A killed transaction blocks read_committed readers until it is fenced: the first restart comes at once.
        ran = self.now.parts[name]
        lived = time.time() - (ran.born or time.time())
        first = RESTART_FIRST if lived > 60 else self.backoff.get(name, RESTART_FIRST)

        def again() -> None:
            pause = first
            while not self.stopping.wait(pause) and self.now.parts[name].state in ("down", "failed"):
                # Until it is up: what it needs may be down as well and come back later.
                self.backoff[name] = pause = min(pause * 2, RESTART_MOST)
                _log.warning("restarting", part=name)
                self._start(name)

        thread = threading.Thread(target=again, name=f"restart-{name}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _serve_requests(self) -> None:
        for path in sorted(self.layout.requests.glob("*.json")):
            names: list[str] = []
            with suppress(OSError, ValueError, KeyError, TypeError):
                names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))["start"]]
            try:
                self._grant(frozenset(names) & set(catalogue.known()))
            finally:
                # Last: whoever asked takes the state for its answer as soon as the request is gone.
                path.unlink(missing_ok=True)

    def _grant(self, wanted: frozenset[str]) -> None:
        """Starts the parts of a request that don't run."""
        self.add(wanted)
        self._watch()
        again = [name for name in wanted if self.now.parts[name].state in ("failed", "down", "stopped")]
        # All first: one that needs another must not see it as still down.
        for name in again:
            self._set(name, state="waiting")
        for name in again:
            self._bring_up(name)

    def _publish(self, part: Part) -> None:
        """Adds the part's settings to `hub.env`."""
        publish(self.layout.var, part.hub_env())

    def _fail(self, name: str, detail: str, to: state.State = "failed") -> None:
        current = self.now.parts[name]
        lines = processes.tail(Path(current.log), start=current.log_start)
        _log.error("part failed" if to == "failed" else "part ended", part=name, detail=detail)
        if to == "failed":
            processes.stop(current.kin, number=signal.SIGTERM, grace=2)
        self._set(name, state=to, detail=detail, tail=lines)

    def _set(self, name: str, **changes: Any) -> None:
        with self.change:
            for key, value in changes.items():
                setattr(self.now.parts[name], key, value)
            self._write()
            self.change.notify_all()

    def _set_stopped(self, name: str) -> None:
        if self.now.parts[name].state != "skipped":
            self._set(name, state="stopped", pid=None, born=None, detail="")

    def _write(self) -> None:
        state.write(self.layout, self.now)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return Said(f"it ended with code {code}", f"以退出码 {code} 结束")
    with suppress(ValueError):
        return Said(f"it was ended by {signal.Signals(-code).name}", f"被信号 {signal.Signals(-code).name} 终止")
    return Said(f"it was ended by signal {-code}", f"被信号 {-code} 终止")


def _rotate(path: Path) -> None:
    if log_size(path) > LOG_MOST:
        path.replace(path.with_suffix(".log.1"))


def main(arguments: list[str] | None = None) -> int:
    """Runs a supervisor until it is told to stop; exit code 3 when another one runs in that directory."""
    parser = argparse.ArgumentParser(prog="hub.stack.supervisor")
    parser.add_argument("--var", type=Path, required=True)
    parser.add_argument("--parts", required=True)
    parser.add_argument("--owner", type=processes.Proc.parse, help="pid:birth of the process with which all ends")
    given = parser.parse_args(arguments)
    log.configure("info", "json")
    layout = Layout.of(given.var)
    os.umask(0o077)  # of the parts too: what brokers and services write is for their owner alone
    layout.make()
    lock = FileLock(layout.run_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.error("another supervisor runs here", var=str(layout.var))
        return 3
    layout.env_file.unlink(missing_ok=True)
    for left in layout.requests.glob("*"):
        left.unlink(missing_ok=True)
    supervisor = Supervisor(layout, frozenset(given.parts.split(",")), given.owner)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    supervisor.run()
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
