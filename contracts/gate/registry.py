"""The kinds of gate rules, in the order in which the gate applies them."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.kinds import ALL_TYPES, TEXT, Arg, Kind, registry
from hub.ids import RuleId

DETECTORS: Mapping[str, tuple[str, str, str]] = {
    "citizen_number": (
        "citizen identity number (GB 11643, also the 15-digit form)",
        "居民身份证号",
        "[身份证号已遮蔽]",
    ),
    "mobile": ("mainland mobile number", "手机号", "[手机号已遮蔽]"),
    "bank_card": ("bank card number (Luhn)", "银行卡号", "[银行卡号已遮蔽]"),
    "passport": ("Chinese passport or travel permit number", "护照及通行证号", "[证件号已遮蔽]"),
    "email": ("e-mail address", "电子邮箱", "[邮箱已遮蔽]"),
}
"""Detector -> what it finds (en, zh) and what stands in its place."""

DEFAULT_DETECTORS = ("citizen_number",)

NAME_RULE = RuleId("_name.citizen_number")
"""Refuses a delivery for a header, and masks names, where the contract has no rule of its own that finds it."""


KINDS: dict[str, Kind] = registry(
    Kind(
        "secrecy",
        "a row with a secrecy mark (秘密, 机密, 绝密 …) is refused; a mark on the file refuses the delivery",
        "带有密级标志（秘密、机密、绝密等）的行拒收；文件带密级标志的整份拒收",
        (
            Arg("marks", "texts", "further words that are marks", "另加的密级标志"),
            Arg("harmless", "texts", "values of the named field that are no mark", "指定字段中不属密级的取值"),
        ),
        TEXT,
        0,
        None,
        "send what is secret by the channel meant for it, and the rest without it",
        "涉密内容请走规定渠道，其余内容剔除后重新报送",
        ("refuse_row", "refuse_delivery"),
    ),
    Kind(
        "subject_level",
        "a row whose subject stands above this hub's level is refused",
        "监督对象级别高于枢纽管理层级的行拒收",
        (
            Arg(
                "levels",
                "levels",
                "level of each value of the field: 1 central, 2 province, 3 city, 4 county, 5 township",
                "各取值对应的层级：1 中央，2 省，3 市，4 县，5 乡",
                required=True,
            ),
            Arg(
                "unknown",
                "text",
                "what a value outside the list gets",
                "未列取值的处理",
                default="refuse",
                choices=("refuse", "pass"),
            ),
            Arg("absent", "text", "what an empty field gets", "空值的处理", default="pass", choices=("refuse", "pass")),
        ),
        frozenset({"string", "integer"}),
        1,
        1,
        "send records of such subjects by the direct path of their own level",
        "请按干部管理权限走专门渠道报送",
        ("refuse_row", "refuse_delivery"),
    ),
    Kind(
        "forbidden_field",
        "the columns {names} must not be sent",
        "不得报送列：{names}",
        (
            Arg(
                "names",
                "texts",
                "headers as delivered; case and spaces don't matter",
                "列名（不计大小写和空格）",
                required=True,
            ),
        ),
        ALL_TYPES,
        0,
        None,
        "leave the column out of the delivery",
        "请从报送文件中删除该列",
        ("drop_field", "refuse_row", "refuse_delivery"),
    ),
    Kind(
        "personal_data",
        "personal numbers are found and taken out before anything is stored",
        "个人信息号码在存储前予以识别并遮蔽",
        (
            Arg(
                "detect",
                "texts",
                "what is looked for",
                "识别种类",
                default=list(DEFAULT_DETECTORS),
                choices=tuple(DETECTORS),
            ),
            Arg("except", "texts", "fields or headers that are not searched", "不检查的字段或列"),
        ),
        TEXT,
        0,
        None,
        "leave personal numbers out; name organisations by their USCC",
        "请勿报送个人号码；单位请用统一社会信用代码标识",
        ("mask", "drop_field", "refuse_row", "refuse_delivery"),
    ),
)
