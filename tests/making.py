"""A contract of no real feed, the one maker behind those of every test folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.model import FeedContract, FieldSpec, Sla, SourceSpec, TopicSpec
from hub.ids import FeedId, PlaceId


def spec(name: str, kind: Any = "string", **more: Any) -> FieldSpec:
    """A field with labels made of its name, unless `more` has others."""
    labels = more.pop("label_zh", f"字段{name}"), more.pop("label_en", name)
    return FieldSpec(name, *labels, kind, **more)


def made(feed: str, fields: Sequence[FieldSpec], **more: Any) -> FeedContract:
    """A contract whose key and subject are its first field unless `more` says otherwise; it has no rules but those given."""
    domain = str(more.get("domain", "testing"))
    given: dict[str, Any] = {
        "version": "1.0.0",
        "status": "active",
        "domain": domain,
        "name_zh": "试验数据",
        "name_en": "Trial records",
        "purpose_zh": "供测试使用",
        "purpose_en": "For tests.",
        "sha256": "0" * 64,
        "path": f"feeds/{domain}/{feed}.odcs.yaml",
        "owner": "trial_agency",
        "row_rules": (),
        "batch_rules": (),
        "gate_rules": (),
        "sources": (SourceSpec("main", "file_drop", PlaceId("here")),),
        "topic": TopicSpec(f"hub.{domain}.{feed}.v1"),
        "sla": Sla(),
        "key": (fields[0].name,),
        "subject": fields[0].name,
        **more,
    }
    return FeedContract(id=FeedId(feed), fields=tuple(fields), **given)
