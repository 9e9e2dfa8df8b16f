"""Contracts made for these tests."""

from __future__ import annotations

from contracts.model import BatchRule, FeedContract, FieldSpec, GateRule, RowRule, Sla, SourceSpec, TopicSpec
from hub.ids import PlaceId, RuleId
from tests.making import made


def contract(feed: str, schedule: str | None = "0 2 * * *", sources: int = 1) -> FeedContract:
    """A small contract of no real feed."""
    return made(
        feed,
        (
            FieldSpec(
                name="record_code", label_zh="编号", label_en="Code", type="string", required=True, key_position=1
            ),
            FieldSpec(name="amount_cny", label_zh="金额", label_en="Amount", type="decimal", precision=18, scale=2),
        ),
        row_rules=(
            RowRule(
                id=RuleId("record_code.required"),
                kind="required",
                fields=("record_code",),
                label_zh="编号必填",
                label_en="the code must be there",
            ),
        ),
        batch_rules=(BatchRule(id=RuleId("volume"), kind="volume", gate=True, label_zh="行数", label_en="volume"),),
        gate_rules=(
            GateRule(id=RuleId("secrecy"), kind="secrecy", action="refuse_row", label_zh="密级", label_en="mark"),
        ),
        sources=tuple(
            SourceSpec(id=f"source_{number}", connector="file_drop", place=PlaceId("trial"))
            for number in range(sources)
        ),
        topic=TopicSpec(name=f"hub.testing.{feed}.v1", readers=("reader",)),
        sla=Sla(schedule=schedule, retries=3, retry_delay_seconds=7, retention_days={"landing": 30}),
    )
