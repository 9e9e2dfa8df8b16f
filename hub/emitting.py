"""What is told to outside observers (metrics, traces, lineage): handed to a thread of its own, so that no work waits for it.

    emitter.put(item) ──▶ bounded queue ──▶ one daemon thread ──▶ handler (made in that thread, on the first item)

`put` never waits and never raises: what finds no room is dropped and counted. An observer that hangs, refuses or is away
costs the work nothing but, at a process's end, the grace of `flush`.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from hub import failure, log

QUEUE = 10_000
"""Items that may wait; more are dropped."""

GRACE_SECONDS = 2.0
"""How long the end of a process or task waits, for all emitters together."""

COMPLAIN_SECONDS = 60.0
"""How often the log says that an observer can't be reached."""

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class Handler(Protocol[Item_contra]):
    """Gives items to an observer. May raise and may take long: only the emitter's thread calls it."""

    def take(self, item: Item_contra) -> None:
        """Takes one item."""

    def flush(self) -> None:
        """Sends what it still holds."""

    def close(self) -> None:
        """Ends its own threads and connections."""


class Emitter(Generic[Item]):
    """A bounded queue and the thread behind it."""

    def __init__(self, name: str, handler: Callable[[], Handler[Item]], *, room: int = QUEUE) -> None:
        self.name = name
        self._make = handler
        self._room = room
        self._fresh()
        _emitters.append(self)

    def _fresh(self) -> None:
        """As new: at the start, and in a forked child, whose parent's thread and items are the parent's."""
        self._queue: queue.Queue[Any] = queue.Queue(self._room)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._complained = -COMPLAIN_SECONDS
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Takes an item, or drops it where there is no room."""
        with suppress(RuntimeError):  # no thread can be started any more: the process ends
            self._started()
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1
            self._complain("the queue is full")

    def flush(self, until: float) -> bool:
        """Waits until all that was put is sent, but not beyond `until` (time.monotonic); says whether it was."""
        if self._thread is None or not self._thread.is_alive():
            return True
        done = threading.Event()
        try:
            self._queue.put(done, timeout=max(0.0, until - time.monotonic()))
        except queue.Full:
            return False
        return done.wait(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Ends the thread once it comes to it; what is put from now on is lost."""
        if self in _emitters:
            _emitters.remove(self)
        if self._thread is not None:
            with suppress(queue.Full):
                self._queue.put_nowait(_END)

    def _started(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=f"emit {self.name}", daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        handler: Handler[Item] | None = None
        while True:
            item = self._queue.get()
            if item is _END:
                if handler is not None:
                    with suppress(Exception):
                        handler.close()
                return
            try:
                handler = handler or self._make()
                if isinstance(item, threading.Event):
                    handler.flush()
                else:
                    handler.take(item)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing but this telling may suffer
                self._complain(failure.kind(error))
            finally:
                if isinstance(item, threading.Event):
                    item.set()

    def _complain(self, kind: str) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.get("emitting").warning("an observer is not told", observer=self.name, kind=kind, dropped=self.dropped)


_END = object()
_emitters: list[Emitter[Any]] = []


class Switch(Generic[Item]):
    """The emitter for the settings as they are now: none while nobody is to be told, another one when they change."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._key: object = None
        self._emitter: Emitter[Item] | None = None
        self._lock = threading.Lock()

    def at(self, key: object, handler: Callable[[], Handler[Item]]) -> Emitter[Item] | None:
        """The emitter of these settings; a `key` of None means that nobody listens."""
        if key != self._key:
            with self._lock:
                if key != self._key:
                    if self._emitter is not None:
                        self._emitter.close()
                    self._emitter = None if key is None else Emitter(self._name, handler)
                    self._key = key
        return self._emitter


def flush(seconds: float = GRACE_SECONDS) -> bool:
    """Waits until all emitters have sent what they hold, `seconds` at most for all of them; says whether they have."""
    until = time.monotonic() + seconds
    sent = [emitter.flush(until) for emitter in _emitters]
    return all(sent)


def _after_fork() -> None:
    for emitter in _emitters:
        emitter._fresh()


atexit.register(flush)
os.register_at_fork(after_in_child=_after_fork)
