"""Keeping a long-lived loader small, and not at the price of its speed.

Many short-lived large arrays in several threads leave glibc's per-thread arenas half empty but mapped: a third of a
gigabyte that nobody uses. So there are few arenas, and what is free goes back to the system after each batch. Within a
batch it goes back only when much of it has gathered: what is given back page by page must be cleared by the kernel when
it is taken again, which took a quarter of the loader's time. Elsewhere than on glibc and Linux these calls do nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from functools import lru_cache
from typing import Any

import pyarrow as pa

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_ARENAS = 2
_KEPT_BYTES = 64 << 20  # free memory at an arena's end that is kept
_SLACK = 160 << 20  # bytes that may gather before they go back
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MAPPED_BYTES = 32 << 20  # arrays from this size on are mapped and unmapped one by one: the most glibc allows

_least = 0  # resident bytes after the last time memory was given back, or less since


@lru_cache(maxsize=1)
def _libc() -> Any:
    """glibc's malloc controls, or None."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
        library.malloc_trim.argtypes = (ctypes.c_size_t,)
        library.mallopt(_M_ARENA_MAX, _ARENAS)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        return library
    return None


def bound() -> None:
    """Bounds the arenas of this process; call before its threads start. Doing it twice changes nothing."""
    _libc()


def give_back() -> None:
    """Gives freed memory back to the system. A few milliseconds."""
    global _least  # noqa: PLW0603
    pa.default_memory_pool().release_unused()
    library = _libc()
    if library is not None:
        library.malloc_trim(0)
    _least = _resident()


def ease() -> None:
    """Gives freed memory back once the process has grown by `_SLACK` since the last time. Call it once a page."""
    global _least  # noqa: PLW0603
    now = _resident()
    _least = min(_least, now) if _least else now
    if now > _least + _SLACK:
        give_back()


def _resident() -> int:
    """Bytes of this process in memory, 0 where the system doesn't say."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as facts:  # noqa: PTH123
        return int(facts.read().split()[1]) * _PAGE
    return 0
