"""A small valid contract, and a folder to put it and its broken relatives into."""

from __future__ import annotations

from pathlib import Path

from contracts.reader import Reading, examine

PROMISES = """\
slaProperties:
- {property: frequency, value: 1, unit: d, scheduler: cron, schedule: "15 2 * * 1-5"}
- {property: freshness, value: 2, unit: d}
- {property: latency, value: 90, unit: m}
- {property: retention, value: 3, unit: years, element: landing}
- {property: retention, value: 10, unit: years, element: core}
- {property: retention, value: 90, unit: d, element: quarantine}
- {property: retention, value: 30, unit: d, element: outbox}
- {property: retention, value: 10, unit: years, element: receipts}
roles:
- {role: office_sender, access: push}
- {role: discipline_reader, access: read}
team:
  name: Data centre of the office
support:
- channel: office-data-centre
"""
"""How a contract on disk ends: service levels, roles, whom to call."""

SAMPLE = """\
apiVersion: v3.1.0
kind: DataContract
id: audit_samples
name: Samples of the audit office
version: "2.3.1"
status: active
domain: audit
description:
  purpose: To show what a contract holds.
customProperties:
- {property: hub.name_zh, value: 审计样例}
- {property: hub.purpose_zh, value: 说明契约的写法}
- {property: hub.owner, value: audit_office}
- {property: hub.subject, value: unit_uscc}
- {property: hub.topic, value: hub.audit.sample.v2}
- {property: hub.cursor, value: updated_at}
- {property: hub.cursor_overlap, value: PT10M}
- property: hub.gate
  value:
  - {id: secrecy_mark, kind: secrecy, action: refuse_row, zh: 含密级标识, en: carries a secrecy mark}
servers:
- server: office
  type: custom
  description: The office's table
  schema: audit
  customProperties:
  - {property: hub.connector, value: sql_table}
  - {property: hub.options, value: {table: samples}}
schema:
- name: sample
  logicalType: object
  properties:
  - name: sample_no
    physicalName: no
    businessName: 编号
    description: Number of the sample
    logicalType: string
    required: true
    primaryKey: true
    primaryKeyPosition: 1
    classification: internal
    logicalTypeOptions: {pattern: "[A-Z]{2}[0-9]{4}", maxLength: 6}
  - name: unit_uscc
    businessName: 统一社会信用代码
    description: Code of the unit
    logicalType: string
    required: true
    classification: internal
    customProperties:
    - {property: hub.normalise, value: [half_width, upper]}
  - name: division_code
    businessName: 行政区划
    description: Division of the unit
    logicalType: string
    classification: internal
    customProperties:
    - {property: hub.code_list, value: divisions}
  - name: amount_cny
    businessName: 金额
    description: Amount in yuan
    logicalType: number
    physicalType: decimal(18,2)
    classification: internal
    logicalTypeOptions: {minimum: 0}
    customProperties:
    - {property: hub.unit, value: wan_yuan}
    - {property: hub.forms, value: [plain, thousands]}
  - name: found_on
    businessName: 日期
    description: Day it was found
    logicalType: date
    classification: internal
    logicalTypeOptions: {minimum: "2000-01-01"}
  - name: is_repeated
    businessName: 是否屡犯
    description: Whether it was found before
    logicalType: boolean
    classification: internal
  - name: updated_at
    businessName: 更新时间
    description: When it was last changed
    logicalType: timestamp
    required: true
    classification: internal
  - name: remark
    businessName: 备注
    description: Remark of the sender
    logicalType: string
    classification: personal
    quality:
    - id: remark_short
      name: 备注不超过500字
      description: A remark is short
      type: custom
      engine: hub
      dimension: conformity
      severity: warning
      implementation: {kind: length, max: 500}
  quality:
  - id: amount_with_day
    name: 有金额须有日期
    description: An amount has a day
    type: custom
    engine: hub
    dimension: completeness
    implementation: {kind: required_if, fields: [found_on], when: {amount_cny: "*"}}
  - id: not_empty
    name: 批次不为空
    description: A batch has rows
    type: custom
    engine: great-expectations
    dimension: coverage
    implementation: {kind: row_count, min: 1}
    customProperties:
    - {property: hub.holds_batch, value: true}
"""
SAMPLE = SAMPLE.replace("physicalName: no\n", 'physicalName: "no"\n') + PROMISES

CODES = """\
# title_zh: 行政区划
# title_en: Divisions
# source: made for a test
# licence: none
# vintage: today
code,name_zh,current
110101,东城区,1
110104,宣武区,0
"""


def folder(root: Path, **files: str) -> Path:
    """A contracts folder: feed id -> text, each in the folder of its domain; with one code list."""
    (root / "codes").mkdir(parents=True, exist_ok=True)
    (root / "codes" / "divisions.csv").write_text(CODES, encoding="utf-8")
    for feed, text in files.items():
        write(root, feed, text)
    return root


def write(root: Path, feed: str, text: str) -> Path:
    """Writes one contract where it belongs."""
    path = root / "feeds" / feed.split("_", 1)[0] / f"{feed}.odcs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(root: Path, text: str, feed: str = "audit_samples") -> Reading:
    """What the reader makes of a text."""
    folder(root)
    return examine(write(root, feed, text), root=root)


def without(start: str, text: str = SAMPLE) -> str:
    """The text without the one line that begins like this."""
    lines = text.split("\n")
    hits = [line for line in lines if line.strip().startswith(start)]
    assert len(hits) >= 1, start
    lines.remove(hits[0])
    return "\n".join(lines)


def changed(old: str, new: str, text: str = SAMPLE) -> str:
    """The text with one passage changed."""
    assert old in text, old
    return text.replace(old, new, 1)


MINIMAL = """\
apiVersion: v3.1.0
kind: DataContract
id: audit_things
name: Things
version: "1.0.0"
status: active
domain: audit
description:
  purpose: To be as short as may be.
customProperties:
- {property: hub.name_zh, value: 事项}
- {property: hub.purpose_zh, value: 最短的契约}
- {property: hub.owner, value: audit_office}
- {property: hub.subject, value: thing_no}
- {property: hub.topic, value: hub.audit.thing.v1}
servers:
- server: drop
  type: custom
  description: What the office drops
  customProperties:
  - {property: hub.connector, value: file_drop}
  - {property: hub.options, value: {glob: "things*.csv"}}
schema:
- name: thing
  logicalType: object
  properties:
  - name: thing_no
    businessName: 编号
    description: Number
    logicalType: string
    required: true
    primaryKey: true
    primaryKeyPosition: 1
    classification: internal
  - name: remark
    businessName: 备注
    description: Remark
    logicalType: string
    classification: internal
slaProperties:
- {property: retention, value: 3, unit: years, element: landing}
- {property: retention, value: 10, unit: years, element: core}
- {property: retention, value: 90, unit: d, element: quarantine}
- {property: retention, value: 30, unit: d, element: outbox}
- {property: retention, value: 10, unit: years, element: receipts}
roles:
- {role: office_sender, access: push}
- {role: discipline_reader, access: read}
team:
  name: Data centre
support:
- channel: data-centre
"""
"""The least that lint lets pass: no gate, no rule, no schedule."""
