"""CPU seconds and proportional memory of groups of processes, sampled from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable

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
    """Samples the proportional memory of some processes until stopped; `mib` is the greatest sum seen."""

    def __init__(self, pids: list[int], every: float = 0.25) -> None:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(pids, every), daemon=True)
        self._thread.start()

    def _run(self, pids: list[int], every: float) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            self.mib = max(self.mib, pss_mib(pids))
            self._stop.wait(max(every, 5 * (time.monotonic() - begun)))

    def stop(self) -> float:
        """Ends the sampling; the peak in MiB."""
        self._stop.set()
        self._thread.join()
        return self.mib
