"""Rules that no contract states: what PostgreSQL can't hold or a broker would refuse."""

from __future__ import annotations

from dataclasses import dataclass

EVENT_SIZE = "_event.size"
KEY_SIZE = "_key.size"
TEXT_NUL = "_text.nul"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A row that keeps every rule and still can't be stored or sent."""

    row: int
    key: str
    rule: str


UNFIT_WORDS = {
    EVENT_SIZE: {
        "en": "the record is too large for an event",
        "zh": "记录过大，无法作为事件发送",
        "remedy_en": "shorten its texts at the source, or let the operator raise HUB_MAX_EVENT_BYTES",
        "remedy_zh": "请在源头缩短文本，或由运维人员调高 HUB_MAX_EVENT_BYTES",
    },
    KEY_SIZE: {
        "en": "the key of the record is longer than the index can hold",
        "zh": "记录主键过长，超出索引上限",
        "remedy_en": "correct the key fields at the source",
        "remedy_zh": "请在源头更正主键字段",
    },
    TEXT_NUL: {
        "en": "a text has a NUL character, which the database can't hold",
        "zh": "文本含有数据库无法保存的 NUL 字符",
        "remedy_en": "remove the NUL characters at the source",
        "remedy_zh": "请在源头删除 NUL 字符",
    },
}
