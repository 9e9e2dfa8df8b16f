"""What a topic promised its readers, held against a contract that takes the place of the one in use.

The gate before a merge says the same (`hub contract gate`), but a contract may come onto the disk by another way.
"""

from __future__ import annotations

import sqlalchemy as sa

from contracts.diff import exceptions
from contracts.diff.change import Change
from contracts.diff.gate import Judged, judge
from contracts.diff.kinds import Party
from contracts.model import FeedContract
from hub import clock
from hub.said import Said, by_line
from hub.settings import settings
from warehouse.errors import PromiseBroken
from warehouse.tables import topic

_SHOWN = 5


PARTIES: tuple[Party, ...] = ("subscribers", "table")
"""Whom a run must not break. What breaks its senders they are told with their delivery."""


def keep(conn: sa.Connection, old: FeedContract, new: FeedContract) -> None:
    """Raises PromiseBroken where `new` breaks what `old` promised its subscribers, or doesn't fit what is on record. In a transaction.

    What breaks is what the gate says (`contracts.diff.kinds`). Not while the topic of `old` was never made: nobody has read it
    yet. Not where dated exceptions beside the contract let every such change of this version through.
    """
    today = clock.today()
    if not _refused(judge(old, new, today=today)) or not _made(conn, old):
        return
    beside = exceptions.beside(settings().contracts / new.path)
    broken = _refused(judge(old, new, exceptions.read(beside, today), today=today))
    if broken:
        told = [Said(f"{one.id} ({one.sentence()})", f"{one.id}（{one.sentence('zh')}）") for one in broken[:_SHOWN]]
        raise PromiseBroken(feed=new.id, topic=old.topic.name, old=old.version, new=new.version, breaks=by_line(told))


def _refused(judged: Judged) -> list[Change]:
    return [change for change in judged.refused if change.about.party in PARTIES]


def _made(conn: sa.Connection, contract: FeedContract) -> bool:
    return conn.scalar(sa.select(topic.c.uuid).where(topic.c.topic == contract.topic.name)) is not None
