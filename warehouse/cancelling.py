"""A batch that a named person ends while it is on its way, whether its process lives or died.

No lock of the feed is asked for: each move of a batch names the state it comes from, so a process that still works on it finds
at its next commit that the batch is cancelled, and commits nothing more.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.ids import BatchId
from hub.said import Said
from warehouse import acts, batches
from warehouse.batches import Batch
from warehouse.engine import transaction
from warehouse.errors import BatchStateWrong
from warehouse.landing import intake
from warehouse.retention.files import delete_original
from warehouse.store import store
from warehouse.tables import batch, landed_object, quarantine


def cancel(batch_id: BatchId, *, operator: str, reason: str) -> Batch:
    """Ends a batch of which no part is loaded; what it landed goes, and the next run takes the delivery anew.

    Rows and batches that were on their way again with it wait as before. Raises OperatorMissing, BatchUnknown, BatchStateWrong.
    """
    by = acts.named("cancel", operator, reason)
    with transaction() as conn:
        # The row is locked: whoever commits first, the part that is being loaded or this, the other one sees it.
        conn.execute(sa.select(batch.c.batch_id).where(batch.c.batch_id == batch_id).with_for_update())
        found = batches.get(conn, batch_id)
        if found.state not in batches.UNFINISHED or found.parts_loaded:
            needed = "opened, landed, checked or loading, with no part loaded"
            raise BatchStateWrong(batch=batch_id, state=found.state, action=Said("cancel", "取消"), needed=needed)
        _send_back(conn, found)
        files = landed_object.c.batch_id == batch_id, landed_object.c.purged_at.is_(None)
        query = sa.select(landed_object.c.path).where(*files, landed_object.c.kind == "original")
        for path in conn.execute(query).scalars().all():
            delete_original(conn, store(), path, but=batch_id)
        conn.execute(sa.update(landed_object).where(*files).values(purged_at=sa.func.now()))
        facts = {**found.facts, "cancelled": True, "operator_reason": by[1]}
        said = f"cancelled by {by[0]}: {by[1]}"
        cancelled = batches.move(conn, found, "abandoned", state_reason=said, facts=facts, operator=by[0])
        acts.note(conn, "cancel", batch_id, by)
    intake.discard(cancelled)
    return cancelled


def _send_back(conn: sa.Connection, found: Batch) -> None:
    """What was on its way again with the batch waits where it waited before."""
    if found.parent_batch is None:
        return
    rows = quarantine.c.batch_id.in_(batches.family(conn, found.batch_id)), quarantine.c.replay_batch == found.batch_id
    before = sa.case((quarantine.c.fixed.is_not(None), "fixed"), else_="open")
    conn.execute(sa.update(quarantine).where(*rows).values(state=before, replay_batch=None))
    if found.facts.get("waived"):
        held = batch.c.batch_id == found.parent_batch, batch.c.state == "released"
        conn.execute(sa.update(batch).where(*held).values(state="held"))
