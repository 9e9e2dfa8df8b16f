"""What runs: the state that the supervisor writes to `var/stack.json` and everybody else reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hub.stack import ports
from hub.stack.errors import StateUnreadable
from hub.stack.layout import Layout, write_private
from hub.stack.processes import Kin, Proc, alive

State = Literal["waiting", "preparing", "starting", "ready", "done", "skipped", "failed", "down", "silent", "stopped"]
"""`done`: a step that ended well. `down`: it was ready and ended. `silent`: it runs but its port does not answer."""

GOOD: frozenset[State] = frozenset({"ready", "done", "skipped"})


@dataclass
class PartState:
    """One part: what it is, where it answers, which process it is, and why it is not ready."""

    name: str
    state: State = "waiting"
    address: str | None = None
    pid: int | None = None
    born: float | None = None
    log: str = ""
    log_start: int = 0
    detail: str = ""
    tail: list[str] = field(default_factory=list)
    seconds: float | None = None
    starts: int = 0
    external: bool = False
    mark: str = ""
    home: str | None = None
    stop_signal: int = 15
    stop_order: int = 0
    grace: float = 10.0

    @property
    def proc(self) -> Proc | None:
        """Its first process, if it has one."""
        return Proc(self.pid, self.born) if self.pid is not None and self.born is not None else None

    @property
    def kin(self) -> Kin:
        """The signs by which all its processes are known."""
        return Kin(self.mark, self.proc, Path(self.home) if self.home else None)

    def row(self) -> dict[str, Any]:
        """What `status` shows."""
        return {
            "part": self.name,
            "state": self.state,
            "address": self.address,
            "pid": self.pid if self.state not in ("stopped", "done", "down") else None,
            "external": self.external,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "starts": self.starts,
            "detail": self.detail,
            "log": self.log,
            "log_tail": self.tail if self.state in ("failed", "down") else [],
        }


@dataclass
class StackState:
    """The whole stack of one run directory."""

    var: str
    id: str = ""
    supervisor: Proc | None = None
    ports: dict[str, int] = field(default_factory=dict)
    parts: dict[str, PartState] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether its supervisor lives."""
        return alive(self.supervisor)

    @property
    def ready(self) -> bool:
        """Whether every part that was asked for does what it should."""
        return self.running and bool(self.parts) and all(part.state in GOOD for part in self.parts.values())

    def address(self, part: str) -> str:
        """`host:port` of a part. Raises KeyError when it is not in the stack."""
        found = self.parts[part].address
        if found is None:
            raise KeyError(part)
        return found

    def pid(self, part: str) -> int:
        """Process id of a part's first process. Raises KeyError when it has none."""
        found = self.parts[part].pid
        if found is None:
            raise KeyError(part)
        return found

    def as_dict(self) -> dict[str, Any]:
        """What `status --json` prints."""
        return {
            "var": self.var,
            "state": "ready" if self.ready else "down" if not self.running else "not ready",
            "supervisor": {"pid": self.supervisor.pid if self.supervisor else None, "alive": self.running},
            "parts": [part.row() for part in self.parts.values()],
        }


def read(layout: Layout) -> StackState:
    """The state as last written; an empty one when there is none. Raises StateUnreadable."""
    try:
        raw = json.loads(layout.state_file.read_text(encoding="utf-8"))
        supervisor = raw["supervisor"]
        return StackState(
            var=str(layout.var),
            id=str(raw["id"]),
            supervisor=Proc(int(supervisor["pid"]), float(supervisor["born"])) if supervisor else None,
            ports={str(name): int(port) for name, port in raw["ports"].items()},
            parts={part["name"]: PartState(**part) for part in raw["parts"]},
        )
    except FileNotFoundError:
        return StackState(var=str(layout.var))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateUnreadable(path=layout.state_file, reason=str(error)) from error


def write(layout: Layout, state: StackState) -> None:
    """Writes the state whole; readers see the old or the new one."""
    document = {
        "id": state.id,
        "supervisor": asdict(state.supervisor) if state.supervisor else None,
        "ports": state.ports,
        "parts": [asdict(part) for part in state.parts.values()],
    }
    write_private(layout.state_file, json.dumps(document, indent=1))


def observe(layout: Layout) -> StackState:
    """The state as it truly is: processes looked at, ports tried. Changes nothing."""
    state = read(layout)
    for name, part in state.parts.items():
        if (
            part.state in ("ready", "starting", "preparing")
            and not part.external
            and part.pid is not None
            and not alive(part.proc)
        ):
            state.parts[name] = replace(part, state="down", detail=part.detail or "its process ended")
        elif part.state in ("waiting", "preparing", "starting") and not state.running:
            state.parts[name] = replace(part, state="down", detail="the supervisor ended before it was ready")
        elif part.state == "ready" and part.address and not ports.answers(part.address):
            state.parts[name] = replace(part, state="silent", detail="its port does not answer")
    return state


def log_size(path: Path) -> int:
    """Bytes in a log now, 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
