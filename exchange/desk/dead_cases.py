"""Dead letters as an operator's cases: what each is about, why it came to be, what helps; sent again or closed, on record.

open → replayed (sent again, by a named person) or closed (nothing is to be sent: a later revision says it all). A
replayed event that is refused again is open again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from exchange.envelope import ChangeSetEnvelopes, texts
from exchange.errors import DeadLetterGone, DeadLetterSettled, DeadLetterUnknown
from hub.ids import TopicName
from hub.log import get
from hub.said import Said
from warehouse import acts
from warehouse.changeset import ChangeSet
from warehouse.engine import connection, driver, transaction
from warehouse.errors import StoreCorrupt, StoreMissing
from warehouse.feeds.tables import CORE, column_type
from warehouse.outbox import append_event
from warehouse.store import store
from warehouse.tables import act, batch, dead_letter, outbox, topic

log = get("exchange.dead")

_SIZE = (
    "the brokers take no record as large as this one",
    "记录大小超过代理允许的上限",
    "raise the topic's max.message.bytes (hub.topic_config) above the event's size, then replay it; or have the record"
    " delivered again, smaller",
    "请在契约的 hub.topic_config 中把 max.message.bytes 调到大于该事件，然后重放；或请报送方缩减后重新报送",
)
_FORM = (
    "the brokers take the record's form for wrong (on a compacted topic: it has no key)",
    "代理认为记录形式有误（压缩主题上：没有键）",
    "correct the contract (subject, topic settings) or the record at its source, then replay it or have it delivered again",
    "请更正契约（主体字段、主题设置）或在源头更正记录，然后重放或重新报送",
)
_TIME = (
    "the brokers take the record's time for too far off",
    "代理认为记录时间偏差过大",
    "set the clocks of relay and brokers right, then replay it",
    "请校准转发与代理的时钟，然后重放",
)
_OTHER = (
    "the brokers refuse the record",
    "代理拒绝该记录",
    "the broker's log says more; mend the cause, then replay it",
    "请查看代理日志，排除原因后重放",
)
_WHY = {
    **dict.fromkeys(
        (
            "MSG_SIZE_TOO_LARGE",
            "RECORD_LIST_TOO_LARGE",
            "INVALID_MSG_SIZE",
            "MessageSizeTooLargeError",
            "RecordListTooLargeError",
        ),
        _SIZE,
    ),
    **dict.fromkeys(("INVALID_RECORD", "INVALID_MSG", "InvalidRecordError", "CorruptRecordError"), _FORM),
    **dict.fromkeys(("INVALID_TIMESTAMP", "InvalidTimestampError"), _TIME),
}
"""Each client's word for why a record was refused: sentence en, zh, remedy en, zh."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `overtaken`: the record's revision now, where it is a later one; None where it is not known."""

    event_id: str
    topic: str
    feed: str | None
    record_key: str | None
    revision: int | None
    overtaken: int | None
    state: str  # suspected (not confirmed yet) open replayed closed
    code: str
    en: str
    zh: str
    remedy_en: str
    remedy_zh: str
    batch: str | None
    delivery: str | None
    lane: str
    seq: int
    record: int
    noted_at: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """The event that could not be sent, as it is to be sent."""

    key: str | None
    headers: dict[str, str]
    data: bytes


def letters(topic_name: str | None = None, *, settled: bool = False) -> list[Letter]:
    """The dead letters that wait for somebody, oldest first; with `settled` the others too."""
    query = _letters().order_by(dead_letter.c.noted_at, dead_letter.c.event_id)
    if topic_name is not None:
        query = query.where(dead_letter.c.topic == topic_name)
    if not settled:
        query = query.where(dead_letter.c.state == "open")
    with connection() as conn:
        return [_letter(conn, row) for row in conn.execute(query).all()]


def one(event_id: str) -> tuple[Letter, list[dict[str, Any]]]:
    """A dead letter and what named persons did with it. Raises DeadLetterUnknown."""
    with connection() as conn:
        row = conn.execute(_letters().where(dead_letter.c.event_id == event_id)).one_or_none()
        if row is None:
            raise DeadLetterUnknown(event=event_id)
        query = sa.select(act).where(act.c.object == event_id).order_by(act.c.act_no)
        done = [
            {"action": did.action, "operator": did.operator, "reason": did.reason, "at": did.acted_at.isoformat()}
            for did in conn.execute(query)
        ]
        return _letter(conn, row), done


def event(event_id: str) -> DeadEvent:
    """The event itself. Raises DeadLetterUnknown, DeadLetterGone."""
    with connection() as conn:
        row = conn.execute(sa.select(dead_letter).where(dead_letter.c.event_id == event_id)).one_or_none()
        if row is None:
            raise DeadLetterUnknown(event=event_id)
        return _event(conn, row)


def replay(event_ids: Iterable[str], *, operator: str, reason: str) -> list[str]:
    """Hands the events to the outbox again, each under its own id; returns them. Sent after what waits on their topics.

    Each in a transaction of its own: what was handed over before an error stays so.
    Raises OperatorMissing, DeadLetterUnknown, DeadLetterSettled, DeadLetterGone.
    """
    by, done = acts.named("replay", operator, reason), []
    for event_id in event_ids:
        with transaction() as conn:
            row = _open(conn, event_id)
            found = _event(conn, row)
            _settle(conn, event_id, "replayed", by, {"topic": row.topic, "code": row.code})
            # Last: it takes the lane's lock.
            append_event(
                conn,
                topic_name=TopicName(row.topic),
                key=found.key,
                headers=found.headers,
                data=json.loads(found.data),
            )
        log.info("dead letter replayed", event_id=event_id, topic=row.topic)
        done.append(event_id)
    return done


def close(event_id: str, *, operator: str, reason: str) -> None:
    """Settles a dead letter without sending anything. Raises OperatorMissing, DeadLetterUnknown, DeadLetterSettled."""
    by = acts.named("close", operator, reason)
    with transaction() as conn:
        row = _open(conn, event_id)
        _settle(conn, event_id, "closed", by, {"topic": row.topic, "code": row.code})


def _letters() -> Any:
    return (
        sa.select(dead_letter, topic.c.feed, outbox.c.batch_id, batch.c.delivery)
        .join(topic, topic.c.topic == dead_letter.c.topic, isouter=True)
        .join(outbox, sa.and_(outbox.c.lane == dead_letter.c.lane, outbox.c.seq == dead_letter.c.seq), isouter=True)
        .join(batch, batch.c.batch_id == outbox.c.batch_id, isouter=True)
    )


def _letter(conn: sa.Connection, row: Any) -> Letter:
    en, zh, remedy_en, remedy_zh = _WHY.get(row.code, _OTHER)
    last = row.event_id.rpartition(":")[2]
    revision = int(last) if row.feed and last.isdigit() else None
    now = _revision(conn, row.feed, row.record_key) if revision is not None else None
    return Letter(
        event_id=row.event_id,
        topic=row.topic,
        feed=row.feed,
        record_key=row.record_key,
        revision=revision,
        overtaken=now if now is not None and revision is not None and now > revision else None,
        state=row.state,
        code=row.code,
        en=en,
        zh=zh,
        remedy_en=remedy_en,
        remedy_zh=remedy_zh,
        batch=row.batch_id,
        delivery=row.delivery,
        lane=row.lane,
        seq=row.seq,
        record=row.record,
        noted_at=row.noted_at.isoformat(),
    )


def _revision(conn: sa.Connection, feed: str, key: str | None) -> int | None:
    """The record's revision as the feed's table has it."""
    if key is None or column_type(conn, feed, "hub_revision") is None:
        return None
    query = sql.SQL("select hub_revision from {} where hub_key = {}").format(
        sql.Identifier(CORE, feed), sql.Literal(key)
    )
    with driver(conn).cursor() as cursor:
        found = cursor.execute(query).fetchone()
    return None if found is None else int(found[0])


def _open(conn: sa.Connection, event_id: str) -> Any:
    query = sa.select(dead_letter).where(dead_letter.c.event_id == event_id).with_for_update()
    row = conn.execute(query).one_or_none()
    if row is None:
        raise DeadLetterUnknown(event=event_id)
    if row.state != "open":
        raise DeadLetterSettled(event=event_id, state=row.state)
    return row


def _settle(conn: sa.Connection, event_id: str, state: str, by: tuple[str, str], facts: dict[str, Any]) -> None:
    conn.execute(sa.update(dead_letter).where(dead_letter.c.event_id == event_id).values(state=state))
    acts.note(conn, "replay" if state == "replayed" else "close", event_id, by, facts)


def _event(conn: sa.Connection, row: Any) -> DeadEvent:
    """The event of a dead letter's row: from its change set, or of a single event from its entry."""
    mine = sa.select(outbox).where(outbox.c.lane == row.lane, outbox.c.seq == row.seq)
    entry = conn.execute(mine).one_or_none()
    if entry is None:
        raise DeadLetterGone(event=row.event_id, reason=Said("its outbox entry is gone", "发件箱中已无此项"))
    if entry.kind == "event":
        held = entry.event
        if held["data"] is None:
            why = Said("its data is past its retention", "其数据已过保留期")
            raise DeadLetterGone(event=row.event_id, reason=why)
        data = json.dumps(held["data"], ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        return DeadEvent(held["key"], dict(held["headers"]), data)
    try:
        store().verify(entry.path, entry.sha256)
        with ChangeSet(store(), entry.path) as changes:
            some = next(iter(changes.batches(row.record))).slice(0, 1)
            headers = {name: value.decode() for name, value in ChangeSetEnvelopes(changes.facts).headers(some)[0]}
            key, data = texts(some.column("key"))[0], texts(some.column("data"))[0]
    except StoreMissing:
        raise DeadLetterGone(
            event=row.event_id, reason=Said("its change set is past its retention", "其变更集已过保留期")
        ) from None
    except (StoreCorrupt, StopIteration, IndexError):
        raise DeadLetterGone(event=row.event_id, reason=Said("its change set is damaged", "其变更集已损坏")) from None
    if headers.get("ce_id") != row.event_id:
        raise DeadLetterGone(
            event=row.event_id, reason=Said("its change set holds another event there", "其变更集该处为另一事件")
        )
    return DeadEvent(None if key is None else key.decode(), headers, data)
