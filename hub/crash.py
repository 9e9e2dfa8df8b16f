"""Where a test may kill the process: named step boundaries of the way. Without HUB_CRASH_AT nothing happens.

`HUB_CRASH_AT=load.part_committed` kills the process (SIGKILL: no handler, no flush, no goodbye) when it first
comes to that point, `load.part_committed:3` when it comes there the third time. Tests enumerate `POINTS`.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "HUB_CRASH_AT"

WAREHOUSE_POINTS = (
    "collect.opened",  # the batch has a row, nothing has landed
    "collect.page_gated",  # a page is through the gate, nothing of it is on disk
    "collect.page_landed",  # a page of rows is on disk, the delivery is not whole
    "collect.pages_landed",  # every page and the manifest are on disk, the database doesn't know
    "collect.landed",  # the batch is landed
    "check.page_checked",  # a checked page is on disk
    "check.judged",  # the batch rules are judged, the database doesn't know
    "check.decided",  # the batch is checked or held
    "load.planned",  # the parts are laid out
    "load.changes_written",  # a part's change set is on disk, nothing of it in the database
    "load.rows_copied",  # a part's rows are in the open transaction
    "load.before_commit",  # everything of a part is in the open transaction
    "load.part_committed",  # a part is loaded
    "load.loaded",  # the last part is loaded, leftovers are not yet cleaned away
    "replay.opened",  # a replay has its batch, its parent's rows are still open
)

RELAY_POINTS = (
    "relay.opened",  # the producer has settled leftovers, the position is not read
    "relay.begun",  # a transaction is open, nothing is sent
    "relay.piece_sent",  # some records are handed over
    "relay.sent",  # records and position are in the open transaction
    "relay.committed",  # Kafka has committed, PostgreSQL doesn't know
    "relay.noted",  # PostgreSQL knows
    "relay.suspected",  # a record is suspected to be refused, its dead letter is not sent
    "relay.buried",  # the dead letter is in the open transaction
)

TURN_POINTS = (
    "turn.begun",  # a feed's turn is noted as begun, nothing is pulled
    "turn.carried",  # what was due is loaded, the turn is not noted as ended
)

PUSH_POINTS = (
    "push.gated",  # nothing of the delivery is on the disk in the clear
    "push.landed",  # its files are, no row of the database names them
    "push.committed",  # its batch is on record, its sender does not know
)
"""Of a delivery that is pushed, before anything else of the way."""

POINTS = WAREHOUSE_POINTS + RELAY_POINTS + TURN_POINTS

TAKEDOWN_POINTS = (
    "takedown.begun",  # what was found is noted, nothing is taken out
    "takedown.landed",  # a batch's landed pages are written anew, the database does not know of it
    "takedown.stored",  # it is out of every store, its withdrawal waits for the topic
    "takedown.rolling",  # the topic begins a new file with each record
    "takedown.cut",  # the topic is cut, its settings are not put back
)
"""Of a person's act, which the way never comes to."""

_lock = threading.Lock()
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Kills this process here when HUB_CRASH_AT names the point. Costs one look at the environment."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    where, _, count = wanted.partition(":")
    if where != name:
        return
    with _lock:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
