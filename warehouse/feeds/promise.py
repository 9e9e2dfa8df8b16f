"""What a topic promised its readers, held against a contract that is about to be used for the first time.

The gate before a merge says the same (`hub contract gate`), but a contract may come onto the disk by another way.
"""

from __future__ import annotations

import sqlalchemy as sa

from contracts.diff import exceptions
from contracts.diff.gate import judge
from contracts.model import FeedContract
from hub import clock
from hub.said import Said, joined
from hub.settings import settings
from warehouse.errors import PromiseBroken
from warehouse.event_schema import breaks
from warehouse.tables import topic

_SHOWN = 5


def keep(conn: sa.Connection, old: FeedContract, new: FeedContract) -> None:
    """Raises PromiseBroken where events of `new` would not be what those of `old` promised. In a transaction.

    Not while the topic was never made: nobody has read it yet. Not where dated exceptions beside the contract let every breaking
    change of this version through.
    """
    broken = breaks(old, new)
    if not broken or conn.scalar(sa.select(topic.c.uuid).where(topic.c.topic == new.topic.name)) is None:
        return
    beside = exceptions.beside(settings().contracts / new.path)
    today = clock.today()
    if judge(old, new, exceptions.read(beside, today), today=today).passes:
        return
    told = [Said(f"{one.what}: {one.en}", f"{one.what}：{one.zh}") for one in broken[:_SHOWN]]
    raise PromiseBroken(feed=new.id, topic=new.topic.name, old=old.version, new=new.version, breaks=joined(told))
