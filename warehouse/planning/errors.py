"""Errors of planning and applying a change (HUB-PLN-nnn).

AgencyError
├── DeliveryWouldBeRefused  by the gate of the contract that is tried
└── ApplyRefused            a change that breaks somebody may not come into use
"""

from __future__ import annotations

from hub.errors import AgencyError


class DeliveryWouldBeRefused(AgencyError):
    """The gate of the contract would refuse the delivery as a whole."""

    code = "HUB-PLN-001"
    en = "the gate would refuse the delivery: {rule}"
    zh = "闸口将拒收整份报送：{rule}"
    remedy_en = "look at the gate rule {rule} of the contract"
    remedy_zh = "请检查契约的闸口规则 {rule}"


class ApplyRefused(AgencyError):
    """A breaking change without a new major version and without an exception."""

    code = "HUB-PLN-002"
    en = "{feed} {old} → {new} is not taken into use: {changes}"
    zh = "{feed} {old} → {new} 不予启用：{changes}"
    remedy_en = (
        "take the change back, or make it a new major version with a topic of its own where the table stays as it is, "
        "else a feed of its own beside this one; a dated exception lets it through; nothing was changed"
    )
    remedy_zh = "请撤回变更；数据表不变时可升主版本并另立主题，否则请并行另立数据源；登记限期例外亦可放行；未作任何修改"
