"""Audit findings as an audit office's table holds them, amounts in ten thousand yuan (万元).

Column names: data-centre tables of audit organs; amount classes, dispositions and forms of rectification as in official
audit statistics. The rows are ordered by their time of change, which is how the hub reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts import codes
from demo.generate.calendar import closed_year, span
from demo.generate.columns import Columns, copied
from demo.generate.divisions import NEVER, in_use
from demo.generate.identifiers import as_bytes, as_text, broken, impossible_citizen_numbers
from demo.generate.ledger import Draw, Ledger, share
from demo.generate.organisations import SUPERVISED, organisations
from demo.generate.text import Ints, amounts, days, digits, full_width, instants, join, optional, pick

FEED = "audit_findings"
DOCUMENTS = ("审计报告", "专项审计调查报告", "审计决定书", "审计事项移送处理书")
CLASSES = ("违规金额", "管理不规范金额", "损失浪费金额", "非金额计量问题")
DISPOSITIONS = ("应上缴财政", "应归还原渠道资金", "应减少财政拨款或补贴", "应调账处理", "其他", "移送处理")
MODES = ("立行立改", "分阶段整改", "持续整改")
PROGRESS = ("未完成", "基本完成", "已完成")
MATTERS = ("预算执行和其他财政收支情况审计", "经济责任审计", "政府投资项目审计", "专项资金审计调查")
PROBLEMS = (
    "未按规定将非税收入及时足额上缴国库",
    "无预算、超预算列支费用",
    "固定资产未入账,账实不符",
    "项目资金滞留,未按进度拨付",
    "政府采购未执行集中采购规定",
    "往来款项长期挂账未清理",
)
TYPES = {
    "create_time": "timestamp",
    "update_time": "timestamp",
    "amt_wan": "numeric(18,6)",
    "rect_amt_wan": "numeric(18,6)",
}
"""PostgreSQL types of the columns that an office's database would not hold as text."""


def findings(rows: int, seed: int = 1, *, payments: Sequence[str] = ()) -> tuple[pa.Table, Ledger]:
    """`rows` findings and what was planted among them. `payments`: ids of payment details that some refer to."""
    rng = np.random.default_rng([seed, 11])
    draw = Draw(FEED, "audit.audit_findings", rows, seed, rng)
    base = draw.copies(share(rows, 40), share(rows, 30))
    columns = _sound(base, seed, payments, rng)
    _spoil(columns, draw, rows)
    table = columns.table()
    changed = copied(table, draw.conflicting)
    changed = changed.set_column(
        changed.schema.get_field_index("problem_desc"),
        "problem_desc",
        pa.repeat(pa.scalar("另一表述的同一问题"), len(changed)),
    )
    table = pa.concat_tables([table, copied(table, draw.identical), changed]).combine_chunks()
    times = table["update_time"].to_numpy(zero_copy_only=False).astype(str)
    order = np.lexsort((np.arange(rows), times))
    return table.take(pa.array(order)), draw.reordered(order)


