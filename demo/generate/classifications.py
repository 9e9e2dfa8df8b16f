"""Budget classifications of the vouchers: function and economic codes as hierarchies, funds, budgets, ways of payment.

Source: the shape of 政府收支分类科目 (function 类3 款5 项7 digits; economic 类3 款5 digits) with widely used entries.
"""

from __future__ import annotations

FUNCTIONS: tuple[tuple[str, str], ...] = (
    ("2010301", "行政运行"),
    ("2010501", "行政运行"),
    ("2010507", "专项普查活动"),
    ("2010601", "行政运行"),
    ("2010801", "行政运行"),
    ("2010804", "审计业务"),
    ("2011101", "行政运行"),
    ("2012350", "事业运行"),
    ("2050201", "学前教育"),
    ("2050202", "小学教育"),
    ("2050203", "初中教育"),
    ("2050204", "高中教育"),
    ("2070104", "图书馆"),
    ("2080505", "机关事业单位基本养老保险缴费支出"),
    ("2100201", "综合医院"),
    ("2101101", "行政单位医疗"),
    ("2120501", "城乡社区环境卫生"),
    ("2130305", "水利工程建设"),
    ("2140104", "公路建设"),
    ("2210201", "住房公积金"),
)
"""项-level function codes with their names; the first 3 and 5 digits are 类 and 款."""

GOVERNMENT_ECONOMIC: tuple[tuple[str, str], ...] = (
    ("50101", "工资奖金津补贴"),
    ("50201", "办公经费"),
    ("50205", "委托业务费"),
    ("50206", "公务接待费"),
    ("50209", "维修(护)费"),
    ("50299", "其他商品和服务支出"),
    ("50302", "基础设施建设"),
    ("50306", "设备购置"),
    ("50501", "工资福利支出"),
    ("50502", "商品和服务支出"),
)
DEPARTMENT_ECONOMIC: tuple[tuple[str, str], ...] = (
    ("30101", "基本工资"),
    ("30201", "办公费"),
    ("30227", "委托业务费"),
    ("30217", "公务接待费"),
    ("30213", "维修(护)费"),
    ("30299", "其他商品和服务支出"),
    ("31005", "基础设施建设"),
    ("31002", "办公设备购置"),
    ("30107", "绩效工资"),
    ("30226", "劳务费"),
)
"""Department-budget economic codes, in the order of the government-budget codes that they go with."""

FUNDS: tuple[tuple[str, str], ...] = (
    ("111", "一般公共预算资金"),
    ("121", "政府性基金预算资金"),
    ("131", "国有资本经营预算资金"),
)
BUDGETS: tuple[tuple[str, str], ...] = (("1", "当年预算"), ("2", "上年结转"))
PAYMENTS: dict[str, tuple[str, str]] = {"5201": ("1", "直接支付"), "8202": ("2", "授权支付")}
"""Voucher type -> way of payment: 5201 paid by the treasury itself, 8202 by the unit under its authority."""

CATEGORY = ("1", "正常支出")
"""收支管理, the same for all."""

PROJECTS: tuple[tuple[str, str], ...] = tuple(
    (f"XM{number:04d}", f"示例项目{number:04d}")
    for number in (101, 118, 203, 217, 305, 342, 411, 509, 612, 733, 840, 958)
)
SETTLEMENTS: tuple[tuple[str, str], ...] = (("1", "现金支票"), ("3", "转账支票"), ("5", "电汇"), ("8", "公务卡"))
OFFICES: tuple[tuple[str, str], ...] = (
    ("010", "预算科"),
    ("020", "行政政法科"),
    ("030", "教科文科"),
    ("040", "经济建设科"),
)
SUMMARIES: tuple[str, ...] = (
    "办公用品采购",
    "设备维修",
    "工程进度款",
    "委托业务费用",
    "物业服务",
    "水电费",
    "信息系统运维",
    "专用设备购置",
)
