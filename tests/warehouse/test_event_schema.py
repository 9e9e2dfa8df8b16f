"""Events are what their schema says, and a later version of a contract keeps the promise to readers or is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from contracts.catalogue import load
from contracts.checks.schema import arrow_type
from contracts.model import FeedContract, FieldSpec
from hub.ids import new_batch_id
from hub.settings import ROOT
from tests.making import made
from warehouse.arrow.fields import Fields
from warehouse.changeset import CHANGES, event_type
from warehouse.event_schema import breaks, schema, schemas
from warehouse.loading.event_data import EventEncoder

CONTRACTS = list(load(ROOT / "contracts").feeds.values())

EVERY_TYPE = (
    FieldSpec("number", "编号", "Number", "string", required=True, key_position=1),
    FieldSpec("unit_uscc", "单位", "Unit", "string", required=True),
    FieldSpec("amount_cny", "金额", "Amount", "decimal", precision=18, scale=2, required=True),
    FieldSpec("rate", "比率", "Rate", "decimal", precision=9, scale=8),
    FieldSpec("whole", "整数", "Whole", "decimal", precision=12, scale=0),
    FieldSpec("count", "件数", "Count", "integer"),
    FieldSpec("paid_on", "日期", "Day", "date"),
    FieldSpec("paid_at", "时间", "Instant", "timestamp"),
    FieldSpec("is_late", "逾期", "Late", "boolean"),
    FieldSpec("remark", "备注", "Remark", "string", classification="personal", published=False),
)


def contract(*more: FieldSpec, **given: Any) -> FeedContract:
    return made("trial_vouchers", (*EVERY_TYPE, *more), subject="unit_uscc", **given)


def value(spec: FieldSpec, row: int) -> Any:
    if not spec.required and row % 3 == 1:
        return None
    odd = row % 2
    return {
        "string": f'值 "{row}" \\ \n€{row}',
        "decimal": Decimal((odd, tuple(int(c) for c in "9" * min(spec.precision, 1 + row)), -spec.scale)),
        "integer": -row if odd else 2**62 + row,
        "date": date(1999 + row, 12, 31),
        "timestamp": datetime(2026, 3, 1, 8, 0, 0, 0 if odd else 123_456, UTC),
        "boolean": bool(odd),
    }[spec.type]


def events(given: FeedContract, change: str, rows: int = 24) -> list[dict[str, Any]]:
    """Events as the loader encodes them."""
    columns = {
        spec.name: pa.array([value(spec, row) for row in range(rows)], arrow_type(spec)) for spec in given.fields
    }
    facts = pa.table(
        {
            "record_key": [f"甲|{row}" for row in range(rows)],
            "revision": pa.array(range(1, rows + 1), pa.int32()),
            "change": [change] * rows,
            "row": pa.array([None if row % 5 == 4 else row for row in range(rows)], pa.int64()),
            "hash": [f"{row:064x}" for row in range(rows)],
            ("moved_to" if change == "withdrawn" else "moved_from"): pa.array(
                [None if row % 4 else f"乙{row}" for row in range(rows)], pa.string()
            ),
        }
    )
    record = None if change == "withdrawn" else Fields.of(pa.table(columns), given.fields)
    data = EventEncoder(given, new_batch_id()).encode(facts, record)
    return [json.loads(text) for piece in data.slices(7) for text in piece.cast(pa.large_binary()).to_pylist()]


def wrong(found: dict[str, Any], by: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message}" for error in jsonschema.Draft7Validator(by).iter_errors(found)]


@pytest.mark.parametrize("given", [*CONTRACTS, contract(), contract(publish="reference")], ids=lambda one: one.id)
@pytest.mark.parametrize("change", CHANGES)
def test_events_are_what_their_schema_says(given: FeedContract, change: str) -> None:
    said = schema(given, change)
    jsonschema.Draft7Validator.check_schema(said)
    for event in events(given, change):
        assert wrong(event, said) == []
        # Nothing comes that the schema keeps silent about.
        assert set(event) <= set(said["properties"])
        assert set(event.get("record", ())) <= set(said["properties"].get("record", {}).get("properties", ()))
    assert wrong({**events(given, change, 1)[0], "revision": "1"}, said)
    assert wrong({**events(given, change, 1)[0], "change": "moved"}, said)


def test_a_schema_holds_a_record_to_its_types_and_hides_what_is_not_published() -> None:
    said = schema(contract(), "recorded")
    (event,) = events(contract(), "recorded", 1)
    assert "remark" not in said["properties"]["record"]["properties"]
    for name, bad in (
        ("amount_cny", "1.5"), ("amount_cny", 1.5), ("amount_cny", None), ("count", "1"), ("number", None),
        ("is_late", "true"), ("rate", "1e-8"), ("whole", "1.0"),
    ):  # fmt: skip
        assert wrong({**event, "record": {**event["record"], name: bad}}, said), (name, bad)
    assert "record" not in schema(contract(publish="reference"), "recorded")["properties"]
    assert "ask" in schema(contract(publish="reference"), "withdrawn")["required"]


NEW = FieldSpec("category", "类别", "Category", "string", code_list="cofog")
COMPATIBLE = [
    contract(NEW),
    contract(replace(NEW, type="decimal", precision=5, scale=1)),
    contract(name_en="Renamed", purpose_en="Other words", version="1.2.0"),
    replace(contract(), fields=tuple(replace(spec, label_zh="新名", forms=("x",)) for spec in EVERY_TYPE)),
    replace(contract(), fields=tuple(reversed(EVERY_TYPE))),
    # A rule tightened or a code list added: values keep their type.
    replace(contract(), fields=tuple(replace(spec, code_list="cofog") for spec in EVERY_TYPE)),
    contract(replace(NEW, required=True, published=False)),
]


@pytest.mark.parametrize("later", COMPATIBLE, ids=range(len(COMPATIBLE)))
@pytest.mark.parametrize("change", CHANGES)
def test_a_compatible_change_keeps_old_events_valid_and_old_readers_working(later: FeedContract, change: str) -> None:
    assert breaks(contract(), later) == []
    kind = f"{event_type(later.topic.name)}.{change}"
    for event in events(contract(), change):
        assert wrong(event, schemas(later)[kind]) == []
    for event in events(later, change):
        assert wrong(event, schemas(contract())[kind]) == []


def with_field(name: str, **change: Any) -> FeedContract:
    return replace(
        contract(), fields=tuple(replace(spec, **change) if spec.name == name else spec for spec in EVERY_TYPE)
    )


BREAKING = {
    "record.count": replace(contract(), fields=tuple(spec for spec in EVERY_TYPE if spec.name != "count")),
    "record.paid_on": with_field("paid_on", published=False),
    "record.paid_at": with_field("paid_at", required=True),
    "record.number": with_field("number", required=False),
    "record.amount_cny": with_field("amount_cny", scale=4),
    "record.is_late": with_field("is_late", type="string"),
    "record.category": contract(replace(NEW, required=True)),
    "record": contract(publish="reference"),
    "x-hub-kafka-key": replace(contract(), subject="number"),
    "x-hub-key": replace(contract(), key=("number", "unit_uscc")),
}


@pytest.mark.parametrize("what", BREAKING)
def test_a_breaking_change_is_named(what: str) -> None:
    found = breaks(contract(), BREAKING[what])
    # A reference says besides where to ask, which events before it don't.
    assert [one.what for one in found if one.what != "ask"] == [what]
    assert found[0].en
    assert found[0].zh


def test_another_topic_is_another_promise() -> None:
    later = contract(publish="reference", topic=replace(contract().topic, name="hub.testing.trial_vouchers.v2"))
    assert breaks(contract(), later) == []
