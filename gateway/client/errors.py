"""What can go wrong on the agency's side (HUB-AGN)."""

from __future__ import annotations

from hub.errors import AgencyError


class ReceiptDamaged(AgencyError):
    """A text is no receipt."""

    code = "HUB-AGN-001"
    exit_code = 1
    en = "the receipt can't be read: {reason}"
    zh = "回执无法读取：{reason}"
    remedy_en = "fetch it anew: GET /v1/batches/{{batch}}/receipt gives the whole text"
    remedy_zh = "请重新获取：GET /v1/batches/{{batch}}/receipt 返回完整文本"


class ReceiptKeyUnknown(AgencyError):
    """A receipt names a key that is not among the hub's published ones."""

    code = "HUB-AGN-002"
    exit_code = 1
    en = "the receipt is signed by a key {kid} that is not among the given ones"
    zh = "回执由密钥 {kid} 签名，但所给密钥中没有它"
    remedy_en = "fetch the hub's keys anew (/.well-known/jwks.json) from where you trust them; if it is still not there, it is not the hub's receipt"
    remedy_zh = "请从可信处重新获取枢纽公钥（/.well-known/jwks.json）；若仍没有该密钥，则不是枢纽的回执"


class ReceiptForged(AgencyError):
    """A receipt's signature does not hold."""

    code = "HUB-AGN-003"
    exit_code = 1
    en = "the receipt's signature does not hold under the key {kid}: it was changed, or the hub did not make it"
    zh = "回执签名与密钥 {kid} 不符：内容被改动，或并非枢纽所出"
    remedy_en = "do not rely on it; fetch the receipt anew and tell the hub's operators"
    remedy_zh = "请勿采信；请重新获取回执并告知枢纽运维人员"


class ReceiptAnother(AgencyError):
    """A good receipt, but not of what was sent."""

    code = "HUB-AGN-004"
    exit_code = 1
    en = "the receipt of batch {batch} is not of this delivery: the {what} is another"
    zh = "批次 {batch} 的回执不属于本次交付：{what}不同"
    remedy_en = "compare the file with the one that was sent; each delivery has a receipt of its own"
    remedy_zh = "请核对文件与所发送者是否一致；每次交付各有回执"


class KeyFileUnwritable(AgencyError):
    """A key's file can't be written; one that is there is never overwritten."""

    code = "HUB-AGN-005"
    en = "the key file {file} can't be written: {reason}"
    zh = "密钥文件 {file} 无法写入：{reason}"
    remedy_en = "give another name, or a folder that may be written to"
    remedy_zh = "请换用其他名称，或可写的目录"
