"""A contract on disk, as an operator's commands read it."""

from __future__ import annotations

import shutil
from pathlib import Path

from hub.settings import ROOT
from tests.contracts.sample import PROMISES, write

FEED = "audit_vouchers"

TEXT = """\
apiVersion: v3.1.0
kind: DataContract
id: audit_vouchers
name: Vouchers
version: "1.0.0"
status: active
domain: audit
description:
  purpose: For subscribers' trials.
customProperties:
- {property: hub.name_zh, value: 凭证}
- {property: hub.purpose_zh, value: 供订阅方试用}
- {property: hub.owner, value: audit_office}
- {property: hub.subject, value: payee}
- {property: hub.topic, value: hub.audit.TOPIC.v1}
- {property: hub.partitions, value: 3}
- {property: hub.source_version, value: version}
- {property: hub.withdrawn_when, value: {is_void: "true"}}
- property: hub.gate
  value:
  - {id: secrecy_mark, kind: secrecy, action: refuse_row, zh: 含密级标识, en: carries a secrecy mark}
servers:
- server: drop
  type: custom
  description: Files
  format: csv
  customProperties:
  - {property: hub.connector, value: file_drop}
  - {property: hub.place, value: drop}
  - {property: hub.options, value: {glob: "*.csv", encoding: utf-8, stable_seconds: 0}}
schema:
- name: voucher
  logicalType: object
  properties:
  - name: voucher_no
    businessName: 凭证编号
    description: Number of the voucher
    logicalType: string
    required: true
    primaryKey: true
    primaryKeyPosition: 1
    classification: internal
  - name: payee
    businessName: 收款单位
    description: Who was paid
    logicalType: string
    required: true
    classification: internal
  - name: amount_cny
    businessName: 金额
    description: Amount in yuan
    logicalType: number
    physicalType: decimal(18,2)
    required: true
    classification: internal
    customProperties:
    - {property: hub.unit, value: yuan}
  - name: paid_on
    businessName: 支付日期
    description: Day of payment
    logicalType: date
    classification: internal
  - name: paid_at
    businessName: 支付时间
    description: Instant of payment
    logicalType: timestamp
    classification: internal
  - name: version
    businessName: 版本
    description: Version of the record
    logicalType: integer
    required: true
    classification: internal
  - name: is_void
    businessName: 是否作废
    description: Whether it was voided
    logicalType: boolean
    required: true
    classification: internal
  - name: remark
    businessName: 备注
    description: Remark of the sender
    logicalType: string
    classification: personal
  quality:
  - id: not_empty
    name: 批次不为空
    description: A batch has rows
    type: custom
    engine: great-expectations
    dimension: coverage
    implementation: {kind: row_count, min: 1}
"""

HEADER = "voucher_no,payee,amount_cny,paid_on,paid_at,version,is_void,remark"


def folder(root: Path, unique: str) -> Path:
    """A folder of contracts that holds this one and the code lists."""
    shutil.copytree(ROOT / "contracts" / "codes", root / "codes")
    write(root, FEED, TEXT.replace("TOPIC", f"voucher{unique}") + PROMISES)
    return root


def line(at: int, version: int = 1, payee: str = "", void: str = "false") -> str:
    return (
        f"V{at:05d},{payee or f'单位{at % 11}'},{at}.50,2026-01-31,2026-03-01T08:00:00Z,{version},{void},secret of {at}"
    )
