"""Calls into a client library that must end: librdkafka does not hold every one of its own time limits.

`send_offsets_to_transaction` was seen to wait ten minutes, until the broker closed the idle connection, where 30 seconds
were asked for (librdkafka issue 5456: its timeout for coordinator requests is never looked at). A lane must not stand
still for that long, so such a call is made in a thread of its own and given up; nobody else may touch the client then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class NoAnswer(Exception):
    """The call was given up; the client belongs to its thread from now on."""


class Bounded:
    """Calls of one client, one at a time; `afterwards` frees the client once a call that was given up ends after all."""

    def __init__(self, afterwards: Callable[[], None]) -> None:
        self._afterwards = afterwards
        self._lock = threading.Lock()
        self.given_up = False

    def call(self, seconds: float, call: Callable[[], object]) -> None:
        """Makes the call and raises what it raises; NoAnswer when it takes longer than `seconds`, or after that happened."""
        if self.given_up:
            raise NoAnswer
        raised: list[BaseException] = []
        done = threading.Event()

        def made() -> None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001  # it is raised where the call was asked for
                raised.append(error)
            with self._lock:
                done.set()
                free = self.given_up
            if free:
                self._afterwards()

        # A daemon: a process that ends does not wait for it.
        threading.Thread(target=made, name="bounded call", daemon=True).start()
        if not done.wait(seconds):
            with self._lock:
                self.given_up = not done.is_set()
        if self.given_up:
            raise NoAnswer
        if raised:
            raise raised[0]
