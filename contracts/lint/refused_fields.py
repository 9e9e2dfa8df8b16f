"""Words that a field may not be about, and why. The hub keeps records of organisations and of conduct in office.

Matched against a field's name, its names at the source and its Chinese label, never against descriptions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """One family of words."""

    en: str
    zh: str
    why_en: str
    why_zh: str
    latin: re.Pattern[str]  # of snake_case words
    han: re.Pattern[str]


def _family(what: tuple[str, str], why: tuple[str, str], latin: str, han: str) -> Refused:
    return Refused(*what, *why, re.compile(rf"(?:^|_)(?:{latin})(?:_|$)"), re.compile(han))


_OFFICE = (
    "the hub holds records of organisations and of official conduct in office, no opinion, belief or private life",
    "本枢纽只保存单位及履职行为的记录，不保存任何人的观点、信仰与私人生活",
)

REFUSED: tuple[Refused, ...] = (
    _family(
        ("opinions or beliefs", "观点或信仰"), _OFFICE,
        r"religions?|religious|beliefs?|faith|ideology|ideological|political_(?:view|opinion|attitude|leaning)s?"
        r"|personal_(?:view|opinion)s?|thoughts?|attitude|ethnicity|ethnic_group|nationality_group|zong_?jiao|min_?zu|xin_?yang",
        r"宗教|信仰|政治观点|政治倾向|政治态度|思想动态|思想状况|个人观点|言论|民族(?!乡|地区|事务|自治|团结)",
    ),
    _family(
        ("private life", "私人生活"), _OFFICE,
        r"marital(?:_status)?|marriage|spouse|husband|wife|children|family_members?|relatives?|sexual(?:ity|_orientation)?|gender_identity"
        r"|hobby|hobbies|health_status|medical_record|disease_history|illness|pregnan(?:t|cy)|diet|lifestyle|private_life|social_media(?:_account)?"
        r"|wechat(?:_id)?|weixin|qq(?:_number)?|chat_log|browsing_history|call_log|phone_track|location_track|whereabouts"
        r"|fingerprint|face_image|iris|dna|biometrics?|home_address|residential_address",
        r"婚姻|配偶|子女|家庭成员|亲属|性取向|爱好|健康状况|病历|疾病(?!预防|防治|控制)|生活作风|生活习惯|私生活|社交账号|微信号|聊天记录|通话记录|浏览记录"
        r"|行踪|轨迹|指纹|人脸|虹膜|生物特征|家庭住址|住宅地址",
    ),
    _family(
        ("proposals how to treat a person or unit", "处理、处分建议"),
        ("a referral must not carry proposals of treatment; the receiving organ alone decides",
         "移送材料不得提出对单位或人员的具体处理意见，由受理机关依规决定"),
        r"(?:treatment|disposal|disposition|punishment|sanction|discipline|penalty)_(?:proposal|suggestion|recommendation|advice)s?"
        r"|(?:proposed|suggested|recommended)_(?:treatment|disposal|disposition|punishment|sanction|discipline|penalty)",
        r"(?:处理|处分|处罚|处置|惩处|问责|追责|组织处理)(?:的)?(?:建议|意见)|(?:建议|拟)(?:给予)?(?:处理|处分|处罚|问责|追责)",
    ),
    _family(
        ("the identity of a person who reported", "举报人身份"),
        ("who reported must never reach the unit concerned, and is not sent at all", "举报人身份不得泄露给被举报单位，不得报送"),
        r"whistle_?blower(?:_.+)?|informant(?:_.+)?|complainant(?:_.+)?|petitioner(?:_.+)?|reporter_(?:name|id|phone|mobile)|ju_?bao_?ren(?:_.+)?",
        r"举报人|检举人|控告人|信访人|投诉人|反映人",
    ),
)  # fmt: skip

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9\u3400-\u9fff]+")


def family_of(*words: str) -> Refused | None:
    """The family that any of a field's names falls into, or None."""
    for word in words:
        latin = _CAMEL.sub("_", word).lower()
        for family in REFUSED:
            if family.latin.search(latin) or family.han.search(word):
                return family
    return None
