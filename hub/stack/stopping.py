"""Stops parts in order, whoever started them: the supervisor at its end, or `down` after the supervisor died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from hub.stack import processes
from hub.stack.state import PartState


def stop_parts(parts: Mapping[str, PartState], stopped: Callable[[str], None]) -> None:
    """Stops relay, Airflow, Kafka and PostgreSQL in this order; parts of one order side by side.

    Only processes that carry a part's mark, or are its recorded first process, are ever signalled.
    `stopped` is called with each part's name.
    """
    mine = [part for part in parts.values() if not part.external]
    for order in sorted({part.stop_order for part in mine}):
        batch = [part for part in mine if part.stop_order == order]
        with ThreadPoolExecutor(max_workers=len(batch)) as pool:
            list(pool.map(_stop, batch))
        for part in batch:
            stopped(part.name)
    for part in parts.values():
        if part.external:
            stopped(part.name)


def _stop(part: PartState) -> None:
    processes.stop(part.kin, number=part.stop_signal, grace=part.grace)
