"""Errors of making a contract from a sample (HUB-CON-4xx).

AgencyError
├── SampleUnusable    nothing can be made of the sample
└── SampleUnreadable  it can't be read in any form that is known
HubError
├── FeedNameTaken     there is such a feed
└── FeedNameWrong     a feed can't be called so
"""

from __future__ import annotations

from hub.errors import AgencyError, HubError


class SampleUnusable(AgencyError):
    """The sample was read, and no contract can be made of it."""

    code = "HUB-CON-401"
    en = "no contract can be made of the sample: {reason}"
    zh = "无法由样本生成契约：{reason}"
    remedy_en = "give a sample of the feed as it will come: a header, some hundred rows, one kind of record"
    remedy_zh = "请给出与实际报送一致的样本：含表头、数百行、同一类记录"


class SampleUnreadable(AgencyError):
    """The sample is in no form that a connector reads."""

    code = "HUB-CON-402"
    en = "the sample {file} can't be read: {reason}"
    zh = "无法读取样本 {file}：{reason}"
    remedy_en = "give a CSV, TSV, XLSX, JSON or Parquet file; --encoding, --delimiter, --header-row and --sheet say what can't be told from it"
    remedy_zh = "请给出 CSV、TSV、XLSX、JSON 或 Parquet 文件；无法自动判断的可用 --encoding、--delimiter、--header-row、--sheet 指明"


class FeedNameTaken(HubError):
    """A contract of that id is on disk."""

    code = "HUB-CON-403"
    en = "there is a feed {feed} already: {path}"
    zh = "已有数据源 {feed}：{path}"
    remedy_en = "choose another id, or edit that contract; `hub contract plan {feed}` shows what a change does"
    remedy_zh = "请另取标识，或编辑该契约；`hub contract plan {feed}` 显示变更的影响"


class FeedNameWrong(HubError):
    """An id or domain that no feed can have."""

    code = "HUB-CON-404"
    en = "a feed can't be called {feed} in the domain {domain}: {reason}"
    zh = "领域 {domain} 中的数据源不能命名为 {feed}：{reason}"
    remedy_en = "the id is <domain>_<plural noun> in snake_case, at most 60 characters, such as {domain}_reports"
    remedy_zh = "标识为 <领域>_<复数名词>，小写下划线命名，最多 60 字符，例如 {domain}_reports"
