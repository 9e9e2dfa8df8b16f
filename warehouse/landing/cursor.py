"""A cursor as a person sees it and sets it back: after a slip at the source, or to have everything read once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connectors.cursors import Watermark, greatest
from contracts.model import FeedContract
from hub.said import Said
from warehouse import acts, way
from warehouse.errors import CursorRefused, SourceUnknown
from warehouse.landing.known import cursor_of
from warehouse.tables import cursor


def cursors_of(conn: sa.Connection, contract: FeedContract, source: str | None = None) -> list[dict[str, Any]]:
    """Where the next pull of each source starts, or of one. Raises SourceUnknown."""
    chosen = contract.sources if source is None else [one for one in contract.sources if one.id == source]
    if not chosen:
        raise _unknown(contract, source or "")
    saved = sa.select(cursor.c.source, cursor.c.batch_id, cursor.c.moved_at).where(cursor.c.feed == contract.id)
    rows = {row.source: row for row in conn.execute(saved)}
    return [
        {
            "source": one.id,
            "value": cursor_of(conn, contract.id, one.id),
            "batch": (rows[one.id].batch_id or None) if one.id in rows else None,
            "moved_at": rows[one.id].moved_at if one.id in rows else None,
        }
        for one in chosen
    ]


def set_cursor(
    contract: FeedContract, source: str | None, to: Any, *, operator: str, reason: str
) -> Mapping[str, Any] | None:
    """Sets a source's cursor to a value, or with None forgets it; on record, under the feed's lock. Returns the new one.

    What others left unfinished is finished first: nothing old moves the cursor afterwards. Rows that are read again are
    told apart by their hashes, so reading from further back only costs time.
    Raises OperatorMissing, SourceUnknown, CursorRefused.
    """
    by = acts.named("feed cursor", operator, reason)
    chosen = [one for one in contract.sources if source in (None, one.id)]
    if len(chosen) != 1:
        raise _unknown(contract, source or Said("for a cursor", "可设置游标"))
    (one,) = chosen
    value = None if to is None else {"value": _checked(contract, one.id, to)}
    with way.opened(contract) as feed, feed.conn.begin():
        before = cursor_of(feed.conn, contract.id, one.id)
        if value is None:
            feed.conn.execute(sa.delete(cursor).where(cursor.c.feed == contract.id, cursor.c.source == one.id))
        else:
            values = {"value": value, "batch_id": "", "moved_at": sa.func.now()}
            feed.conn.execute(
                insert(cursor)
                .values(feed=contract.id, source=one.id, **values)
                .on_conflict_do_update(index_elements=["feed", "source"], set_=values)
            )
        facts = {"source": one.id, "before": brief(before), "after": value}
        acts.note(feed.conn, "cursor", contract.id, by, facts)
    return value


def brief(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A cursor in short: of a folder's files their number."""
    if value is None:
        return None
    return {name: len(item) if isinstance(item, Mapping) else item for name, item in value.items()}


def _checked(contract: FeedContract, source: str, to: Any) -> str:
    """The value as text. Raises CursorRefused."""
    if contract.cursor is None:
        raise CursorRefused(
            feed=contract.id, source=source, reason=Said("the feed has no cursor field", "该数据源没有游标字段")
        )
    given = to.get("value") if isinstance(to, dict) and set(to) == {"value"} else to
    if isinstance(given, bool) or not isinstance(given, str | int) or not 0 < len(str(given)) <= 200:
        raise CursorRefused(
            feed=contract.id,
            source=source,
            reason=Said("the value is no short text or whole number", "取值不是短文本或整数"),
        )
    field, text = contract.field(contract.cursor), str(given)
    if greatest(field, [text]) is None:
        reason = Said(
            f"the value can't be ordered as {field.type}, which {field.name} is",
            f"取值无法按 {field.name} 的类型 {field.type} 排序",
        )
        raise CursorRefused(feed=contract.id, source=source, reason=reason)
    if Watermark(source, field).ahead(text):
        raise CursorRefused(feed=contract.id, source=source, reason=Said("the value lies in the future", "取值在未来"))
    return text


def _unknown(contract: FeedContract, source: str) -> SourceUnknown:
    return SourceUnknown(feed=contract.id, source=source, sources=", ".join(one.id for one in contract.sources))
