"""What a run asks the warehouse for: what is new, or an interval. Only an interval given leaves the cursor alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dags.errors import RunRequestInvalid
from hub.said import Said


@dataclass(frozen=True, slots=True)
class Asked:
    """One run's request. Without an interval: what is new since the cursor."""

    source: str | None = None
    start: datetime | None = None  # inclusive
    end: datetime | None = None  # exclusive

    @property
    def backfill(self) -> bool:
        """Whether a past interval is read again."""
        return self.start is not None


def asked(run_type: str, interval: tuple[datetime | None, datetime | None], params: Mapping[str, Any]) -> Asked:
    """The request of a run. Raises RunRequestInvalid.

    A backfill run reads its data interval. Any other run (scheduled, by hand, woken) reads what is new, whatever its
    data interval says: a feed that was late comes with the next run, and nothing is read twice. A person who fills in
    `interval_start` and `interval_end` makes the run a backfill of exactly that.
    """
    source = _text(params, "source")
    if run_type == "backfill":
        start, end = interval
        if start is None or end is None:
            raise RunRequestInvalid(
                parameter="data interval", reason=Said("the backfill run has none", "补数运行没有该参数")
            )
        return Asked(source, start, end)
    start, end = _instant(params, "interval_start"), _instant(params, "interval_end")
    if (start is None) != (end is None):
        missing = "interval_start" if start is None else "interval_end"
        raise RunRequestInvalid(
            parameter=missing, reason=Said("an interval has a start and an end", "区间须有起点和终点")
        )
    if start is not None and end is not None and start >= end:
        raise RunRequestInvalid(
            parameter="interval_end", reason=Said("it is not after interval_start", "不晚于 interval_start")
        )
    return Asked(source, start, end)


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 200:
        raise RunRequestInvalid(parameter=name, reason=Said("it is no short text", "不是短文本"))
    return value


def _instant(params: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(params, name)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise RunRequestInvalid(
            parameter=name, reason=Said("it is no RFC 3339 instant", "不是 RFC 3339 时刻")
        ) from None
    if instant.tzinfo is None:
        raise RunRequestInvalid(
            parameter=name, reason=Said("it has no time zone, e.g. +08:00", "没有时区，例如 +08:00")
        )
    return instant.astimezone(UTC)
