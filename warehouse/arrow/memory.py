"""Keeping a long-lived loader small, and not at the price of its speed.

Many short-lived large arrays in several threads leave glibc's per-thread arenas half empty but mapped: a third of a
gigabyte that nobody uses. So there are few arenas, and what is free goes back to the system after each batch. Within a
batch it stays: memory that is given back page by page must be cleared by the kernel page by page when it is taken
again, which took a quarter of the loader's time. Elsewhere than on glibc these calls do nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
from functools import lru_cache
from typing import Any

import pyarrow as pa

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_ARENAS = 2
_KEPT_BYTES = 64 << 20  # free memory at an arena's end that is kept
_MAPPED_BYTES = 32 << 20  # arrays from this size on are mapped and unmapped one by one: the most glibc allows


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
    pa.default_memory_pool().release_unused()
    library = _libc()
    if library is not None:
        library.malloc_trim(0)
