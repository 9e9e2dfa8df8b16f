"""What can go wrong at the door itself (HUB-GTW); what deliveries and keys can be wrong in stands with the code that reads them."""

from __future__ import annotations

from typing import ClassVar

from hub.errors import AgencyError, HubError, TransientError


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
    remedy_en = "sign the request as docs/push-a-feed.md says, with a key that `hub agency show AGENCY` lists as valid"
    remedy_zh = "请按 docs/push-a-feed.zh-CN.md 签名，并使用 `hub agency show AGENCY` 列为有效的密钥"


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


class DigestWrong(AtTheDoor):
    """A body is not the one that was signed."""

    status = 400
    code = "HUB-GTW-004"
    en = "the body's {algorithm} is not the one that Content-Digest says: {bytes} bytes came"
    zh = "内容的 {algorithm} 与 Content-Digest 不符：收到 {bytes} 字节"
    remedy_en = "send the file again, as it was when its digest was made; nothing of it was kept"
    remedy_zh = "请按计算摘要时的原样重新发送；未保留任何内容"


class DigestMissing(AtTheDoor):
    """A body came without its digest."""

    status = 400
    code = "HUB-GTW-005"
    en = "the request needs a Content-Digest header with the sha-256 of its body"
    zh = "请求须带有 Content-Digest 请求头，写明内容的 sha-256"
    remedy_en = "add Content-Digest (RFC 9530) and sign it"
    remedy_zh = "请增加 Content-Digest（RFC 9530）并纳入签名"


class TooSlow(AtTheDoor):
    """A body trickles."""

    status = 408
    code = "HUB-GTW-006"
    en = "the body comes too slowly: nothing for {seconds} s, or a trickle for longer"
    zh = "内容传输过慢：{seconds} 秒内未收到任何内容，或长时间仅零星到达"
    remedy_en = "send it again over a better line; nothing of it was kept"
    remedy_zh = "请在网络通畅时重新发送；未保留任何内容"


class BrokenOff(AtTheDoor):
    """A caller went away before its body was whole."""

    status = 499
    code = "HUB-GTW-007"
    en = "the caller went away after {bytes} bytes"
    zh = "收到 {bytes} 字节后连接中断"
    remedy_en = "send it again, under the same idempotency key; nothing of it was kept"
    remedy_zh = "请以同一幂等键重新发送；未保留任何内容"


class TooOften(AtTheDoor):
    """An agency asks more often than it may."""

    status = 429
    code = "HUB-GTW-008"
    en = "more than {rate} requests a second of one agency"
    zh = "单一机构每秒请求超过 {rate} 次"
    remedy_en = "wait {retry_after} s and go on more slowly; put more rows into one delivery"
    remedy_zh = "请等待 {retry_after} 秒并降低频率；可在一次交付中放入更多行"


class Overloaded(TransientError):
    """As many deliveries are landing and waiting as may."""

    status: ClassVar[int] = 429
    code = "HUB-GTW-009"
    en = "{waiting} deliveries are landing or wait to; this one was not read"
    zh = "已有 {waiting} 次交付正在落地或等待；本次未读取"
    remedy_en = "come again after {retry_after} s, under the same idempotency key; what was accepted goes on"
    remedy_zh = "请在 {retry_after} 秒后以同一幂等键重试；已受理的继续处理"


class NotReady(TransientError):
    """The door can't do its work now."""

    code = "HUB-GTW-010"
    en = "the door is not ready: {reason}"
    zh = "网关尚未就绪：{reason}"
    remedy_en = "look at PostgreSQL and the disk: `hub doctor`"
    remedy_zh = "请检查 PostgreSQL 与磁盘：`hub doctor`"


class GatewayUnsafe(HubError):
    """The door would speak without TLS to others than this machine."""

    code = "HUB-GTW-011"
    en = "the door won't listen on {bind} without TLS"
    zh = "未启用 TLS，网关不在 {bind} 上监听"
    remedy_en = (
        "give HUB_GATEWAY_CERT and HUB_GATEWAY_KEY, or set HUB_GATEWAY_PLAIN=true where a proxy before it ends TLS"
    )
    remedy_zh = "请设置 HUB_GATEWAY_CERT 与 HUB_GATEWAY_KEY；若前置代理终止 TLS，请设置 HUB_GATEWAY_PLAIN=true"
