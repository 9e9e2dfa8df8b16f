"""The book of alarms: one open for each object and kind; raised once, repeated by policy, cleared when it is over.

What is said of an alarm is a notice: an event on `hub.ops.alarm.v1` by the outbox, in the transaction that changes the alarm, a
line in the log, and the same bytes for the webhook where the operator named one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.catalogue import Catalogue
from contracts.model import TopicSpec
from exchange.alarms import conditions
from exchange.alarms.conditions import Condition, Look
from hub import clock, log
from hub.canonical import canonical_bytes
from hub.ids import TopicName
from hub.said import Said
from hub.settings import settings
from warehouse.engine import lock_transaction, transaction
from warehouse.outbox import append_event, ensure_topic
from warehouse.tables import alarm, alarm_notice

TOPIC = TopicSpec("hub.ops.alarm.v1", partitions=1, config={"retention.ms": str(90 * 24 * 3600 * 1000)}, lane="hub.ops")
EVENT_TYPE = "ops.alarm"
SOURCE = "/alarms"


@dataclass(frozen=True, slots=True)
class Notice:
    """What was said of an alarm."""

    alarm: int
    number: int
    object: str
    kind: str
    change: str  # raised | repeated | cleared
    en: str
    zh: str


def look(on_disk: Catalogue) -> list[Notice]:
    """Looks at everything once, and says what has changed since or is due to be said again. Raises DatabaseUnavailable.

    An alarm of what could not be looked at stays as it is: no contract on disk, or one that is broken, is not "over".
    """
    with transaction() as conn:
        lock_transaction(conn, "alarms", "book")
        return _settle(conn, conditions.found(conn, on_disk))


def tell(condition: Condition) -> list[Notice]:
    """Raises the alarm of something that no look can find, or says it again where that is due. Raises DatabaseUnavailable."""
    with transaction() as conn:
        lock_transaction(conn, "alarms", "book")
        return _said(conn, [_noted(conn, condition, clock.now())])


def over(number: int) -> list[Notice]:
    """Clears an alarm where it is still open. Raises DatabaseUnavailable."""
    with transaction() as conn:
        lock_transaction(conn, "alarms", "book")
        rows = conn.execute(sa.select(alarm).where(alarm.c.alarm_no == number, alarm.c.cleared_at.is_(None))).all()
        return _said(conn, [_cleared(conn, row, clock.now(), _OVER) for row in rows])


_OVER = Said("over", "已解除")
_GONE = Said("not looked at any more, the feed has no contract", "数据源已无契约，不再检查")


def _settle(conn: sa.Connection, look: Look) -> list[Notice]:
    now = clock.now()
    notices = [_noted(conn, condition, now) for condition in look.amiss]
    still = {(condition.object, condition.kind) for condition in look.amiss}
    open_ = conn.execute(sa.select(alarm).where(alarm.c.cleared_at.is_(None)).order_by(alarm.c.alarm_no)).all()
    over = [row for row in open_ if (row.object, row.kind) not in still and look.tells(row.object, row.kind)]
    notices += [_cleared(conn, row, now, _GONE if look.gone(row.object, row.kind) else _OVER) for row in over]
    return _said(conn, notices)


def _cleared(conn: sa.Connection, row: sa.Row[Any], now: datetime, why: Said) -> Notice:
    conn.execute(sa.update(alarm).where(alarm.c.alarm_no == row.alarm_no).values(cleared_at=now))
    told = f"{why}: {row.facts.get('en', row.kind)}", f"{why.zh}：{row.facts.get('zh', row.kind)}"
    return _note(conn, row.alarm_no, "cleared", Condition(row.object, row.kind, *told, "", {}), now)


def _noted(conn: sa.Connection, condition: Condition, now: datetime) -> Notice | None:
    """Raises the alarm where none is open; else says it again where that is due."""
    facts = {**condition.facts, "en": condition.en, "zh": condition.zh}
    made = insert(alarm).values(
        object=condition.object, kind=condition.kind, facts=facts, raised_at=now, noticed_at=now
    )
    open_ = alarm.c.cleared_at.is_(None)
    number = conn.scalar(
        made.on_conflict_do_nothing(index_elements=["object", "kind"], index_where=open_).returning(alarm.c.alarm_no)
    )
    if number is not None:
        return _note(conn, number, "raised", condition, now)
    is_it = alarm.c.object == condition.object, alarm.c.kind == condition.kind, open_
    row = conn.execute(sa.select(alarm).where(*is_it)).one()
    conn.execute(sa.update(alarm).where(alarm.c.alarm_no == row.alarm_no).values(facts=facts))
    hours = settings().alarm_repeat_hours
    if not hours or now - row.noticed_at < timedelta(hours=hours):
        return None
    return _note(conn, row.alarm_no, "repeated", condition, now)


def _note(conn: sa.Connection, number: int, change: str, condition: Condition, now: datetime) -> Notice:
    mine = alarm.c.alarm_no == number
    count = sa.update(alarm).where(mine).values(notices=alarm.c.notices + 1, noticed_at=now)
    notice = int(conn.scalar(count.returning(alarm.c.notices)) or 0)
    since = conn.scalar(sa.select(alarm.c.raised_at).where(mine))
    body: dict[str, Any] = {
        "alarm": number,
        "notice": notice,
        "object": condition.object,
        "kind": condition.kind,
        "change": change,
        "since": None if since is None else since.isoformat(),
        "en": condition.en,
        "zh": condition.zh,
        "next": condition.next,
        "facts": {name: _plain(value) for name, value in condition.facts.items()},
    }
    conn.execute(
        sa.insert(alarm_notice).values(
            alarm_no=number,
            notice_no=notice,
            change=change,
            body=canonical_bytes(body),
            webhook="waiting" if settings().alarm_webhook else "none",
            made_at=now,
            next_at=now,
        )
    )
    return Notice(number, notice, condition.object, condition.kind, change, condition.en, condition.zh)


def _said(conn: sa.Connection, found: list[Notice | None]) -> list[Notice]:
    """Logs the notices and hands them to the outbox, last thing before the commit."""
    notices = [one for one in found if one is not None]
    if notices:
        ensure_topic(conn, TOPIC, None)
    for one in notices:
        tell = log.get("alarms").info if one.change == "cleared" else log.get("alarms").warning
        tell(f"alarm {one.change}: {one.en}", alarm=one.alarm, object=one.object, kind=one.kind)
        mine = alarm_notice.c.alarm_no == one.alarm, alarm_notice.c.notice_no == one.number
        row = conn.execute(sa.select(alarm_notice.c.body, alarm_notice.c.made_at).where(*mine)).one()
        append_event(
            conn,
            topic_name=TopicName(TOPIC.name),
            key=one.object,
            headers=event_headers(one, row.made_at),
            data=_read(row.body),
        )
    return notices


def notice_id(alarm: int, number: int, at: datetime) -> str:
    """The id of a notice's event. With its instant: a restored database gives its numbers again."""
    return f"alarm:{alarm}:{number}:{at.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def event_headers(one: Notice, at: datetime) -> dict[str, str]:
    """The CloudEvents attributes of a notice."""
    return {
        "ce_type": f"{EVENT_TYPE}.{one.change}",
        "ce_id": notice_id(one.alarm, one.number, at),
        "ce_source": SOURCE,
        "ce_subject": one.object,
        "ce_time": at.isoformat(),
    }


def _read(body: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(body)
    return data


def _plain(value: Any) -> Any:
    # Canonical JSON has no fractions: they are written as people read them.
    return str(value) if isinstance(value, float) else value
