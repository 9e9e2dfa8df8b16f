"""What can go wrong with a report."""

from __future__ import annotations

from hub.errors import HubError


class ReportNotWritten(HubError):
    """The page could not be written where it was to stand."""

    code = "HUB-REP-001"
    en = "the report could not be written to {path}: {reason}"
    zh = "报告无法写入 {path}：{reason}"
    remedy_en = "name a file in a folder that exists and that you may write to"
    remedy_zh = "请指定已存在且可写的文件夹中的文件"
