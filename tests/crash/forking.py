"""Children of the harness: forked, so that a killed one is back within milliseconds, and gone with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

from hub import crash

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


def fork(work: Callable[[], object], crash_at: str | None = None) -> int:
    """Forks a child that does `work` and exits; the child has no way back into this function's caller."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # Nobody outlives this harness, however it ends.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.pop(crash.VARIABLE, None)
        if crash_at:
            os.environ[crash.VARIABLE] = crash_at
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # whatever it is, it is shown and the child ends here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def in_child(work: Callable[[], None], crash_at: str | None = None) -> int:
    """Does `work` in a child and waits; returns its exit code, below 0 where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(work, crash_at), 0)[1])


def end(pid: int, number: int) -> None:
    """Signals a child and waits for its end."""
    try:
        os.kill(pid, number)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def until_closed(stop: int) -> Callable[[], bool]:
    """Whether the other end of a pipe has been closed: how children are asked to finish."""
    os.set_blocking(stop, False)

    def closed() -> bool:
        try:
            return os.read(stop, 1) == b""
        except BlockingIOError:
            return False

    return closed
