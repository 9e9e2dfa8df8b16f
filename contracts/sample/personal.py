"""Columns that speak of a person: by their header, by the numbers in them, by names that look like people's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow as pa

from contracts.gate.finding import spans
from contracts.gate.suspects import SUSPECTS
from contracts.lint.refused_fields import Refused, family_of
from contracts.normalise.buffers import text_bytes
from contracts.sample.naming import words_of

_HEADER = re.compile(
    r"(^|_)(person|inspector|auditor|contact|surname|firstname|lastname|first_name|last_name|full_name|person_name|phone|mobile"
    r"|telephone|tel|fax|email|e_mail|passport|ssn|birth|birthday|gender|sex|citizen_number|idcard|id_card|signatory|cco)(_|$)"
)
_HEADER_ZH = re.compile(
    r"姓名|联系人|经办人|负责人|法定代表人|法人代表|检查人|审计员|检查员|电话|手机|邮箱|身份证|证件号|护照|出生|性别|银行卡|签字人"
)
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAME = re.compile(r"[\u4e00-\u9fff]{2,4}")
_SHARE = 0.6  # of the values that look so, from which on a column is about people
_LOOKED_AT = 5_000  # distinct values of a column that are searched
_SURE = ("citizen_number", "email")
_LIKELY = ("mobile", "bank_card", "passport")
_FREE_TEXT = 30  # characters from which on a value is free text, in which a number may stand beside other words


@dataclass(slots=True)
class PersonalGuess:
    """What was found of a person in a column."""

    refused: Refused | None = None  # a field that no contract may hold
    by_header: bool = False
    names: bool = False  # values look like people's names
    numbers: dict[str, float] = field(default_factory=dict)  # detector -> share of the values

    @property
    def personal(self) -> bool:
        """Whether the field is to be classified as personal."""
        return bool(self.by_header or self.names or self.numbers)

    @property
    def only_numbers(self) -> bool:
        """Whether the column is there for a personal number: nothing is left of it once that is masked."""
        return any(share >= _SHARE for share in self.numbers.values())


def look(header: str, values: pa.StringArray) -> PersonalGuess:
    """What a column's header and distinct values say. No value leaves this function."""
    words = "_".join(words_of(header))
    found = PersonalGuess(refused=family_of(header, words))
    found.by_header = bool(_HEADER.search(words) or _HEADER_ZH.search(header))
    some = values.drop_null().slice(0, _LOOKED_AT)
    texts = some.to_pylist()
    if not texts:
        return found
    view = text_bytes(some)
    long = sum(map(len, texts)) / len(texts) >= _FREE_TEXT
    for name in (*_SURE, *_LIKELY):
        suspects = SUSPECTS[name](some, view)
        hits = sum(1 for at in suspects.tolist() if spans(texts[at], (name,)))
        share = hits / len(texts)
        # Digits of an id may look like a card; a column of cards or telephones is nothing else.
        if hits and (name in _SURE or share >= _SHARE or (name == "mobile" and (long or found.by_header))):
            found.numbers[name] = share
    named = sum(1 for text in texts if _NAME.fullmatch(text) and text[0] in _SURNAMES)
    found.names = named / len(texts) >= _SHARE
    return found
