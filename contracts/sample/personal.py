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
    r"|telephone|tel|fax|email|e_mail|passport|ssn|birth|birthday|gender|sex|citizen_number|idcard|id_card|signatory|cco"
    r"|handler|handled_by|officer|official|clerk|cashier|alias|aka|nickname|suspect|accused|defendant|plaintiff|complainant"
    r"|informant|whistleblower|witness|victim|guardian|spouse|applicant|appellant|signer|signed_by|approver|approved_by"
    r"|reviewer|reviewed_by|investigator|examiner|assessor|representative|respondent|claimant|beneficiary|patient|pupil"
    r"|employee|staff|supervisor|author|assignee|assigned_to|caseworker|interviewee|interviewer|reporter|entered_by"
    r"|prepared_by|checked_by|created_by|updated_by|submitted_by|responsible_person|person_in_charge)(_|$)"
)
_HEADER_ZH = re.compile(
    r"姓名|联系人|经办人|负责人|法定代表人|法人代表|检查人|审计员|检查员|电话|手机|邮箱|身份证|证件号|护照|出生|性别|银行卡|签字人"
    r"|(?:经办|承办|主办|协办|办案|调查|审批|审核|复核|录入|填报|填表|制表|制单|记账|申请|举报|投诉|当事|受理|签收|领款|报销|核算"
    r"|登记|证明|监护|责任|嫌疑|受害|被害|被告|涉案|谈话|询问|记录|保管|操作|代理|委托|签发|拟稿)(?:人|员|者)"
    r"|(?:经办|承办|主办|协办)(?!单位|机构|部门|机关|银行|网点|处室|科室|行|局|方|日期|时间|意见|结果|地)"
    r"|主任|局长|处长|科长|组长|会计员|出纳|别名|曾用名|化名|绰号|昵称|嫌犯|犯罪嫌疑|原告|被告|证人|家属|配偶|亲属|员工|职工|领导"
)
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAME = re.compile(r"[\u4e00-\u9fff]{2,4}")
_COMPOUND = (
    "欧阳",
    "司马",
    "上官",
    "诸葛",
    "东方",
    "皇甫",
    "尉迟",
    "公孙",
    "慕容",
    "司徒",
    "令狐",
    "端木",
    "夏侯",
    "南宫",
)
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
    named = sum(1 for text in texts if looks_like_a_name(text))
    found.names = named / len(texts) >= _SHARE
    return found


def looks_like_a_name(text: str) -> bool:
    """Whether a text is two to four Chinese signs that begin with a surname. Names of other forms are not known by it."""
    return bool(_NAME.fullmatch(text)) and (text[0] in _SURNAMES or text.startswith(_COMPOUND))
