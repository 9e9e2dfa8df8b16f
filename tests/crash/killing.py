"""The killing itself: which process dies when, at which of the way's crash points or at random."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.stack import catalogue, kill, start_part, status
from hub.stack.errors import PartFailed, StackSlow
from tests.crash.forking import end, fork

RARE = frozenset({"relay.suspected", "relay.buried", "replay.opened"})
"""Points that a process comes to only with a poisoned event or a correction."""


@dataclass
class Victim:
    """A process that is killed and forked again."""

    kind: str  # loader | worker | relay
    points: Sequence[str]
    run: Callable[[int], None]
    pid: int = 0
    doomed_at: float = 0.0
    point: str | None = None


class Killer:
    """Kills victims and services of the stack in `var`."""

    def __init__(self, var: Path, crowd: list[Victim], chance: random.Random, say: Callable[[str], None]) -> None:
        self._var = var
        self._victims = crowd
        self._chance = chance
        self._say = say
        self._tried: Counter[str] = Counter()
        self._missing: tuple[str, int] | None = None
        """A broker that is down while the others carry on, and the number of kills after which it comes back."""
        self._brokers = [name for name in catalogue.brokers() if name in status(var).parts]
        self.killed: Counter[str] = Counter()

    def run(self, kills: int, services: int) -> None:
        """Kills so many times, `services` of them PostgreSQL and a broker in turn.

        One of several brokers stays away for a while: the others must carry everything meanwhile.
        """
        at = sorted(self._chance.randrange(1, max(2, kills)) for _ in range(services))
        schedule = [(when, ("postgres", "broker")[number % 2]) for number, when in enumerate(at)]
        told = time.monotonic()
        for victim in self._victims:
            self._start(victim)
        try:
            while self.killed.total() < kills:
                if self._missing is not None and self.killed.total() >= self._missing[1]:
                    self._bring_back()
                if schedule and self.killed.total() >= schedule[0][0]:
                    self._kill_service(schedule.pop(0)[1])
                    continue
                time.sleep(0.004)
                if time.monotonic() - told > 20:
                    told = time.monotonic()
                    self._say(f"{self.killed.total()} of {kills} kills")
                for victim in self._victims:
                    how = _fate(victim)
                    if how is not None and self.killed.total() < kills:
                        self.killed[how] += 1
                        self._start(victim)
        finally:
            for victim in self._victims:
                end(victim.pid, signal.SIGKILL)
            self._bring_back()

    def _start(self, victim: Victim) -> None:
        chance = self._chance
        victim.point = None
        # Most die at a named point, if they come to it in time, the others at a random moment.
        if chance.random() < 0.7:
            point = min(victim.points, key=lambda name: (self._tried[name], chance.random()))
            self._tried[point] += 1
            victim.point = f"{point}:{chance.choice((1, 1, 2, 4))}"
        if victim.point is not None:
            patience = 10.0 if victim.point.split(":")[0] in RARE else 6.0
        elif victim.kind != "relay":
            patience = chance.uniform(0.02, 2.0)
        else:
            # Half of a relay's life is opening its lanes; some live long enough to send for a while.
            patience = chance.random() * chance.choice((0.2, 0.8, 0.8, 1.5, 2.5))
        seed = chance.randrange(1 << 30)
        victim.pid = fork(lambda: victim.run(seed), crash_at=victim.point)
        victim.doomed_at = time.monotonic() + patience

    def _kill_service(self, kind: str) -> None:
        part = kind if kind == "postgres" else self._chance.choice(self._brokers)
        self._say(f"{self.killed.total()} kills, now {part}")
        if kind == "broker" and len(self._brokers) > 1:
            self._bring_back()  # of three, no two may be away at once
            kill(self._var, part)
            self.killed[part] += 1
            self._missing = (part, self.killed.total() + self._chance.randrange(2, 12))
            return
        kill(self._var, part)
        time.sleep(self._chance.uniform(0, 0.5))
        self._start_service(part)
        self.killed[part] += 1
        # The others get a moment to come back, so that the service's death itself is tested.
        now = time.monotonic()
        for victim in self._victims:
            victim.doomed_at = max(victim.doomed_at, now + self._chance.uniform(0.3, 2.0))

    def _bring_back(self) -> None:
        if self._missing is not None:
            part, self._missing = self._missing[0], None
            self._start_service(part)

    def _start_service(self, part: str) -> None:
        """Starts it again and sees that it runs; on a machine with much else to do it may take more than one attempt."""
        for patience in range(5, -1, -1):
            try:
                start_part(self._var, part)
            except (PartFailed, StackSlow) as error:
                if not patience:
                    raise
                self._say(f"{part}: {error}"[:200])
            # The supervisor may not have noticed the death yet when it was asked.
            if status(self._var).parts[part].state == "ready":
                return
            time.sleep(0.5)


def _fate(victim: Victim) -> str | None:
    """Kills a victim whose time has come; says how it died, or None while it lives."""
    pid, ended = os.waitpid(victim.pid, os.WNOHANG)
    if pid == 0:
        if time.monotonic() < victim.doomed_at:
            return None
        os.kill(victim.pid, signal.SIGKILL)
        os.waitpid(victim.pid, 0)
        return f"{victim.kind} at random"
    if os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL:
        return str(victim.point).split(":")[0]
    raise RuntimeError(f"a {victim.kind} ended by itself ({ended}); the lines above say why")