def _sound(rows: int, seed: int, payments: Sequence[str], rng: np.random.Generator) -> Columns:
    year = closed_year()
    first_day, last_day = span(year)
    units = organisations(400, SUPERVISED, 300_000, np.random.default_rng([seed, 12]))
    unit = rng.integers(0, len(units), rows)
    serial = np.arange(1, rows + 1, dtype=np.int64)
    changed = first_day * 86_400 + 40 * 86_400 + serial * ((last_day - first_day - 41) * 86_400 // (rows + 1))
    document = changed // 86_400 - rng.integers(3, 30, rows)
    kind = rng.choice(4, rows, p=[0.45, 0.3, 0.1, 0.15])
    measured = kind != 3
    moved = rng.random(rows) < 0.08
    disposition = np.where(moved, 5, rng.integers(0, 5, rows))
    amount = np.round(np.exp(rng.normal(4.0, 1.4, rows)) * 100).astype(np.int64) + 100
    violations = [code for code in sorted(codes.load("violation_codes").codes) if code.count("-") == 2]
    columns = Columns(rows)
    series = seed % 9 + 1
    columns["problem_no"] = join(f"SJ{year}{series}-", digits(serial, 5))
    columns["proj_code"] = join(f"XM{year}{series}-", digits(serial // 12 + 1, 4))
    columns["proj_name"] = join(pick(MATTERS, serial // 12 % len(MATTERS)), "(示例", digits(serial // 12 + 1, 4), ")")
    columns["audit_year"] = str(year)
    columns["adm_div_code"] = pick(in_use(), unit % len(in_use()))
    columns["adm_div_name"] = "示例区"
    columns["unit_code"] = digits(unit + 101_001, 6)
    columns["unit_name"] = units.names.take(pa.array(unit))
    columns["unifsoc_cred_code"] = units.uscc(unit)
    columns["agency_adm_level"] = pick(("3", "4", "5"), unit % 3)
    columns["doc_type"] = pick(DOCUMENTS, np.where(moved, 3, rng.integers(0, 3, rows)))
    columns["doc_no"] = join(f"示审〔{year}〕", digits(serial // 12 + 1, 4), "号")
    columns["doc_date"] = days(document, "%Y-%m-%d")
    columns["problem_desc"] = pick(PROBLEMS, rng.integers(0, len(PROBLEMS), rows))
    columns["violation_code"] = pick(violations, rng.integers(0, len(violations), rows))
    columns["law_basis"] = "财政违法行为处罚处分条例"
    columns["amt_class"] = pick(CLASSES, kind)
    columns["amt_wan"] = optional(measured, amounts(amount))
    columns["disp_type"] = pick(DISPOSITIONS, disposition)
    columns["transfer_doc_no"] = optional(moved, join(f"示审移〔{year}〕", digits(serial, 4), "号"))
    columns["transfer_flag"] = pick(("否", "是"), moved.astype(np.int64))
    _rectified(columns, document, measured, amount, rng)
    referred = (rng.random(rows) < 0.2) & bool(payments)
    columns["pay_detail_id"] = optional(referred, pick(payments or [""], rng.integers(0, max(1, len(payments)), rows)))
    columns["file_no"] = join(f"示财预〔{year}〕", digits(unit % 400 + 1, 3), "号")
    columns["is_deleted"] = "0"
    columns["create_time"] = instants(changed - 86_400)
    columns["update_time"] = instants(changed)
    columns["batch_uuid"] = f"demo-{seed}"
    columns["bdp_audit"] = ""
    return columns


def _rectified(
    columns: Columns, document: Ints, measured: npt.NDArray[np.bool_], amount: Ints, rng: np.random.Generator
) -> None:
    """How far each finding is put right: nothing, six tenths, or all of it."""
    progress = rng.integers(0, 3, columns.rows)
    rectified = np.where(progress == 2, amount, np.where(progress == 1, amount * 6 // 10, 0))
    columns["rect_amt_wan"] = optional(measured, amounts(rectified))
    columns["rect_type"] = pick(MODES, rng.integers(0, 3, columns.rows))
    columns["rect_deadline"] = days(document + 60, "%Y-%m-%d")
    columns["rect_status"] = pick(PROGRESS, progress)
    columns["rect_date"] = optional(progress == 2, days(document + 2))


def _spoil(columns: Columns, draw: Draw, size: int) -> None:
    at = draw.take("bad_check_digit", "unifsoc_cred_code", "quarantined", share(size, 60))
    columns.replace("unifsoc_cred_code", at, as_text(broken(as_bytes(columns.cells("unifsoc_cred_code", at)))))
    at = draw.take("division_never_existed", "adm_div_code", "quarantined", share(size, 40))
    columns.replace("adm_div_code", at, NEVER[1])
    at = draw.take("yuan_for_wan_yuan", "rect_amt_wan", "quarantined", share(size, 40), "the column is in 万元")
    columns.replace("amt_class", at, CLASSES[0])
    columns.replace("amt_wan", at, amounts(at + 1_000))
    columns.replace("rect_amt_wan", at, amounts((at + 1_000) * 10_000))
    at = draw.take("future_date", "doc_date", "quarantined", share(size, 30))
    columns.replace("doc_date", at, "2099-12-31")
    at = draw.take("unknown_code", "amt_class", "quarantined", share(size, 20))
    columns.replace("amt_class", at, "其他金额")
    at = draw.take("full_width_digits", "unifsoc_cred_code", "normalised", share(size, 60))
    columns.replace("unifsoc_cred_code", at, [full_width(text) for text in columns.cells("unifsoc_cred_code", at)])
    at = draw.take("mixed_date_form", "doc_date", "normalised", share(size, 100))
    columns.replace("doc_date", at, [_spelled(text) for text in columns.cells("doc_date", at)])
    at = draw.take("informant_number", "problem_desc", "masked", share(size, 20))
    numbers = impossible_citizen_numbers(len(at))
    columns.replace("problem_desc", at, [f"举报人(身份证号{number})反映虚列支出" for number in numbers])
    at = draw.take("secret_mark", "problem_desc", "refused", share(size, 15))
    columns.replace("problem_desc", at, "秘密★3年 专项核查情况")
    at = draw.take("subject_above_hub", "agency_adm_level", "refused", share(size, 15))
    columns.replace("agency_adm_level", at, [("1", "2")[k % 2] for k in range(len(at))])
    at = draw.take("deleted_before_first_seen", "is_deleted", "unchanged", share(size, 30))
    columns.replace("is_deleted", at, "1")


def _spelled(text: str) -> str:
    year, month, day = text.split("-")
    return f"{year}年{int(month)}月{int(day)}日"
