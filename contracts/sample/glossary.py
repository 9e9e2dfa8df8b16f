"""Words that headers are made of, English and Chinese: enough to give a field a name and two labels to correct."""

from __future__ import annotations

_WORDS = """
id 标识|no 编号|number 号码|code 代码|name 名称|type 类型|kind 种类|category 类别|class 分类|level 级别|status 状态|state 州省
date 日期|time 时间|year 年度|month 月份|day 日|quarter 季度|period 期间|start 开始|end 结束|begin 开始|created 创建|updated 更新
amount 金额|sum 合计|total 总计|price 价格|cost 费用|fee 费用|payment 支付|paid 已付|pay 支付|budget 预算|balance 余额|tax 税
value 数值|score 评分|rate 比率|ratio 比例|percent 百分比|count 数量|quantity 数量|unit 单位|currency 币种|figure 数字
agency 机构|office 办公室|department 部门|bureau 局|body 机关|organisation 单位|organization 单位|company 公司|business 商户
supplier 供应商|vendor 供应商|payee 收款人|payer 付款人|customer 客户|owner 所有者|client 委托方|contractor 承包方|facility 设施
address 地址|street 街道|city 城市|county 县|province 省份|country 国家|region 地区|zip 邮政编码|postcode 邮政编码|district 区
division 区划|place 位置|location 位置|latitude 纬度|longitude 经度|site 场所|area 区域|quality 质量
project 项目|program 项目|programme 项目|contract 合同|tender 招标|award 中标|procurement 采购|grant 拨款|fund 资金
inspection 检查|inspected 检查|audit 审计|finding 发现问题|problem 问题|violation 违规|rectification 整改|report 报告|review 复核
result 结果|reason 原因|purpose 目的|description 描述|remark 备注|note 备注|comment 说明|text 文本|title 标题|subject 主题|order 条款
document 文件|file 文件|reference 参考|invoice 发票|voucher 凭证|account 账户|bank 银行|card 卡|license 许可证|licence 许可证
development 小区|housing 住房|authority 管理局|building 建筑|property 房产|public 公共|food 食品|risk 风险|section 条款|critical 严重
person 人员|contact 联系人|phone 电话|mobile 手机|telephone 电话|email 邮箱|mail 邮件|user 用户|inspector 检查员|auditor 审计员
law 法律|rule 规则|standard 标准|source 来源|version 版本|batch 批次|line 行|item 项|row 行|key 键|list 清单|group 组
is 是否|has 有无|of 的|metro 都市区|fips FIPS|first 首次|last 末次|previous 上次|next 下次|new 新|old 旧|local 本地|central 中央
recipient 接收方|sender 报送方|received 收到|sent 发送|deadline 时限|duration 时长|age 期龄|weight 权重|index 指数|frequency 频率
"""

ENGLISH: dict[str, str] = {}
for _pair in _WORDS.replace("\n", "|").split("|"):
    if _pair:
        _english, _, _chinese = _pair.partition(" ")
        ENGLISH[_english] = _chinese

# Whole phrases of Chinese headers first, then their parts; the longest match wins.
CHINESE: dict[str, str] = {
    "统一社会信用代码": "uscc", "社会信用代码": "uscc", "信用代码": "uscc", "行政区划代码": "division_code", "行政区划": "division",
    "单位名称": "unit_name", "单位": "unit", "机构": "agency", "部门": "department", "被审计单位": "auditee", "被检查单位": "inspected_unit",
    "供应商": "supplier", "收款人": "payee", "付款人": "payer", "收款": "payee", "付款": "payer", "企业": "company", "公司": "company",
    "项目": "project", "合同": "contract", "问题": "problem", "整改": "rectification", "检查": "inspection", "审计": "audit", "巡察": "inspection",
    "编号": "no", "序号": "row", "号码": "number", "代码": "code", "编码": "code", "名称": "name", "类型": "type", "类别": "category",
    "种类": "kind", "级别": "level", "等级": "grade", "状态": "status", "结果": "result", "原因": "reason", "内容": "content", "描述": "description",
    "备注": "remark", "说明": "note", "摘要": "summary", "标题": "title", "日期": "date", "时间": "time", "年度": "year", "年份": "year",
    "月份": "month", "金额": "amount", "合计": "total", "总计": "total", "数量": "quantity", "单价": "price", "价格": "price", "比例": "ratio",
    "评分": "score", "得分": "score", "预算": "budget", "支出": "expenditure", "收入": "income", "资金": "fund", "来源": "source", "性质": "nature",
    "地址": "address", "地区": "region", "区县": "county", "省": "province", "市": "city", "县": "county", "联系人": "contact", "联系电话": "phone",
    "电话": "phone", "手机": "mobile", "姓名": "person_name", "身份证": "citizen_number", "邮箱": "email", "是否": "is", "有无": "has",
    "开始": "start", "结束": "end", "截止": "deadline", "创建": "created", "更新": "updated", "支付": "payment", "凭证": "voucher", "科目": "account",
    "文号": "document_no", "文件": "document", "报告": "report", "依据": "basis", "法规": "law", "责任": "responsible", "领域": "area", "序": "row",
    "被": "", "的": "", "所": "", "号": "no", "数": "count", "额": "amount", "日": "day", "年": "year", "月": "month", "元": "",
    "万元": "", "亿元": "", "千元": "",
}  # fmt: skip
