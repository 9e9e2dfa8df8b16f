"""A small feed of the tests' own, and the files its agency drops."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from contracts.model import (
    BatchRule,
    FeedContract,
    GateRule,
    RowRule,
    SourceSpec,
    TopicSpec,
)
from hub.ids import PlaceId, RuleId
from tests.making import made, spec

BY = {"operator": "Op One", "reason": "checked with the sender"}
"""Who decides in the tests, and why."""

HEADERS = ("number", "payee", "amount", "paid_on", "version", "status", "note")
Row = Sequence[Any]


def source(name: str = "drop", **more: Any) -> SourceSpec:
    return SourceSpec(
        id=name,
        connector="file_drop",
        place=PlaceId(name),
        options={"glob": "*.csv", "stable_seconds": 0},
        **more,
    )


FIELDS = (
    spec("number", required=True, key_position=1),
    spec("payee", required=True),
    spec("amount", "decimal", precision=18, scale=2, required=True, normalise=("trim",)),
    spec("paid_on", "date"),
    spec("version", "integer"),
    spec("status"),
    spec("note", normalise=("trim",)),
)


def contract(feed: str = "sample_vouchers", **more: Any) -> FeedContract:
    given: dict[str, Any] = {
        "domain": "sample",
        "owner": "sample_agency",
        "row_rules": (
            RowRule(RuleId("number.required"), "required", ("number",)),
            RowRule(RuleId("payee.required"), "required", ("payee",)),
            RowRule(RuleId("amount.required"), "required", ("amount",)),
            RowRule(RuleId("amount.range"), "range", ("amount",), {"min": "0"}),
        ),
        "gate_rules": (
            GateRule(RuleId("mark"), "secrecy", "refuse_row"),
            GateRule(RuleId("people"), "personal_data", "mask", ("note",), {"detect": ["citizen_number"]}),
        ),
        "sources": (source(),),
        "topic": TopicSpec(f"hub.sample.{feed}.v1"),
        "subject": "payee",
        "source_version": "version",
        "withdrawn_when": {"status": "void"},
        **more,
    }
    fields = given.pop("fields", FIELDS)
    return made(feed, fields, **given)


REFUSING = (GateRule(RuleId("mark"), "secrecy", "refuse_delivery"),)
HELD = BatchRule(RuleId("batch.rows"), "row_count", {"min": "5"}, gate=True)


def row(at: int, **more: Any) -> list[str]:
    values = {
        "number": f"V{at:06d}",
        "payee": f"P{at % 7}",
        "amount": f"{at}.50",
        "paid_on": "2026-01-31",
        "version": "1",
        "status": "",
        "note": f"note {at}",
        **more,
    }
    return [str(values[name]) for name in HEADERS]


def rows(count: int, first: int = 1, **more: Any) -> list[list[str]]:
    return [row(number, **more) for number in range(first, first + count)]


def drop(folder: Path, name: str, lines: Iterable[Row], headers: Sequence[str] = HEADERS) -> Path:
    """Drops a CSV file as a careful sender does: under a temporary name, then renamed."""
    path = folder / name
    beside = folder / f".{name}.tmp"
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headers)
        writer.writerows(lines)
    beside.rename(path)
    return path
