"""Progress while the demonstration runs: a live table on a terminal, plain lines elsewhere, only where something changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

STEPS = ("waiting", "triggered", "opened", "landed", "checked", "loading", "loaded", "published")
"""The steps of a feed in their order, as they are shown."""

QUIET_SECONDS = 5.0
"""Between two plain lines on a feed that is still at the same step."""


@dataclass
class Line:
    """What is known of one feed."""

    step: str = "waiting"
    detail: str = ""
    rows: int | None = None
    said: float = 0.0  # when a line was last printed of it


@dataclass
class Show:
    """Holds what is known and shows it. Used as a context manager; methods may be called from one thread only."""

    console: Console
    feeds: dict[str, Line] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    now: str = ""
    _live: Live | None = None

    def __enter__(self) -> Show:
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self._picture, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """A sentence that stays on the screen."""
        self.now = text
        self._line(text)

    def part(self, name: str, state: str, detail: str = "") -> None:
        """A part of the stack or an agency changed its state."""
        if self.parts.get(name) != state:
            self.parts[name] = state
            if state in ("ready", "done", "failed", "down", "skipped"):
                self._line(f"{name} {state}" + (f" ({detail})" if detail else ""))

    def feed(self, name: str, step: str, *, rows: int | None = None, detail: str = "") -> None:
        """A feed reached a step; `rows` of it are through."""
        line = self.feeds.setdefault(name, Line())
        moved = (line.step, line.detail) != (step, detail)
        # Within a long step, a line now and then: a log is no screen.
        grown = line.rows != rows and self.seconds - line.said > QUIET_SECONDS
        line.step, line.rows, line.detail = step, rows, detail
        if (moved or grown) and not self._live:
            line.said = self.seconds
            self._line(f"{name}: {step}" + (f", {rows:,} rows" if rows is not None else "") + _dash(detail))

    def _line(self, text: str) -> None:
        stamp = f"{self.seconds:6.1f} s  "
        self.console.print(Text(stamp, style="dim") + Text(text), soft_wrap=True)

    def _picture(self) -> Group:
        ready = [name for name, state in self.parts.items() if state in ("ready", "done", "skipped")]
        waiting = [f"{name} ({state})" for name, state in self.parts.items() if name not in ready]
        head = f"{self.seconds:5.1f} s  {escape(self.now)}"
        if waiting:
            head += f"  [dim]coming up: {escape(', '.join(waiting))}[/]"
        table = Table(box=None, show_header=False, padding=(0, 1))
        for name, line in self.feeds.items():
            reached = STEPS.index(line.step) if line.step in STEPS else len(STEPS)
            bar = "█" * (reached + 1) + "░" * max(0, len(STEPS) - reached - 1)
            rows = "" if line.rows is None else f"{line.rows:,} rows"
            table.add_row(escape(name), f"[cyan]{bar}[/]", line.step, rows, escape(line.detail))
        return Group(Spinner("dots", text=Text.from_markup(head)), table)


def _dash(detail: str) -> str:
    return f" - {detail}" if detail else ""
