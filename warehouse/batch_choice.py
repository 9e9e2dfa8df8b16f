"""The batch that somebody means: by its id, by the beginning of it, or the last one of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from hub.ids import BatchId
from hub.said import Said, joined
from warehouse.batches import UNFINISHED
from warehouse.engine import connection
from warehouse.errors import BatchAmbiguous, BatchUnknown, BatchUnnamed
from warehouse.tables import batch, quarantine

Kind = Literal["any", "held", "waiting", "corrected", "unfinished"]

SHOWN = 10
WHOLE = 36  # characters of an id

_NONE = {
    "any": Said("there is no batch yet", "尚无批次"),
    "unfinished": Said("no batch is on its way", "没有正在处理的批次"),
    "held": Said("no batch is held", "没有挂起的批次"),
    "waiting": Said("no batch has rows waiting in quarantine", "没有批次有待处理的隔离行"),
    "corrected": Said("no batch has corrected rows waiting for a replay", "没有批次有待重放的已更正行"),
}


def chosen(given: str | None, last: bool, kind: Kind = "any") -> BatchId:
    """The batch's id. Raises BatchUnnamed, BatchUnknown, BatchAmbiguous (which lists the candidates).

    `kind` is what `last` looks among: any batch, held ones, those with rows waiting in quarantine, or with corrected ones.
    """
    if given is not None and last:
        raise BatchUnnamed(reason=Said("both a batch and --last were given", "同时给出了批次号和 --last"))
    with connection() as conn:
        if last:
            found = conn.execute(_newest(kind)).scalar()
            if found is None:
                raise BatchUnnamed(reason=_NONE[kind])
            return BatchId(str(found))
        if given is None:
            raise BatchUnnamed(reason=Said("neither a batch nor --last was given", "既未给出批次号，也未给出 --last"))
        return _by_beginning(conn, given)


def _newest(kind: Kind) -> sa.Select[tuple[str]]:
    query = sa.select(batch.c.batch_id).order_by(batch.c.batch_no.desc()).limit(1)
    if kind == "held":
        return query.where(batch.c.state == "held")
    if kind == "unfinished":
        return query.where(batch.c.state.in_(UNFINISHED))
    if kind == "any":
        return query
    states = ("fixed",) if kind == "corrected" else ("open", "fixed")
    there = sa.select(quarantine.c.row_no).where(
        quarantine.c.batch_id == batch.c.batch_id, quarantine.c.state.in_(states)
    )
    return query.where(there.exists())


def _by_beginning(conn: sa.Connection, given: str) -> BatchId:
    wanted = given.strip().lower().replace("\0", "")
    if not wanted or len(wanted) > WHOLE:
        raise BatchUnknown(batch=given[:100])
    query = (
        sa.select(batch.c.batch_id, batch.c.feed, batch.c.state, sa.func.count().over().label("all"))
        .where(batch.c.batch_id.startswith(wanted, autoescape=True))
        .order_by(batch.c.batch_no.desc())
        .limit(SHOWN)
    )
    found = conn.execute(query).all()
    if not found:
        raise BatchUnknown(batch=given[:100])
    if len(found) > 1:
        raise BatchAmbiguous(given=wanted, count=found[0].all, candidates=_candidates(found))
    return BatchId(found[0].batch_id)


def _candidates(found: Sequence[sa.Row[tuple[str, str, str, int]]]) -> str:
    told = [f"{one.batch_id} ({one.feed}, {one.state})" for one in found]
    return joined([*told, "…"] if found[0].all > len(found) else told)
