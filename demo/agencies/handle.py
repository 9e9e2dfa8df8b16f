"""Starts the agencies' process, finds one that runs, and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo.agencies.places import Folder
from demo.errors import AgenciesFailed
from hub.settings import ROOT
from hub.stack import ports, processes
from hub.stack.processes import Proc

NAMES = ("audit office", "finance bureau", "statistics bureau", "inspection office")
GRACE_SECONDS = 5.0


class Agencies:
    """The agencies' process of one run directory."""

    def __init__(self, var: Path, rows: int, seed: int) -> None:
        self.folder, self._var, self._rows, self._seed = Folder(var / "demo"), var, rows, seed
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; one that an earlier demonstration left running is ended first."""
        before = self.state()
        self.stop()
        self.folder.make()
        self.folder.state.unlink(missing_ok=True)
        port = ports.choose(["inspection"], {"inspection": int(before["port"])} if "port" in before else {})
        argv = ["--var", str(self._var), "--rows", str(self._rows), "--seed", str(self._seed)]
        with self.folder.log.open("wb") as out:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "demo.agencies.serve", *argv, "--port", str(port["inspection"])],
                cwd=ROOT,
                env={**os.environ, "HUB_VAR": str(self._var)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def state(self) -> dict[str, Any]:
        """What the process last said of itself; empty before it said anything."""
        try:
            found: dict[str, Any] = json.loads(self.folder.state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def ready(self) -> bool:
        """Whether all four answer. Raises AgenciesFailed when one never will."""
        now = self.state()
        failed = now.get("failed")
        if failed:
            name, reason = next(iter(failed.items()))
            raise AgenciesFailed(agency=name, reason=reason, log=self.folder.log)
        if self._child is not None and self._child.poll() is not None:
            lines = processes.tail(self.folder.log, 3)
            raise AgenciesFailed(agency="the agencies' process", reason=" | ".join(lines), log=self.folder.log)
        return set(NAMES) <= set(now.get("ready", {}))

    def rest_seconds(self) -> float:
        """How long until every dropped file has lain untouched for the five seconds after which it is taken."""
        touched = [
            max(path.stat().st_mtime, path.stat().st_ctime)
            for root in (self.folder.finance, self.folder.statistics)
            for path in root.rglob("*.*")
            if path.is_file()
        ]
        return max(0.0, max(touched, default=0.0) + 5.2 - time.time())

    def stop(self) -> None:
        """Ends the process, whoever started it; nothing when none runs."""
        now = self.state()
        if "born" in now:
            proc = Proc(int(now["pid"]), float(now["born"]))
            if processes.send(proc, signal.SIGTERM) and not processes.wait_gone(proc, GRACE_SECONDS):
                processes.send(proc, signal.SIGKILL)
        if self._child is not None:
            if self._child.poll() is None:
                self._child.terminate()
            try:
                self._child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
