"""Errors of pushed bodies. Codes HUB-PSH-nnn: 001–009 forms and packing · 010–019 what stands inside."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from hub.errors import AgencyError


class FormNotTaken(AgencyError):
    """A body is of a form that the feed's source does not take."""

    status: ClassVar[int] = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "HUB-PSH-001"
    en = "a body of the type {media_type} is not taken here; taken are: {accepted}"
    zh = "此处不接收类型为 {media_type} 的内容；可接收：{accepted}"
    remedy_en = "send the records in one of these forms and name it in Content-Type: {accepted}"
    remedy_zh = "请以其中一种形式发送，并在 Content-Type 中写明：{accepted}"


class PackingNotTaken(AgencyError):
    """A body is packed in a way that nobody unpacks here."""

    status: ClassVar[int] = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "HUB-PSH-002"
    en = "a body packed as {encoding} is not taken; taken are: {accepted}"
    zh = "不接收以 {encoding} 压缩的内容；可接收：{accepted}"
    remedy_en = "send it as it is, or packed once, and name that in Content-Encoding: {accepted}"
    remedy_zh = "请不压缩或只压缩一次后发送，并在 Content-Encoding 中写明：{accepted}"


class CharsetNotTaken(AgencyError):
    """A body's characters are said to be in an encoding that its form does not have here."""

    status: ClassVar[int] = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "HUB-PSH-003"
    en = "the charset {charset} is not taken for {form}; taken are: {accepted}"
    zh = "{form} 不接收字符集 {charset}；可接收：{accepted}"
    remedy_en = "send the body in one of these charsets and name it in Content-Type: {accepted}"
    remedy_zh = "请以其中一种字符集发送，并在 Content-Type 中写明：{accepted}"


class BodyTooLarge(AgencyError):
    """A body as it is sent exceeds the operator's bound."""

    status: ClassVar[int] = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "HUB-PSH-004"
    en = "the body has more than {bound} bytes"
    zh = "内容超过 {bound} 字节"
    remedy_en = "send it in several deliveries, or packed; the operator may raise {setting}"
    remedy_zh = "请分批或压缩后发送；运维人员可调高 {setting}"


class UnpackedTooLarge(AgencyError):
    """A packed body is larger than the operator's bound once it is unpacked."""

    status: ClassVar[int] = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "HUB-PSH-005"
    en = "{file} unpacks to more than {bound} bytes"
    zh = "{file} 解压后超过 {bound} 字节"
    remedy_en = "send it in several deliveries; the operator may raise {setting}"
    remedy_zh = "请分批发送；运维人员可调高 {setting}"


class PackedTooTightly(AgencyError):
    """A packed body grows out of all proportion: no records do that."""

    code = "HUB-PSH-006"
    en = "{file} grows to more than {ratio} times its size when it is unpacked"
    zh = "{file} 解压后膨胀超过 {ratio} 倍"
    remedy_en = "send the records without packing, or packed with an ordinary program"
    remedy_zh = "请不压缩发送，或使用通常的压缩程序"


class PackedDamaged(AgencyError):
    """A packed body can't be unpacked to its end."""

    code = "HUB-PSH-007"
    en = "{file} can't be unpacked as {encoding}: {reason}"
    zh = "{file} 无法按 {encoding} 解压：{reason}"
    remedy_en = "pack the file anew and send it whole; Content-Encoding must say how it is packed"
    remedy_zh = "请重新压缩并完整发送；Content-Encoding 须与压缩方式一致"


class NoRecords(AgencyError):
    """A body holds nothing that is a record of its form."""

    code = "HUB-PSH-010"
    en = "{file} holds no record: {reason}"
    zh = "{file} 中没有记录：{reason}"
    remedy_en = "send at least one record, in the form that Content-Type names"
    remedy_zh = "请按 Content-Type 所示形式至少发送一条记录"


class TooManyNames(AgencyError):
    """The records of a body have more different names than any record has fields."""

    code = "HUB-PSH-011"
    en = "{file}: by line {line} the records have more than {bound} different names"
    zh = "{file}：至第 {line} 行，记录中的名称已超过 {bound} 个"
    remedy_en = "name fields as the contract does; values do not belong into names"
    remedy_zh = "请按契约命名字段；不要把取值写进名称"


class LineTooLong(AgencyError):
    """A line has no end within any reasonable length."""

    code = "HUB-PSH-012"
    en = "{file}: line {line} is longer than {bound} bytes"
    zh = "{file}：第 {line} 行超过 {bound} 字节"
    remedy_en = "end every record with a line break"
    remedy_zh = "请在每条记录后换行"
