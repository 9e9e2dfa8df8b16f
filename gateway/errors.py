"""What can go wrong at the door itself (HUB-GTW); what deliveries and keys can be wrong in stands with the code that reads them."""

from __future__ import annotations

from typing import ClassVar

from hub.errors import AgencyError


class AtTheDoor(AgencyError):
    """A request that is not taken as it came. `status` is what HTTP says of it."""

    status: ClassVar[int] = 400
    code = "HUB-GTW-000"
    en = "the request can't be taken"
    zh = "请求无法受理"
    remedy_en = "read the problem's code in /v1/codes"
    remedy_zh = "请在 /v1/codes 查阅错误代码"


class NotProven(AtTheDoor):
    """Who calls is not proven. Which part failed is told, never what was expected instead."""

    status = 401
    code = "HUB-GTW-001"
    en = "who calls is not proven: {reason}"
    zh = "调用方身份未获证明：{reason}"
    remedy_en = "sign the request as docs/push-a-feed.md says, with a key that `hub agency show` lists as valid"
    remedy_zh = "请按 docs/push-a-feed.zh-CN.md 签名，并使用 `hub agency show` 列为有效的密钥"


class NoSuchThing(AtTheDoor):
    """Nothing here by that name that this caller may see; what others own is told as what is not there."""

    status = 404
    code = "HUB-GTW-002"
    en = "there is no {what} {name} that this agency may see"
    zh = "没有本机构可见的{what} {name}"
    remedy_en = "look at what this agency has: GET /v1/feeds and GET /v1/batches"
    remedy_zh = "请查看本机构可见内容：GET /v1/feeds 与 GET /v1/batches"


class RequestInvalid(AtTheDoor):
    """A header, parameter or body of the request itself does not fit."""

    status = 400
    code = "HUB-GTW-003"
    en = "{where} does not fit: {reason}"
    zh = "{where} 不符合要求：{reason}"
    remedy_en = "correct {where}; GET /openapi.json says what it takes"
    remedy_zh = "请更正 {where}；取值见 GET /openapi.json"
