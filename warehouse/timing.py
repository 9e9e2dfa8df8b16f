"""Seconds spent in each step of a batch, added up over threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Timing:
    """Seconds for each step. Steps that run side by side add up to more than the clock on the wall."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def add(self, step: str, seconds: float) -> None:
        """Adds to a step what has just ended."""
        ended = time.time_ns()
        began = ended - int(seconds * 1e9)
        with self._lock:
            self._seconds[step] = self._seconds.get(step, 0.0) + seconds
            self._spans[step] = min(began, self._spans.get(step, (began, 0))[0]), ended

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Times a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - start)

    def over(self, step: str, items: Iterable[T]) -> Iterator[T]:
        """Times what an iterator takes to give its items."""
        iterator = iter(items)
        while True:
            start = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                self.add(step, time.perf_counter() - start)
                return
            self.add(step, time.perf_counter() - start)
            yield item

    def seconds(self) -> dict[str, float]:
        """Step -> seconds, rounded to milliseconds."""
        with self._lock:
            return {step: round(value, 3) for step, value in self._seconds.items()}

    def spans(self) -> dict[str, tuple[int, int]]:
        """Step -> when it first began and last ended, in nanoseconds since 1970."""
        with self._lock:
            return dict(self._spans)

    def clear(self) -> None:
        """Starts anew, for the next batch."""
        with self._lock:
            self._seconds.clear()
            self._spans.clear()
