"""CPU seconds and proportional memory of groups of processes, sampled from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process, its living descendants, and those it has already reaped."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional memory: a page that two processes share counts half for each."""
    total = 0
    for pid in pids:
        for process in family(pid):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total / 2**20


class Peak:
    """Samples the proportional memory of some processes until stopped.

    `mib` is the greatest sum seen, `each` the greatest of every process, by name.
    """

    def __init__(self, pids: Mapping[str, int], every: float = 0.25) -> None:
        self.mib = 0.0
        self.each = dict.fromkeys(pids, 0.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(pids, every), daemon=True)
        self._thread.start()

    def _run(self, pids: Mapping[str, int], every: float) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            now = {name: pss_mib([pid]) for name, pid in pids.items()}
            self.mib = max(self.mib, sum(now.values()))
            self.each = {name: max(self.each[name], mib) for name, mib in now.items()}
            self._stop.wait(max(every, 5 * (time.monotonic() - begun)))

    def stop(self) -> float:
        """Ends the sampling; the greatest sum in MiB."""
        self._stop.set()
        self._thread.join()
        return self.mib
