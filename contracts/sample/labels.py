"""Which values of a sample may stand in a contract: codes and known labels, never what might be somebody's name.

A contract is read by many and kept for good. A value is written only where its form or a list says what it is; a column
with any other value gets its rule from a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from contracts import codes
from contracts.sample.glossary import CHINESE, ENGLISH
from contracts.sample.personal import looks_like_a_name

_CODE = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9._/:+#-]*|[A-Za-z]|[A-Z]{2,3}|[0-9._/:+<>=%-]+")
"""Digits with or without letters, or up to three capitals: no blank, and no word."""
_WORD = re.compile(r"[A-Za-z]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SPARE = re.compile(r"(?:[\s()（）、，,/:：·.%0-9<>≤≥~—-]|(?<![A-Za-z])[A-Za-z](?![A-Za-z]))+")

_SHORT_NAMES = """
LI WU XU HU HE MA LU YU DU SU YE SHI KE BAI CAI DAI CUI FAN FU GAO GE GU GUO HAN HAO HOU JIA KAI LAI LAN LEI LIN
LIU LUO MAO MEI MO NI NIU PAN QI QIN QIU REN SHA SUN TAN TAO WAN WEI WEN XIA XIE XUE YAN YAO YI YIN YUE ZHU ZOU
KIM LEE DOE ROE RAY KAY MAY COX FOX HAY ALI
"""
"""Surnames of two and three letters: capitals alone do not make a code of them."""

_WORDS = """
open opened closed close pending active inactive done new old draft final approved rejected refused accepted
denied cancelled canceled void valid invalid expired suspended revoked issued paid unpaid settled passed pass
failed fail yes no true false none any all other others unknown total partial complete completed incomplete
ongoing started finished resolved unresolved current previous first last initial interim annual monthly
quarterly weekly daily yearly once regular routine special emergency planned unplanned received sent delivered
verified unverified confirmed unconfirmed corrected reported filed low mid middle medium high highest lowest
critical minor major severe serious slight good fair poor bad excellent average small large big short long red
amber orange yellow green blue white black public private internal external local central national regional
municipal urban rural federal state city county district town village capital revenue expenditure income expense
cost grant loan subsidy tax fee fine refund advance balance budget goods works services service supply supplies
project program programme purchase procurement tender bidding contract lease sale rent construction maintenance
repair transport travel training equipment energy water waste health education housing food security finance
audit inspection reinspection compliance verification follow up review risk based issue check test type class
category group level grade section part form unit office department agency company person persons organisation
organization individual corporate business commercial industrial residential agricultural primary secondary
limited restricted negotiated direct electronic paper online cash cheque card transfer bank credit debit import
export and or of the for in by with without to not non per on at from under over above below between
confectionery
"""
"""States and answers, degrees, kinds of things."""

_HAN_WORDS = """
是 否 有 无 男 女 甲 乙 丙 丁 戊 正 副 大 中 小 高 低 优 良 差 全 部分 其他 其它 未知 不详 一 二 三 四
五 六 七 八 九 十 第 上 下 已 未 待 不 非 正在 可 需 再 新 旧 初 终 年 季 月 日 级 类 种 型 批 次 期 度
项 款 费 税 额 元 的 和 与 及 或 整改 完成 办理 办结 受理 立案 结案 移送 处理 处分 处罚 通过 合格 有效
无效 正常 异常 启用 停用 注销 作废 撤销 取消 退回 退回 同意 批准 审批 审核 确认 提交 登记 发布 公开 保密
内部 外部 支付 收入 支出 退款 拨付 入账 结算 现金 转账 支票 电子 直接 授权 财政 预算 一般 公共 政府
政府性 基金 国有 资本 经营 社会 保险 专项 专户 资金 项目 工程 货物 服务 采购 招标 邀请 谈判 询价 磋商
竞争性 单一 来源 框架 协议 定点 集中 分散 自行 合同 租赁 买卖 施工 设计 监理 维修 咨询 物业 车辆 办公
设备 材料 教育 卫生 医疗 农业 交通 住房 城乡 环保 科技 文化 体育 民生 扶贫 水利 安全 生产 食品 药品 质量
检查 抽查 复查 巡察 巡视 审计 监督 问题 违规 违纪 违法 严重 较重 轻微 轻 重 重大 重要 紧急 普通 特别
特急 加急 平急 常规 定期 不定期 专门 联合 跟踪 现场 书面 线上 线下 单位 企业 事业 机关 个人 个体 工商户
团体 公司 国家 中央 地方 省 市 区 县 镇 乡 村 街道 省级 市级 县级 本级 上级 下级 责令 改正 警告 罚款
没收 停业 通报 批评 诫勉 谈话 函询 建议 移交 追缴 收缴 退还 调账 核减 核增 挂账 属实 不实 部分属实 逾期
按期 提前 延期 长期 短期 临时 永久 主要 次要 直属 所属 管理 制度 执行 决策 程序 会计 核算 报表 决算 资产
负债 收益 成本 利润 性 金 人员 经费 运转 基本 特定 目标
风险 高风险 中风险 低风险 高级 中级 初级 高等 年度 季度 月度 金额
"""
"""The same in Chinese, and the signs that stand between them."""

_SURNAMES = frozenset(_SHORT_NAMES.split())
_ENGLISH = frozenset(_WORDS.split()) | frozenset(ENGLISH)
_CHINESE = frozenset(_HAN_WORDS.split()) | {part for part in CHINESE if len(part) > 1}
_LONGEST = 8


def may_be_written(values: Iterable[str], root: Path) -> bool:
    """Whether every value is a code or a known label. `root` is the contracts folder, for its lists."""
    texts = list(values)
    short = [text for text in texts if text.isascii() and text.isalpha() and len(text) > 1]
    if short and all(text.upper() in _SURNAMES for text in short):
        return False
    labels = _labels(root)
    return all(text in labels or _CODE.fullmatch(text) or _known_words(text) or _known_han(text) for text in texts)


def _known_words(text: str) -> bool:
    """English words of the house alone, digits and signs between them."""
    words = _WORD.findall(text)
    return text.isascii() and bool(words) and all(word.lower() in _ENGLISH for word in words)


def _known_han(text: str) -> bool:
    """Chinese words of the house alone, one after the other, with digits and signs."""
    if not _HAN.search(text) or (looks_like_a_name(text) and not _CHINESE & {text, text[:2]}):
        return False
    ends = {0}
    for at in range(len(text)):
        if at not in ends:
            continue
        spare = _SPARE.match(text, at)
        if spare:
            ends.add(spare.end())
        ends |= {at + size for size in range(1, _LONGEST + 1) if text[at : at + size] in _CHINESE}
    return len(text) in ends


@lru_cache(maxsize=8)
def _labels(root: Path) -> frozenset[str]:
    """Every code and every name in the house's lists."""
    found: set[str] = set()
    for name in codes.names(root):
        one = codes.load(name, root)
        found |= one.codes
        for code in one.codes:
            found |= {one.label(code, "zh"), one.label(code, "en")}
    return frozenset(found - {""})
