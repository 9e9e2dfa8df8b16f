"""Keeping a long-lived loader small: freed memory goes back to the system instead of waiting in arenas.

Many short-lived large arrays in several threads leave glibc's per-thread arenas half empty but mapped: a third of a
gigabyte that nobody uses. Elsewhere than on glibc these calls do nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
from functools import lru_cache
from typing import Any

import pyarrow as pa

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_ARENAS = 2
_TRIM_BYTES = 1 << 20


@lru_cache(maxsize=1)
def _libc() -> Any:
    """glibc's malloc controls, or None."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
        library.malloc_trim.argtypes = (ctypes.c_size_t,)
        library.mallopt(_M_ARENA_MAX, _ARENAS)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        return library
    return None


def bound() -> None:
    """Bounds the arenas of this process; call before its threads start. Doing it twice changes nothing."""
    _libc()


def give_back() -> None:
    """Gives freed memory back to the system. A few milliseconds."""
    pa.default_memory_pool().release_unused()
    library = _libc()
    if library is not None:
        library.malloc_trim(0)
