"""Processes that the stack started: started apart, known again, ended for certain, and no other ever touched.

A process id alone says nothing: after a crash it may belong to somebody else. A process is known by its id
and the instant it was born. Its children are known by a mark in their environment, which outlives the part's
first process, and PostgreSQL's by their working folder, because they overwrite their environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Launch:
    """What to start: the program, its environment (complete, nothing is inherited), where and as whom."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    user: int | None = None
    group: int | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


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
            env={**launch.env, **launch.secrets, MARK: mark},
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


def members(mark: str, home: Path | None = None) -> Iterator[psutil.Process]:
    """Live processes that carry `mark` or, for PostgreSQL, whose working folder is `home`."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            in_home = home is not None and process.name() == "postgres" and process.cwd() == str(home)
            if in_home or process.environ().get(MARK) == mark:
                yield process


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


def stop(proc: Proc | None, mark: str, *, number: int, grace: float, home: Path | None = None) -> bool:
    """Ends a part: `number` to its first process, SIGKILL to whatever is left after `grace` seconds.

    Returns True when it ended in time by itself. Afterwards no process of the part is left.
    """
    graceful = True
    if proc is not None and send(proc, number):
        graceful = wait_gone(proc, grace)
        if not graceful:
            send(proc, signal.SIGKILL)
            wait_gone(proc, 5)
    sweep(mark, home)
    return graceful


def wait_gone(proc: Proc, seconds: float) -> bool:
    """Waits until the process is gone; False when it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while alive(proc):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def sweep(mark: str, home: Path | None = None, seconds: float = 10) -> None:
    """SIGKILLs what is left of a part until nothing is."""
    end = time.monotonic() + seconds
    while left := list(members(mark, home)):
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
