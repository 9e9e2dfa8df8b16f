"""Processes that the stack started: started apart, known again, ended for certain, and no other ever touched.

A process id alone says nothing: after a crash it may belong to somebody else. A process is known by its id
and the instant it was born. Its children are known by a mark in their environment and by the session that the part's
first process opened, both of which outlive it; PostgreSQL's by their working folder, because they open sessions of
their own. One sign alone would miss some: a program that sets its title in `ps` overwrites its environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "HUB_STACK_MARK"
"""Environment variable that marks every process of a part: `<stack id>/<part>`."""

_SAME_BIRTH = 1.5  # seconds; the birth is computed from the boot time, which moves a little when clocks are set


@dataclass(frozen=True)
class Proc:
    """One process, for ever: its id and its birth (seconds since the epoch)."""

    pid: int
    born: float

    def __str__(self) -> str:
        return f"{self.pid}:{self.born!r}"

    @classmethod
    def parse(cls, text: str) -> Proc:
        """A process from its text. Raises ValueError."""
        pid, _, born = text.partition(":")
        return cls(int(pid), float(born))


@dataclass(frozen=True)
class Launch:
    """What to start: the program, its environment (complete, nothing is inherited), where and as whom."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    user: int | None = None
    group: int | None = None


def identify(pid: int) -> Proc | None:
    """The process that has this id now, or None."""
    try:
        return Proc(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def handle(proc: Proc) -> psutil.Process | None:
    """The live process, or None when it ended, is a zombie, or its id went to another."""
    try:
        found = psutil.Process(proc.pid)
        if abs(found.create_time() - proc.born) > _SAME_BIRTH or found.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    return found


def alive(proc: Proc | None) -> bool:
    """Whether that very process still runs."""
    return proc is not None and handle(proc) is not None


def start(launch: Launch, mark: str, log: Path) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own, its output appended to `log`. Raises OSError."""
    with log.open("ab") as out:
        return subprocess.Popen(
            list(launch.argv),
            env={**launch.env, MARK: mark},
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            user=launch.user,
            group=launch.group,
            extra_groups=None if launch.user is None else [],
        )


@dataclass(frozen=True)
class Kin:
    """The signs by which all processes of one part are known."""

    mark: str
    leader: Proc | None = None
    home: Path | None = None


def members(kin: Kin) -> Iterator[psutil.Process]:
    """Live processes of a part, whether or not its first process still lives."""
    leader = kin.leader if kin.leader and _session_is_ours(kin.leader) else None
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if process.status() != psutil.STATUS_ZOMBIE and _belongs(process, kin, leader):
                yield process


def _session_is_ours(leader: Proc) -> bool:
    """A session's number stays taken while it has members; only an empty one's can go to a stranger."""
    now = identify(leader.pid)
    return now is None or abs(now.born - leader.born) <= _SAME_BIRTH


def _belongs(process: psutil.Process, kin: Kin, leader: Proc | None) -> bool:
    if leader and os.getsid(process.pid) == leader.pid and process.create_time() >= leader.born - _SAME_BIRTH:
        return True
    if kin.home is not None and process.name() == "postgres" and process.cwd() == str(kin.home):
        return True
    return process.environ().get(MARK) == kin.mark


def send(proc: Proc, number: int) -> bool:
    """Sends a signal to that very process; False when it is gone."""
    found = handle(proc)
    if found is None:
        return False
    try:
        found.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def stop(kin: Kin, *, number: int, grace: float) -> bool:
    """Ends a part: `number` to its first process, SIGKILL to whatever is left after `grace` seconds.

    Returns True when it ended in time by itself. Afterwards no process of the part is left.
    """
    graceful = True
    if kin.leader is not None and send(kin.leader, number):
        graceful = wait_gone(kin.leader, grace)
        if not graceful:
            send(kin.leader, signal.SIGKILL)
            wait_gone(kin.leader, 5)
    sweep(kin)
    return graceful


def wait_gone(proc: Proc, seconds: float) -> bool:
    """Waits until the process is gone; False when it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while alive(proc):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def sweep(kin: Kin, seconds: float = 10) -> None:
    """SIGKILLs what is left of a part until nothing is."""
    end = time.monotonic() + seconds
    while left := list(members(kin)):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if time.monotonic() > end:
            return
        time.sleep(0.05)


def tail(log: Path, lines: int = 15, start: int = 0) -> list[str]:
    """The last lines of a log after byte `start`, without control characters, each at most 400 characters."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(start, size), size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    shown = ["".join(c if c.isprintable() else " " for c in line)[:400].rstrip() for line in text.splitlines()]
    return [line for line in shown if line][-lines:]
