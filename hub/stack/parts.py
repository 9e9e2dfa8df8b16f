"""What every part of the stack is: how it is prepared, started, known to be ready, and stopped."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hub.errors import HubException
from hub.said import Said, by_system, zh
from hub.settings import ROOT, Settings
from hub.stack import ports as networks
from hub.stack import processes
from hub.stack.layout import Layout
from hub.stack.processes import Launch
from hub.stack.vault import Vault


@dataclass
class Plan:
    """What all parts of one stack share: where, with which settings of the operator, on which ports."""

    layout: Layout
    operator: Settings
    id: str
    wanted: frozenset[str]
    ports: dict[str, int] = field(default_factory=dict)
    host: str = networks.HOST
    """Under which others reach it."""
    bind: str = networks.HOST
    """On which it listens."""

    @property
    def vault(self) -> Vault:
        """The run directory's secrets."""
        return Vault(self.layout.secrets, self.operator.secrets)

    def mark(self, part: str) -> str:
        """What the processes of a part carry in their environment."""
        return f"{self.id}/{part}"

    def step_env(self, part: str, **extra: str) -> dict[str, str]:
        """A small, clean environment for a part that needs nothing of ours."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            processes.MARK: self.mark(part),
            **extra,
        }

    def our_env(self, part: str, **extra: str) -> dict[str, str]:
        """The operator's environment for a part that is our own code, pointed at this run directory."""
        return {
            **os.environ,
            "HUB_VAR": str(self.layout.var),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            processes.MARK: self.mark(part),
            **extra,
        }


class Part(ABC):
    """One part. Subclasses say how; the supervisor says when."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()
    """Parts that must be ready before it starts."""
    works_with: ClassVar[tuple[str, ...]] = ()
    """Parts that it can't do without once it runs: started along with it, not waited for."""
    peers: ClassVar[tuple[str, ...]] = ()
    """Parts that serve the same as this one: what needs it can do with a majority of all that are started."""
    port_names: ClassVar[tuple[str, ...]] = ()
    oneshot: ClassVar[bool] = False
    """A step that ends by itself; ready when it ended well."""
    restarts: ClassVar[bool] = False
    """Whether the supervisor starts it again when it ends unasked."""
    stop_signal: ClassVar[int] = 15
    stop_order: ClassVar[int] = 0
    grace: ClassVar[float] = 10.0
    """Seconds between the stop signal and SIGKILL."""
    patience: ClassVar[float] = 60.0
    """Seconds from its start within which it must be ready."""

    probe_every: ClassVar[float] = 0.05
    """Seconds between two looks at whether it is ready."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pid: int | None = None  # of its first process, set at each start

    @property
    def external(self) -> bool:
        """Whether the operator named one that runs elsewhere; then it is only looked at."""
        return False

    @property
    def address(self) -> str | None:
        """`host:port` where it answers."""
        return f"{self.plan.host}:{self.plan.ports[self.port_names[0]]}" if self.port_names else None

    @property
    def home(self) -> Path | None:
        """Working folder by which its children are known when they hide their environment."""
        return None

    def absent(self) -> str | None:
        """Why there is nothing to start, or None."""
        return None

    def done_already(self) -> bool:
        """For a step: whether its work needs no process now. Asked once all it needs is ready."""
        return False

    def prepare(self) -> None:
        """What must be done before each start, repeatable. Raises HubException."""

    @abstractmethod
    def launch(self) -> Launch:
        """What to start."""

    def ready(self) -> bool:
        """Whether it does what it should. Raises HubException when it never will."""
        return self.address is None or networks.answers(self.address)

    def settle(self) -> None:
        """What must be done once it answers, repeatable. Raises HubException."""

    def hub_env(self) -> Mapping[str, str]:
        """The `HUB_*` settings that clients need to reach it."""
        return {}


def run_step(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    failed: Callable[[str], HubException],
    user: int | None = None,
    group: int | None = None,
    timeout: float = 120,
    quiet: bool = False,
) -> str:
    """Runs a program to its end and returns its output. Raises what `failed` makes of its last lines.

    `quiet` keeps its standard output out of errors, for programs that print credentials.
    """
    try:
        done = subprocess.run(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise failed(
            Said(f"{argv[0]} can't be run: {error.strerror}", f"无法运行 {argv[0]}：{zh(by_system(error))}")
        ) from error
    except subprocess.TimeoutExpired as error:
        raise failed(
            Said(f"{argv[0]} did not end within {timeout:.0f} s", f"{argv[0]} 未在 {timeout:.0f} 秒内结束")
        ) from error
    if done.returncode:
        said = done.stderr if quiet else done.stderr + b"\n" + done.stdout
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        raise failed(" | ".join(lines[-6:])[:1500] or Said(f"exit code {done.returncode}", f"退出码 {done.returncode}"))
    return done.stdout.decode("utf-8", "replace")
