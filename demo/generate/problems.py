"""Problems found by inspection, as the inspection office's API gives them. Field names: rectification ledgers in practice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from demo.generate.calendar import closed_year, span
from demo.generate.columns import Columns, copied
from demo.generate.divisions import NEVER, in_use
from demo.generate.findings import PROGRESS
from demo.generate.identifiers import as_bytes, as_text, broken, impossible_citizen_numbers
from demo.generate.ledger import Draw, Ledger, share
from demo.generate.organisations import SUPERVISED, organisations
from demo.generate.text import days, digits, full_width, instants, join, optional, pick

FEED = "inspection_problems"
CONTENT = (
    "落实上级决策部署不够有力,配套措施出台滞后",
    "群众身边的问题整治不够深入",
    "财务管理不规范,报销审核把关不严",
    "工程招投标监管存在薄弱环节",
    "议事规则执行不严格,会议记录不完整",
)
DISCIPLINES = ("政治纪律", "组织纪律", "廉洁纪律", "群众纪律", "工作纪律", "生活纪律")
MEASURES = ("建章立制", "挽回损失", "追责问责", "举一反三", "专项整治", "重大措施")


def problems(rows: int, seed: int = 1) -> tuple[list[dict[str, Any]], Ledger]:
    """`rows` problems as JSON objects in the order of `updateTime`, and what was planted among them."""
    rng = np.random.default_rng([seed, 21])
    draw = Draw(FEED, "/v1/problems", rows, seed, rng)
    base = draw.copies(share(rows, 40), share(rows, 30))
    columns = _sound(base, seed, rng)
    _spoil(columns, draw, rows)
    table = columns.table()
    changed = copied(table, draw.conflicting)
    changed = changed.set_column(
        changed.schema.get_field_index("rectifyGoal"), "rectifyGoal", pa.repeat(pa.scalar("另一整改目标"), len(changed))
    )
    table = pa.concat_tables([table, copied(table, draw.identical), changed]).combine_chunks()
    times = table["updateTime"].to_numpy(zero_copy_only=False).astype(str)
    order = np.lexsort((np.arange(rows), times))
    return [_typed(row) for row in table.take(pa.array(order)).to_pylist()], draw.reordered(order)


def _sound(rows: int, seed: int, rng: np.random.Generator) -> Columns:
    year = closed_year()
    first_day, last_day = span(year)
    units = organisations(300, SUPERVISED, 400_000, np.random.default_rng([seed, 22]))
    unit = rng.integers(0, len(units), rows)
    serial = np.arange(1, rows + 1, dtype=np.int64)
    changed = (first_day + 60) * 86_400 + serial * ((last_day - first_day - 61) * 86_400 // (rows + 1))
    feedback = changed // 86_400 - rng.integers(20, 50, rows)
    progress = rng.integers(0, 3, rows)
    withheld = rng.random(rows) < 0.1
    columns = Columns(rows)
    series = seed % 9 + 1
    columns["problemNo"] = join(f"XC{year}{series}-", digits(serial, 5))
    columns["inspectionRound"] = join("8-", digits(serial * 4 // (rows + 1) + 1, 1))
    columns["inspectionYear"] = str(year)
    columns["inspectedUnitName"] = units.names.take(pa.array(unit))
    columns["unifsocCredCode"] = units.uscc(unit)
    columns["unitLevel"] = pick(("3", "4", "5"), unit % 3)
    columns["admDivCode"] = pick(in_use(), unit % len(in_use()))
    columns["performanceContent"] = pick(CONTENT, rng.integers(0, len(CONTENT), rows))
    columns["questionsSpecial"] = "示例专项"
    columns["disciplineType"] = pick(DISCIPLINES, rng.integers(0, 6, rows))
    columns["focusConcern"] = "重点领域"
    columns["focusSituation"] = ""
    columns["rectifyGoal"] = "完善制度,按期销号"
    columns["responsibleDepartment"] = join("示例单位第", digits(unit % 9 + 1, 1), "科室")
    columns["measureType"] = pick(MEASURES, rng.integers(0, 6, rows))
    columns["oftenInsist"] = pick(("true", "false"), rng.integers(0, 2, rows))
    columns["concentratedRectification"] = pick(("true", "false"), rng.integers(0, 2, rows))
    columns["feedbackTime"] = days(feedback, "%Y-%m-%d")
    columns["cutoffTime"] = days(feedback + 90, "%Y-%m-%d")
    columns["completeTime"] = optional(progress == 2, days(feedback + 10, "%Y-%m-%d"))
    columns["completeSituation"] = pick(PROGRESS, progress)
    columns["problemCompletionOverview"] = "按计划推进"
    columns["clueCount"] = pick(("0", "1", "2", "3"), rng.choice(4, rows, p=[0.8, 0.12, 0.05, 0.03]))
    columns["issueNoPublic"] = pick(("false", "true"), withheld.astype(np.int64))
    columns["issueNoPublicReason"] = optional(withheld, pa.repeat(pa.scalar("涉及正在核查事项"), rows))
    related = join(f"SJ{year}{series}-", digits(rng.integers(1, 900, rows), 5))
    columns["relatedFindingNo"] = optional(rng.random(rows) < 0.15, related)
    columns["createTime"] = instants(changed - 86_400, "+08:00")
    columns["updateTime"] = instants(changed, "+08:00")
    return columns


def _spoil(columns: Columns, draw: Draw, size: int) -> None:
    at = draw.take("bad_check_digit", "unifsocCredCode", "quarantined", share(size, 60))
    columns.replace("unifsocCredCode", at, as_text(broken(as_bytes(columns.cells("unifsocCredCode", at)))))
    at = draw.take("division_never_existed", "admDivCode", "quarantined", share(size, 40))
    columns.replace("admDivCode", at, NEVER[2])
    at = draw.take("future_date", "feedbackTime", "quarantined", share(size, 40))
    columns.replace("feedbackTime", at, "2099-12-31")
    at = draw.take("done_without_date", "completeTime", "quarantined", share(size, 40))
    columns.replace("completeSituation", at, PROGRESS[2])
    columns.replace("completeTime", at, pa.nulls(len(at), pa.string()))
    at = draw.take("full_width_digits", "unifsocCredCode", "normalised", share(size, 60))
    columns.replace("unifsocCredCode", at, [full_width(text) for text in columns.cells("unifsocCredCode", at)])
    at = draw.take("mixed_date_form", "feedbackTime", "normalised", share(size, 100))
    columns.replace("feedbackTime", at, [text.replace("-", ".") for text in columns.cells("feedbackTime", at)])
    at = draw.take("informant_number", "focusSituation", "masked", share(size, 30))
    numbers = impossible_citizen_numbers(len(at))
    columns.replace("focusSituation", at, [f"信访人 {full_width(number)} 反映" for number in numbers])
    at = draw.take("secret_mark", "performanceContent", "refused", share(size, 20))
    columns.replace("performanceContent", at, "【机密】巡察专题事项")
    at = draw.take("subject_above_hub", "unitLevel", "refused", share(size, 30))
    columns.replace("unitLevel", at, [("2", "1")[k % 2] for k in range(len(at))])


def _typed(row: dict[str, str | None]) -> dict[str, Any]:
    """JSON has numbers and truth values; the API uses them."""
    typed: dict[str, Any] = dict(row)
    for name in ("oftenInsist", "concentratedRectification", "issueNoPublic"):
        typed[name] = row[name] == "true"
    for name in ("inspectionYear", "clueCount"):
        typed[name] = int(row[name] or 0)
    return typed
