"""Where the stack keeps what: one run directory (`HUB_VAR`, by default `var/`), nothing outside it."""

from __future__ import annotations

import os
import tempfile
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
    def run_lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.var / "stack" / "run.lock"

    def log(self, part: str) -> Path:
        """The log of a part."""
        return self.logs / f"{part}.log"

    def make(self) -> None:
        """Makes the folders; repeated calls change nothing."""
        for folder in (self.var, self.logs, self.requests):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.secrets.chmod(0o700)


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
