"""Where the stack keeps what: one run directory (`HUB_VAR`, by default `var/`), nothing outside it."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of one run directory."""

    var: Path

    @classmethod
    def of(cls, var: Path) -> Layout:
        """The layout of `var`, made absolute. Makes no folder."""
        return cls(var.expanduser().absolute())

    @property
    def secrets(self) -> Path:
        """Generated passwords, mode 0700; each file 0600."""
        return self.var / "secrets"

    @property
    def logs(self) -> Path:
        """One log a part, `<part>.log`, and the supervisor's."""
        return self.var / "logs"

    @property
    def state_file(self) -> Path:
        """What runs: written by the supervisor alone, read by everybody."""
        return self.var / "stack.json"

    @property
    def env_file(self) -> Path:
        """`HUB_*` settings of what runs, read by hub.settings; there only while the stack runs."""
        return self.var / "hub.env"

    @property
    def requests(self) -> Path:
        """Folder in which others leave requests for the supervisor."""
        return self.var / "stack" / "requests"

    @property
    def up_lock(self) -> Path:
        """Held while somebody starts or stops the stack."""
        return self.var / "stack" / "up.lock"

    @property
    def env_lock(self) -> Path:
        """Held while somebody writes `hub.env`."""
        return self.var / "stack" / "env.lock"

    @property
    def run_lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.var / "stack" / "run.lock"

    @property
    def cluster_mark(self) -> Path:
        """Names the place of PostgreSQL's data once there is any: from then on no new cluster is made."""
        return self.var / "stack" / "cluster"

    def log(self, part: str) -> Path:
        """The log of a part."""
        return self.logs / f"{part}.log"

    @property
    def private(self) -> tuple[Path, ...]:
        """Folders that hold records, pages about them, logs or secrets: for their owner alone."""
        names = ("airflow", "cache", "data_docs", "demo", "kafka", "logs", "secrets", "stack", "store")
        return tuple(self.var / name for name in names)

    def make(self) -> None:
        """Makes the folders and closes them, and those found there, to everybody else; repeated calls change nothing."""
        self.var.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.logs, self.requests, self.secrets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # PostgreSQL of another user may have been given leave to pass through, which is not to list or to read.
        _close(self.var, stat.S_IMODE(self.var.stat().st_mode) & stat.S_IXGRP)
        for folder in self.private:
            _close(folder)

    def open_to_others(self) -> list[Path]:
        """Of the run directory and its private folders those that other users of the machine can look into."""
        others = dict.fromkeys(self.private, 0o077) | {self.var: 0o067}
        return [folder for folder, bits in others.items() if folder.is_dir() and folder.stat().st_mode & bits]


def _close(folder: Path, also: int = 0) -> None:
    # A link is the operator's own arrangement; a folder of somebody else's is told by `hub doctor`.
    with suppress(FileNotFoundError, PermissionError):
        if not folder.is_symlink() and stat.S_IMODE(folder.stat().st_mode) != 0o700 | also:
            folder.chmod(0o700 | also)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Writes a file that is whole or absent, with `mode` from its first byte on."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
