"""The whole way on real parts: `make demo`, or `python -m demo.run`.

    stack up ─┬─ agencies start beside it ─▶ DAGs triggered ─▶ batches on their topics ─▶ one row fixed and replayed
              └─ Airflow boots                                     ─▶ read back by a subscriber ─▶ claims held ─▶ report

ROWS=n payments (default 20,000), SEED=n other records, KEEP=1 leaves everything running. Exit code 0 only when every
claim holds.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from demo.agencies.handle import Agencies
from demo.errors import ClaimBroken
from demo.facts import Facts
from demo.request import Request
from demo.show import Show
from hub import log
from hub.errors import HubException
from hub.output import emit_error
from hub.settings import load_settings, settings
from hub.stack import StackState, down, publish, up

LOOK_SECONDS = 0.3
"""Between two looks at the agencies: looking costs time that the booting parts need."""


@dataclass
class Demo:
    """One run in one run directory."""

    request: Request
    var: Path
    show: Show
    stack: StackState | None = None

    def __post_init__(self) -> None:
        self._watched = 0.0
        self.agencies = Agencies(self.var, self.request.rows, self.request.seed)
        self.facts = Facts(self.request, self.agencies.folder)

    def go(self) -> None:
        """Does all of it. Raises a HubException where a part, an agency, a feed or a claim fails."""
        self._bring_up()
        from demo import report  # noqa: PLC0415 - imported long since, beside the booting parts
        from demo.travel import Travel  # noqa: PLC0415

        travel = Travel(self.var, self.agencies, self.show, self._clock)
        facts = self.facts
        facts.result = travel.result
        travel.go(keep=self.request.keep)
        key = travel.result.repaired.key if travel.result.repaired else None
        facts.where, facts.files = report.where(self.var, self.stack, key), report.files(self.var)
        path = report.write(facts)
        for wrong in travel.wrong[1:]:
            emit_error(wrong, as_json=False)
        if travel.wrong:
            raise travel.wrong[0]
        broken = [claim for claim in travel.result.claims if not claim.holds]
        if broken:
            raise ClaimBroken(count=len(broken), claims="\n".join(f"  {claim}" for claim in broken[:20]), report=path)

    # --- parts and agencies, side by side

    def _bring_up(self) -> None:
        self.show.say("starting PostgreSQL, Kafka, Airflow and the relay; beside them four agency systems")
        self.agencies.start()
        threading.Thread(target=_import_the_rest, daemon=True).start()
        self.stack = up(self.var, watch=self._watch_parts, owner=None if self.request.keep else os.getpid())
        # The stack wrote where its parts answer; what was read of the settings before is out of date.
        # Commands, and tasks of a stack that ran before, are to find the agencies too.
        publish(self.var, {"HUB_PLACES": str(self.agencies.folder.places)})
        settings.cache_clear()
        while not self.agencies.ready():
            self._watch_agencies()
            time.sleep(0.1)
        self._watched = 0.0
        self._watch_agencies()
        self._clock("parts up")
        if not (settings().shared_data / "real").is_dir():
            where = settings().shared_data
            self.show.say(
                f"published records are not here (HUB_SHARED_DATA={where}): their feeds will find nothing new"
            )

    def _watch_parts(self, state: StackState) -> None:
        for name, part in state.parts.items():
            seconds = f"{part.seconds:.1f} s" if part.seconds else ""
            self.show.part(name, part.state, part.detail or " ".join(filter(None, [part.address, seconds])))
        self._watch_agencies()

    def _watch_agencies(self) -> None:
        if time.monotonic() - self._watched < LOOK_SECONDS:
            return
        self._watched = time.monotonic()
        self.agencies.ready()
        for name, where in self.agencies.state().get("ready", {}).items():
            self.show.part(name, "ready", where)

    def _clock(self, what: str) -> None:
        self.facts.seconds[what] = round(self.show.seconds, 1)


def _import_the_rest() -> None:
    """The hub's packages take seconds to import, and the parts take longer to boot."""
    import demo.report  # noqa: PLC0415
    import demo.travel  # noqa: F401, PLC0415


def main() -> int:
    """Runs the demonstration; the exit code is 0 only when every claim holds."""
    log.configure("error")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    try:
        request = Request.of_environment()
    except HubException as error:
        emit_error(error, as_json=False)
        return error.exit_code
    var = load_settings().var.absolute()
    os.environ["HUB_VAR"] = str(var)
    os.environ["HUB_PLACES"] = str(var / "demo" / "places.toml")
    settings.cache_clear()
    failure: HubException | None = None
    with Show(console) as show:
        demo = Demo(request, var, show)
        stop = True
        try:
            demo.go()
            stop = not request.keep
        except HubException as error:
            failure = error
        except KeyboardInterrupt:
            show.say("interrupted")
            return 130
        finally:
            # A part that runs on after a failure or an interruption would be nobody's.
            if stop:
                _stop(demo)
    if demo.facts.result is not None:
        from demo import summary  # noqa: PLC0415

        summary.show(console, demo.facts, kept=not stop)
    if failure is not None:
        emit_error(failure, as_json=False)
        return failure.exit_code
    return 0


def _stop(demo: Demo) -> None:
    """Stops everything; a second Ctrl-C or a closed terminal doesn't stop the stopping."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        demo.show.say("stopping everything")
    demo.agencies.stop()
    down(demo.var)


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
