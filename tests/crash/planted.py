"""Bugs that are planted on purpose, each of which the harness must find: `--plant NAME`.

A crash test that can't fail proves nothing, so tests/crash/test_crash.py plants each of them.
"""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa

import exchange.relay.position
from exchange.relay.position import START, read_note
from hub.crash import point
from warehouse import engine, outbox
from warehouse.landing import intake, known
from warehouse.loading import loader

VARIABLE = "HUB_TEST_PLANT"


def plant() -> None:
    """Plants the bug that the environment names, in this process."""
    name = os.environ.get(VARIABLE)
    if name:
        PLANTS[name]()


def _outbox_after_the_commit() -> None:
    """The outbox entry is written in a transaction of its own: killed in between, the events are lost."""
    real = loader.Loader._load_part

    def load_part(self: Any, *args: Any, **more: Any) -> None:
        waiting: list[dict[str, Any]] = []
        loader.outbox.append_changes = lambda _, **values: waiting.append(values) or 0  # type: ignore[func-returns-value]
        try:
            real(self, *args, **more)
        finally:
            loader.outbox.append_changes = outbox_append
        point("load.part_committed")
        for values in waiting:
            with engine.transaction() as conn:
                outbox_append(conn, **values)

    outbox_append = outbox.append_changes
    loader.Loader._load_part = load_part  # type: ignore[method-assign]


def _resumed_from_the_note() -> None:
    """The relay goes on from PostgreSQL's note and not from Kafka's position: killed between the two, it sends twice."""

    def start(conn: sa.Connection, cluster: Any, lane_id: str, cluster_id: str) -> tuple[Any, bool]:
        note = read_note(conn, lane_id)
        return (START if note is None else note.position), False

    exchange.relay.position.start = start


def _delivery_forgotten() -> None:
    """What was taken before isn't looked up: a file that still lies there is taken once more."""
    known.TakenBefore.empty = lambda *_: True  # type: ignore[method-assign]
    known.TakenBefore.among = lambda *_: frozenset()  # type: ignore[method-assign]
    intake.already_taken = lambda *_: None


PLANTS = {
    "outbox-after-the-commit": _outbox_after_the_commit,
    "resumed-from-the-note": _resumed_from_the_note,
    "delivery-forgotten": _delivery_forgotten,
}
