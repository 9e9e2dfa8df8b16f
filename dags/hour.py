"""What the hourly run of a frequent feed stands for: not only what it found itself, but all that the worker took in its hour.

So the feed's page shows each hour as it was: the counts of all its batches, `published` once they are on the topic, red
where a delivery can't be read. Turns that fail end in this run's own try, which fails like them or mends it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from dags.carry import line_of, unreadable
from hub.errors import HubException

if TYPE_CHECKING:
    from contracts.model import FeedContract
    from warehouse.batches import BatchOutcome

_LOG = logging.getLogger("hub.task")

MOST_BATCHES = 10_000


def gathered(
    contract: FeedContract, since: datetime, until: datetime, own: Iterable[BatchOutcome]
) -> tuple[list[BatchOutcome], list[HubException]]:
    """The outcomes of all batches opened in the interval and of this run's own; and what nobody could read of the others."""
    from warehouse import batches, way
    from warehouse.engine import connection
    from warehouse.turns import book

    mine = list(own)
    known = {outcome.batch_id for outcome in mine if not outcome.repeated}
    with connection() as conn:
        with conn.begin():
            turn = book.of(conn, contract.id)
            found = batches.recent(conn, feed=contract.id, limit=MOST_BATCHES)
        others = [
            way.outcome(conn, batch)
            for batch in found
            if batch.kind == "pull" and since <= batch.opened_at < until and batch.batch_id not in known
        ]
    if turn is not None:
        _LOG.info("with the worker: %s turns, %s failed, ever; served: %s", turn.turns, turn.failed, turn.served)
        if turn.failures and turn.error is not None:
            _LOG.warning("its newest turn failed: %s %s", turn.error.get("code"), turn.error.get("error"))
    for outcome in others:
        _LOG.info("%s", line_of(outcome))
    sources = sorted({outcome.source for outcome in others})
    missed = [
        error
        for source in sources
        for error in unreadable(source, (outcome for outcome in others if outcome.source == source))
    ]
    # What this run met again was new within the hour.
    new = {outcome.batch_id for outcome in others}
    return [*others, *(outcome for outcome in mine if outcome.batch_id not in new)], missed
