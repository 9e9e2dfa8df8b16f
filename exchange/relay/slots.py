"""Turns for what only a few may do at once, in the order of asking."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

LOOK_SECONDS = 0.5


class Slots:
    """`count` places. Who waits longest gets the next one; a semaphore would give it to whoever comes by."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a place."""
        return bool(self._queue)

    def take(self, give_up: Callable[[], bool]) -> bool:
        """Waits for a place; False when `give_up`, asked now and then, says so."""
        with self._lock:
            if self._free and not self._queue:
                self._free -= 1
                return True
            ticket = threading.Event()
            self._queue.append(ticket)
        while not ticket.wait(LOOK_SECONDS):
            if give_up():
                with self._lock:
                    if ticket.is_set():
                        return True
                    self._queue.remove(ticket)
                return False
        return True

    def give(self) -> None:
        """Gives a place back."""
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1


class Slot:
    """One user's hold on a place: taken when needed, given back after a while when others want it."""

    def __init__(self, slots: Slots, seconds: float) -> None:
        self._slots = slots
        self._seconds = seconds
        self._since: float | None = None

    @property
    def held(self) -> bool:
        """Whether the place is held."""
        return self._since is not None

    @property
    def due(self) -> bool:
        """Whether it was held long enough and others wait."""
        return self._since is not None and self._slots.wanted and time.monotonic() - self._since > self._seconds

    def take(self, give_up: Callable[[], bool]) -> bool:
        """As `Slots.take`; at once where the place is held already."""
        if self._since is None and self._slots.take(give_up):
            self._since = time.monotonic()
        return self.held

    def give(self) -> None:
        """Gives the place back where it is held."""
        if self._since is not None:
            self._since = None
            self._slots.give()
