"""What can be wrong with a code list in contracts/codes (HUB-CON-103 and 104)."""

from __future__ import annotations

from hub.errors import HubError


class CodeListUnknown(HubError):
    """No code list of that name is on disk."""

    code = "HUB-CON-103"
    en = "there is no code list {name}"
    zh = "没有名为 {name} 的代码表"
    remedy_en = "put it into contracts/codes/{name}.csv; `hub contract codes` lists those there are"
    remedy_zh = "请放入 contracts/codes/{name}.csv;`hub contract codes` 列出现有代码表"


class CodeListInvalid(HubError):
    """A code list's file can't be used."""

    code = "HUB-CON-104"
    en = "the code list {name} can't be used: {reason}"
    zh = "代码表 {name} 无法使用：{reason}"
    remedy_en = "correct contracts/codes/{name}.csv; the head of contracts/codes.py says what it holds"
    remedy_zh = "请更正 contracts/codes/{name}.csv；格式见 contracts/codes.py 开头"
