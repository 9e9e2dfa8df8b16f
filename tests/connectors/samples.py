"""Samples of one made-up table in every form, and what `hub feed new` makes of them."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.sample.making import make
from connectors.sample.reading import Asked
from contracts import reader
from contracts.sample.writing import Identity

OWN = Identity("audit_sample_reports", "audit", "audit_office")
ENGLISH = ["Report No", "Unit Code", "Amount (CNY)", "Issued Date", "Updated At", "Is Final", "Severity", "Remark"]
CHINESE = ["报告编号", "单位代码", "金额(万元)", "检查日期", "更新时间", "是否整改", "等级", "备注"]


def rows(count=240, *, chinese=False):
    yes, no = ("是", "否") if chinese else ("yes", "no")
    for at in range(count):
        day = date(2024, 1, 1) + timedelta(days=at % 90)
        yield [
            f"R-2024-{at:04d}", f"U{at % 7:03d}", f"{at * 12.5:.2f}", day.isoformat(), f"{day}T08:30:00+08:00",
            yes if at % 3 else no, "甲乙丙"[at % 3] if chinese else ("low", "mid", "high")[at % 3],
            f"第 {at} 份" if chinese else f"report {at}",
        ]  # fmt: skip


def text_of(header, lines, delimiter=","):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([header, *lines])
    return out.getvalue()


def new(path, own=OWN, **asked):
    return make(Path(path), own, place=None, asked=Asked(**asked))


def written(made, house):
    """The contract as the lint reads it from its place, and its text."""
    text = made.path.read_text(encoding="utf-8")
    assert made.path == house / "feeds" / "audit" / "audit_sample_reports.odcs.yaml"
    return reader.read(made.path, root=house), text


def sample(tmp_path, kind):
    """The same rows in each of the forms; the path and the connector that will read them."""
    chinese = kind in ("gb18030", "xlsx")
    header, lines = (CHINESE if chinese else ENGLISH), list(rows(chinese=chinese))
    path = (
        tmp_path / f"sample.{ {'xlsx': 'xlsx', 'json': 'json', 'parquet': 'parquet', 'tabs': 'tsv'}.get(kind, 'csv') }"
    )
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        for row in (["某市审计局检查报告"], [], header, *lines):
            sheet.append(row)
        book.create_sheet("空表")
        book.save(path)
    elif kind == "json":
        records = [
            {"report": {"no": row[0], "unit": row[1]}, "amount": Decimal(row[2]), "issued_date": row[3], "updated_at": row[4],
             "is_final": row[5] == "yes", "severity": row[6], "tags": ["a", row[7]]}
            for row in lines
        ]  # fmt: skip
        path.write_text(json.dumps({"data": {"items": records}, "next": None}, default=float), encoding="utf-8")
    elif kind == "parquet":
        columns = list(zip(*lines, strict=True))
        pq.write_table(
            pa.table({
                "Report No": columns[0], "Unit Code": pa.array(columns[1]).dictionary_encode(),
                "Amount": pa.array([Decimal(text) for text in columns[2]], pa.decimal128(12, 2)),
                "Issued Date": pa.array([date.fromisoformat(text) for text in columns[3]]),
                "Updated At": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * len(lines), pa.timestamp("us", "Asia/Shanghai")),
                "Is Final": pa.array([text == "yes" for text in columns[5]]), "Severity": columns[6], "Score": pa.array([at / 8 for at in range(len(lines))]),
            }),
            path, row_group_size=100,
        )  # fmt: skip
    else:
        encoding = {"utf8": "utf-8", "bom": "utf-8-sig", "gb18030": "gb18030", "utf16": "utf-16", "tabs": "utf-8"}.get(
            kind, "cp1252"
        )
        delimiter = {"tabs": "\t", "cp1252": ";", "utf16": "|"}.get(kind, ",")
        if kind == "cp1252":
            lines = [[*row[:7], f"café n° {at} — déjà vu"] for at, row in enumerate(lines)]
        path.write_bytes(text_of(header, lines, delimiter).encode(encoding))
    return path, "http_json" if kind == "json" else "file_drop"


def column(house, tmp_path, name, values, extra=()):
    """What became of one column beside an id."""
    path = tmp_path / "one.csv"
    lines = [[f"K{at}", value] for at, value in enumerate(values)]
    path.write_text(text_of(["Record ID", name], lines), encoding="utf-8")
    made = new(path)
    contract, text = written(made, house)
    made.path.unlink()
    spec = next((spec for spec in contract.fields if spec.source_name == name), None)
    return spec, text, made
