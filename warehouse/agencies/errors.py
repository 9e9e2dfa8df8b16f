"""What can be wrong with agencies, their keys and rights (HUB-REG)."""

from __future__ import annotations

from hub.errors import AgencyError, HubError, UsageError


class AgencyWrong(UsageError):
    """What is said of an agency does not fit."""

    code = "HUB-REG-001"
    en = "the agency {agency} can't be put on record: {reason}"
    zh = "机构 {agency} 无法登记：{reason}"
    remedy_en = "correct it; `hub agency add --help` says what each part is"
    remedy_zh = "请更正；各部分含义见 `hub agency add --help`"


class AgencyThere(UsageError):
    """An agency of this id, or of this unified social credit code, is on record already."""

    code = "HUB-REG-002"
    en = "the agency {agency} can't be added: {what} is taken by {other}"
    zh = "无法新增机构 {agency}：{what}已属于 {other}"
    remedy_en = "`hub agency show {other}` shows it; keys and rights are added to what is there"
    remedy_zh = "`hub agency show {other}` 显示该机构；密钥与权限请加到已有机构上"


class KeyThere(UsageError):
    """A key is on record already."""

    code = "HUB-REG-003"
    en = "the key {kid} is on record already, as one of {agency}"
    zh = "密钥 {kid} 已登记，属于 {agency}"
    remedy_en = "each agency makes keys of its own (`hub agency keygen NAME`); a revoked key does not come back"
    remedy_zh = "各机构须自行生成密钥（`hub agency keygen NAME`）；已吊销的密钥不再启用"


class KeyUnknown(UsageError):
    """No key of that id is on record, or it can't be revoked any more."""

    code = "HUB-REG-004"
    en = "the key {kid} can't be revoked: {reason}"
    zh = "密钥 {kid} 无法吊销：{reason}"
    remedy_en = "`hub agency show AGENCY` lists its keys"
    remedy_zh = "`hub agency show AGENCY` 列出其密钥"


class SenderThere(UsageError):
    """Another agency pushes the feed already."""

    code = "HUB-REG-005"
    en = "{agency} can't be allowed to push {feed}: {other} pushes it, and a record's key says nothing of its sender"
    zh = "不能允许 {agency} 推送 {feed}：该数据源由 {other} 推送，而记录主键不含报送方"
    remedy_en = "give each sender a feed of its own, or first take the right away: `hub agency deny {other} --push {feed} --operator NAME --reason TEXT`"
    remedy_zh = (
        "请为各报送方分设数据源，或先收回权限：`hub agency deny {other} --push {feed} --operator NAME --reason TEXT`"
    )


class FeedNotPushed(UsageError):
    """A feed has no source that is pushed."""

    code = "HUB-REG-006"
    en = "the feed {feed} can't be pushed: none of its sources has hub.connector: push"
    zh = "数据源 {feed} 不可推送：没有 hub.connector 为 push 的来源"
    remedy_en = "add such an entry to `servers` of its contract, or allow --read only"
    remedy_zh = "请在其契约的 `servers` 中增加这样的来源，或只授予 --read"


class NothingAsked(UsageError):
    """No feed was named."""

    code = "HUB-REG-007"
    en = "no feed was named: --push and --read are both missing"
    zh = "未指明数据源：--push 与 --read 均未给出"
    remedy_en = "name at least one feed; `hub contract list` shows them"
    remedy_zh = "请至少指明一个数据源；`hub contract list` 列出全部"


class Suspended(AgencyError):
    """An agency is suspended."""

    status = 403
    code = "HUB-REG-008"
    en = "the agency {agency} is suspended"
    zh = "机构 {agency} 已暂停"
    remedy_en = "ask the hub's operators"
    remedy_zh = "请联系枢纽运维人员"


class RegistryBroken(HubError):
    """A key on record can't be read."""

    code = "HUB-REG-009"
    en = "the key {kid} on record can't be read"
    zh = "已登记的密钥 {kid} 无法读取"
    remedy_en = "revoke it and add the agency's key anew: `hub agency key add AGENCY --file KEY.pub.pem --operator NAME --reason TEXT`"
    remedy_zh = (
        "请吊销并重新登记该机构的密钥：`hub agency key add AGENCY --file KEY.pub.pem --operator NAME --reason TEXT`"
    )
