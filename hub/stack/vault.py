"""Generated passwords: made once per run directory, kept in `var/secrets/` with mode 0600."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from hub.stack.errors import SecretUnsafe
from hub.stack.layout import write_private

_making = threading.Lock()  # parts are prepared side by side, and some share a secret


def password() -> str:
    """A fresh password of 192 bits; hex, so that it needs no quoting in SQL, URLs, JAAS or properties."""
    return secrets.token_hex(24)


class Vault:
    """The secrets of one run directory; those in `given` come from outside and are only read."""

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self.folder = folder
        self.given = given

    def get(self, name: str, make: Callable[[], str] = password) -> str:
        """The secret of that name, made by `make` at the first call. Raises SecretUnsafe if others can read it."""
        if self.given is not None and (self.given / Path(name).name).is_file():
            # Who may read it is settled by whoever gives it: a container's engine mounts it with a mode of its own.
            return (self.given / Path(name).name).read_text(encoding="utf-8").strip()
        path = self.path(name)
        with _making:
            if not path.exists():
                write_private(path, make())
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise SecretUnsafe(path=path, mode=oct(mode))
        return path.read_text(encoding="utf-8").strip()

    def file(self, name: str, make: Callable[[], str] = password) -> Path:
        """The file of that secret, made where there is none, for a program that reads it there. Raises SecretUnsafe."""
        self.get(name, make)
        given = None if self.given is None else self.given / Path(name).name
        return given if given is not None and given.is_file() else self.path(name)

    def put(self, name: str, text: str) -> Path:
        """Writes a file that holds secrets (a part's configuration) and returns its path."""
        path = self.path(name)
        write_private(path, text)
        return path

    def path(self, name: str) -> Path:
        """Where the secret of that name lies."""
        return self.folder / Path(name).name
