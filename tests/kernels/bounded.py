"""Finders with little room, as over batches that are much larger than what may stay in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from contracts.checks import kept
from warehouse.spool import Spool

ROOMS: st.SearchStrategy[tuple[int, int] | None] = st.sampled_from([None, (0, 1), (1, 1), (3, 2), (9, 4), (9, 1)])
"""Rows that are kept in memory and hashes that are looked into at a time; None: nothing ever leaves memory."""


@contextmanager
def scratch(room: tuple[int, int] | None) -> Iterator[Callable[[], Any] | None]:
    """What a finder is given for its scratch, with that room and few parts."""
    if room is None:
        yield None
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Spool(Path(folder)) as spool,
        mock.patch.multiple(kept, BOUND=room[0], LOT=room[1], PARTS=4),
    ):
        yield lambda: spool
