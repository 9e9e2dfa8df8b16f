"""A batch's metrics as JSON, so that the next batch can be compared with it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from contracts.page import BatchMetrics

_ENDS = ("minima", "maxima")


def facts(metrics: BatchMetrics) -> dict[str, Any]:
    """JSON-able, exact: decimals, dates and times are tagged texts."""
    found = asdict(metrics)
    found["sums"] = {name: str(total) for name, total in metrics.sums.items()}
    for name in _ENDS:
        found[name] = {field: _tagged(value) for field, value in getattr(metrics, name).items()}
    return found


def from_facts(found: dict[str, Any]) -> BatchMetrics:
    """The metrics of `facts`."""
    own = dict(found)
    own["sums"] = {name: Decimal(total) for name, total in own["sums"].items()}
    for name in _ENDS:
        own[name] = {field: _untagged(value) for field, value in own[name].items()}
    return BatchMetrics(**own)


def _tagged(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def _untagged(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((tag, text),) = value.items()
    if tag == "timestamp":
        return datetime.fromisoformat(text)
    return date.fromisoformat(text) if tag == "date" else Decimal(text)
