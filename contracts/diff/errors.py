"""Errors of comparing contracts (HUB-CON-3xx).

AgencyError
├── ChangeBreaks          a breaking change without a new major version or an exception
└── ExceptionInvalid      a file of exceptions that can't be used
HubError
├── BaseUnknown           no such revision to compare with
└── ContractRefUnknown    what a command was given names no contract
"""

from __future__ import annotations

from hub.errors import AgencyError, HubError


class ChangeBreaks(AgencyError):
    """A change that somebody who keeps to the old version can't live with."""

    code = "HUB-CON-301"
    en = "{feed} {old} → {new}: {count} breaking change(s) without a new major version: {changes}"
    zh = "{feed} {old} → {new}：有 {count} 处破坏性变更而未升主版本：{changes}"
    remedy_en = (
        "take the change back, or publish it beside the old one (a feed of its own, or the next major version with a "
        "topic …v<n+1> where the table stays as it is), or let it through by a dated exception in {file}"
    )
    remedy_zh = "请撤回变更；或与旧版并行发布（另立数据源；数据表不变时也可升主版本并使用主题 …v<n+1>）；或在 {file} 中登记限期例外"


class ExceptionInvalid(AgencyError):
    """A file of exceptions can't be used; none of them holds then."""

    code = "HUB-CON-302"
    en = "the exceptions in {file} can't be used: {reason}"
    zh = "例外文件 {file} 无法使用：{reason}"
    remedy_en = "each [[exception]] states change, version, reason, owner (a role) and expires (a date within a year)"
    remedy_zh = "每个 [[exception]] 须写明 change、version、reason、owner（角色）和 expires（一年内的日期）"


class BaseUnknown(HubError):
    """The revision to compare with is not there."""

    code = "HUB-CON-303"
    en = "the contracts of the revision {base} can't be read: {reason}"
    zh = "无法读取版本 {base} 的契约：{reason}"
    remedy_en = "name a revision that git has here with --base; a shallow clone must be deepened first"
    remedy_zh = "请用 --base 指定本地 git 中存在的版本；浅克隆请先补全历史"


class ContractRefUnknown(HubError):
    """Neither a file, nor a feed, nor a version of one."""

    code = "HUB-CON-304"
    en = "{name} names no contract: {reason}"
    zh = "{name} 不是契约：{reason}"
    remedy_en = "give a file, a feed's id (as it stands on disk), ID@VERSION (as the hub used it; `hub contract versions ID`) or REVISION:ID (as git has it)"
    remedy_zh = "请给出文件、数据源标识（磁盘现行）、`ID@VERSION`（枢纽使用过的版本，见 `hub contract versions ID`）或 `REVISION:ID`（git 中的版本）"
