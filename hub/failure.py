"""A failure in words that may be shown: by the class of an exception and where it came from, never by its text.

An exception that nobody foresaw may quote anything: a row that COPY stopped at, the parameters of a statement, the value
that a library could not read. Its class and its frames are enough to find the bug.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import DiskFull, HubException, Unforeseen

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def told(error: BaseException) -> HubException:
    """The error itself where it is the hub's own; else an Unforeseen with its class and place."""
    if isinstance(error, HubException):
        return error
    place = (frames(error) or ["unknown"])[-1]
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _NO_ROOM:
            return DiskFull(reason=os.strerror(one.errno), place=place)
    return Unforeseen(kind=kind(error), place=place)


@contextmanager
def room_needed() -> Iterator[None]:
    """Around what writes to a disk: raises DiskFull in place of what the system says where no room is left."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise told(error) from error


def kind(error: BaseException) -> str:
    """The class of an exception and of those that led to it: `ProgrammingError from UndefinedColumn`."""
    return " from ".join(type(one).__name__ for one in _chain(error))


def frames(error: BaseException) -> list[str]:
    """Where the error came from, outermost first: file:line in function. No source line, no value."""
    return [
        f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]


def story(error: BaseException) -> str:
    """The frames of an exception and of those that led to it, the first cause first, as lines for a log."""
    told = [f"{type(one).__name__}\n" + "\n".join(f"  {frame}" for frame in frames(one)) for one in _chain(error)]
    return "\nled to ".join(reversed(told))


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found and len(found) < 8:
        found.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return found
