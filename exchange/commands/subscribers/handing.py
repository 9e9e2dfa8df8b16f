"""The file in which a reader's password is handed over: new, and its owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from exchange.errors import GrantFileRefused
from hub.said import Said, by_system


@contextmanager
def handed(path: Path) -> Iterator[TextIO]:
    """A new file (mode 0600, whatever the umask) to write to; it goes again where what stands in the block fails.

    It is there before anything is granted: a password that is made and can't be written would be known to nobody.
    Raises GrantFileRefused where something stands at the path already, or it can't be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        reason = Said("something stands there already, and is not written over", "该处已有文件，不予覆盖")
        raise GrantFileRefused(path=str(path), reason=reason) from error
    except OSError as error:
        raise GrantFileRefused(path=str(path), reason=by_system(error)) from error
    try:
        os.fchmod(handle, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
