"""`hub feed new`: one contract from a sample of any form, which passes the lint, runs, and marks what it guessed."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.sample.making import make
from connectors.sample.reading import Asked
from contracts import reader
from contracts.sample.writing import Identity
from hub.cli import shell
from hub.settings import ROOT, load_settings
from hub.settings import settings as hub_now

REAL = load_settings().shared_data / "real"
OWN = Identity("audit_sample_reports", "audit", "audit_office")
ENGLISH = ["Report No", "Unit Code", "Amount (CNY)", "Issued Date", "Updated At", "Is Final", "Severity", "Remark"]
CHINESE = ["报告编号", "单位代码", "金额(万元)", "检查日期", "更新时间", "是否整改", "等级", "备注"]


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A contracts folder with the house's code lists and no feed."""
    root = tmp_path / "contracts"
    (root / "feeds").mkdir(parents=True)
    (root / "codes").symlink_to(ROOT / "contracts" / "codes")
    monkeypatch.setenv("HUB_CONTRACTS", str(root))
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    hub_now.cache_clear()
    yield root
    hub_now.cache_clear()


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


FORMS = ["utf8", "bom", "gb18030", "cp1252", "utf16", "tabs", "xlsx", "json", "parquet"]


@pytest.mark.parametrize("kind", FORMS)
def test_a_sample_of_any_form_becomes_a_contract_that_its_own_rows_pass(house, tmp_path, kind):
    path, connector = sample(tmp_path, kind)
    made = new(path)
    contract, text = written(made, house)
    assert (made.tried.rows, made.tried.good) == (240, 240), made.tried
    assert contract.sources[0].connector == connector
    by_source = {spec.source_name: spec for spec in contract.fields}
    assert contract.key == (next(iter(by_source.values())).name,)
    kinds = [spec.type for spec in contract.fields]
    assert kinds[2:6] == ["decimal", "date", "timestamp", "boolean"], [(s.name, s.type) for s in contract.fields]
    assert contract.field(contract.subject).source_name in ("Unit Code", "单位代码", "report.unit")
    assert "review" in text and contract.status == "draft"
    enum = [rule for rule in contract.row_rules if rule.kind == "enum"]
    assert 3 in [len(rule.args["values"]) for rule in enum] and {rule.severity for rule in enum} == {"warning"}
    # what the tests over every contract ask for
    batch = {rule.kind for rule in contract.batch_rules}
    assert {"row_count", "duplicates", "null_share", "distribution_change"} <= batch and len(contract.batch_rules) >= 5
    for spec in contract.fields:
        assert re.search(r"[\u3400-\u9fff]", spec.label_zh) and re.search("[A-Za-z]", spec.label_en)


def test_units_and_words_of_chinese_headers(house, tmp_path):
    path, _ = sample(tmp_path, "gb18030")
    contract, _ = written(new(path), house)
    amount = contract.field("amount_cny")
    assert (amount.unit, amount.type, amount.scale) == ("wan_yuan", "decimal", 2)
    assert contract.field("inspection_on").label_zh == "检查日期"
    assert contract.field("is_rectification").forms == ("是/否",)
    assert {rule.kind for rule in contract.gate_rules} == {"secrecy", "personal_data"}


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("gb18030", ","), ("windows-1252", ";"), ("utf-16", "|"), ("utf-8", ",")]
)
def test_what_was_guessed_of_the_file_stands_in_the_options(house, tmp_path, encoding, delimiter):
    kind = {"gb18030": "gb18030", "windows-1252": "cp1252", "utf-16": "utf16", "utf-8": "utf8"}[encoding]
    contract, _ = written(new(sample(tmp_path, kind)[0]), house)
    options = contract.sources[0].options
    assert (options["encoding"], options.get("delimiter", ",")) == (encoding, delimiter)


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


@pytest.mark.parametrize(
    ("name", "values", "kind", "forms"),
    [
        ("Day", ["13/02/2024", "01/03/2024"], "date", ("DD/MM/YYYY",)),
        ("Day", ["02/13/2024", "03/01/2024"], "date", ("MM/DD/YYYY",)),
        ("Day", ["26-Sep-13", "01-Oct-13"], "date", ("DD-Mon-YY",)),
        ("Due date", ["20240131", "20240201"], "date", ("YYYYMMDD",)),
        ("Figure", ["20240131", "20240201"], "integer", ("plain",)),
        ("Price", ["1,234.50", "12.00"], "decimal", ("plain", "thousands")),
        ("Price", ["£1,234.50", "£12"], "decimal", ("plain", "currency")),
        ("Price", ["1.234,50", "0,99"], "decimal", ("comma",)),
        ("Price", ["(5.00)", "7.25"], "decimal", ("plain", "parentheses")),
        ("Size", ["1E+3", "2.5"], "decimal", ("plain", "exponent")),
        ("Zip", ["00501", "10001"], "string", ()),
        ("Ward", ["007", "011"], "string", ()),
        ("Flag", ["YES", "No"], "boolean", ("yes/no",)),
        ("Changed", ["2024-01-31 08:00:00", "2024-02-01 09:30:00"], "timestamp", ("beijing",)),
        ("Big", ["99999999999999999999999", "1"], "decimal", ("plain",)),
        ("Word", ["a", "b"], "string", ()),
    ],
)
def test_types_and_forms_are_those_that_the_parsers_read(house, tmp_path, name, values, kind, forms):
    spec, _, made = column(house, tmp_path, name, values * 20)
    assert (spec.type, spec.forms) == (kind, forms)
    assert made.tried.good == made.tried.rows == 40


def test_a_date_that_can_be_read_two_ways_is_marked_loudly(house, tmp_path):
    spec, text, _ = column(house, tmp_path, "Day", ["01/02/2024", "03/04/2024"])
    assert spec.type == "date" and "AMBIGUOUS: DD/MM/YYYY and MM/DD/YYYY both fit" in text


def test_mixed_types_stay_text_and_are_told(house, tmp_path):
    values = [str(at) for at in range(95)] + ["about 12", "see annex", "12a", "x", "y"]
    spec, text, made = column(house, tmp_path, "Weight", values)
    assert spec.type == "string" and "MIXED: 95 of 100" in text
    assert made.tried.good == 100, "nothing is lost"
    assert "see annex" not in text


def test_texts_for_no_value_are_set_aside_where_the_rest_has_a_type(house, tmp_path):
    spec, text, made = column(house, tmp_path, "Weight", [*map(str, range(50)), "N/A", "-"])
    assert (spec.type, set(spec.null_values)) == ("integer", {"N/A", "-"})
    assert made.tried.good == 52
    spec, text, _ = column(house, tmp_path, "Name of place", [*(f"place {at}" for at in range(50)), "None"])
    assert spec.null_values == () and "mean `no value`" in text


def test_an_amount_without_unit_is_asked_about(house, tmp_path):
    spec, text, _ = column(house, tmp_path, "Amount", ["1.5", "2"])
    assert spec.unit is None and "UNIT: the header names none" in text


def test_a_code_list_of_the_house_is_recognised(house, tmp_path):
    spec, _, _ = column(house, tmp_path, "Currency", ["GBP", "EUR", "CNY"] * 10)
    assert (spec.name, spec.code_list) == ("currency_code", "currencies")
    spec, _, _ = column(house, tmp_path, "行政区划", ["110101", "110102", "310101"] * 10)
    assert (spec.name, spec.code_list) == ("division_code", "divisions")


PEOPLE = ["张伟", "王芳", "李娜", "刘洋", "陈静", "杨勇"]
NUMBERS = ["11010519491231002X", "440524188001010014"]


@pytest.mark.parametrize(
    ("name", "values"),
    [("Inspector", ["J. Doe", "A. Roe"]), ("经办", PEOPLE), ("Contact phone", ["13800138000", "13912345678"]), ("Wire", ["a@example.org", "text"])],
)  # fmt: skip
def test_what_speaks_of_people_is_classified_and_never_quoted(house, tmp_path, name, values):
    spec, text, made = column(house, tmp_path, name, values * 20)
    assert "PERSONAL" in text
    assert spec is None or (spec.classification == "personal" and not spec.published)
    for value in values:
        assert len(value) < 5 or value not in text
        assert not any(value in word for word in text.split('"')) or value == "text"
    assert made.tried.good == made.tried.rows


UYGHUR = ["买买提江", "欧阳修文", "阿依古丽"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Handler", ["John Smith", "Mary Jones", "Aigul Bekova"]), ("Suspect Alias", ["Lao Wang", "Xiao Li"]), ("经办", UYGHUR),
        ("主办人员", UYGHUR), ("Case officer", ["Smith", "Jones"]), ("责任人", UYGHUR), ("Approved by", ["smith-j", "jones-m"]),
    ],
)  # fmt: skip
def test_whoever_handles_or_is_meant_is_a_person_by_the_header(house, tmp_path, name, values):
    spec, text, made = column(house, tmp_path, name, values * 20)
    assert spec.classification == "personal" and not spec.published
    assert not any(value in text for value in values)
    assert not [rule for rule in made.contract.row_rules if rule.kind == "enum"]


@pytest.mark.parametrize(
    "values",
    [
        ["John Smith", "Mary Jones"], ["Smith", "Jones"], ["smith", "jones"], ["SMITH", "JONES"], ["LI", "WU", "Xu"], UYGHUR,
        ["Lao Wang", "Open"], ["老王", "小李"], ["张伟", "正常"], ["高大", "金正"], ["买买提江", "完成"], ["j.smith@x", "m"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("name", ["Column", "栏目"])
def test_values_that_may_be_names_are_counted_and_not_written(house, tmp_path, name, values):
    spec, text, made = column(house, tmp_path, name, values * 20)
    assert not any(value in text for value in values if len(value) > 1), "whatever the header says"
    assert not [rule for rule in made.contract.row_rules if rule.kind == "enum"]
    personal = spec is None or spec.classification == "personal"
    assert personal or f"{len(values)} different values in {20 * len(values)} rows, not written here" in text


@pytest.mark.parametrize(
    "values",
    [
        ["A1", "B-2", "C/3"], ["CNY", "USD"], ["4", "B", "R"], ["ANY", "No", "Yes"], ["low", "mid", "high"], ["甲", "乙", "丙"],
        ["Reinspection", "Routine"], ["Risk Based Inspection", "Food/Risk 3 Inspection"], ["已整改", "未整改", "部分整改"],
        ["公开招标", "竞争性谈判", "单一来源采购"], ["项目支出", "基本支出"], ["高风险", "低风险"], ["一般公共预算", "政府性基金"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_codes_and_known_labels_become_a_rule(house, tmp_path, values):
    _, _, made = column(house, tmp_path, "Grade", values * 20)
    (rule,) = [rule for rule in made.contract.row_rules if rule.kind == "enum"]
    assert sorted(rule.args["values"]) == sorted(values)


def test_columns_of_identity_numbers_and_of_private_life_are_dropped_at_the_gate(house, tmp_path):
    for name, values in (("证件", NUMBERS), ("宗教信仰", ["甲", "乙"]), ("Marital Status", ["m", "s"])):
        spec, text, made = column(house, tmp_path, name, values * 20)
        assert spec is None
        drop = next(rule for rule in made.contract.gate_rules if rule.kind == "forbidden_field")
        assert (drop.action, list(drop.args["names"])) == ("drop_field", [name])
        assert not any(value in text for value in NUMBERS)
        assert made.tried.good == made.tried.rows == 20 * len(values)


def test_numbers_within_text_are_masked(house, tmp_path):
    values = [f"report {at} of the office" for at in range(50)] + [f"handed in by {NUMBERS[0]} on Monday"]
    spec, text, made = column(house, tmp_path, "Remark", values)
    assert spec.classification == "personal" and made.tried.masked == 1
    assert NUMBERS[0] not in text


def test_keys_of_several_columns_and_rows_that_repeat(house, tmp_path):
    path = tmp_path / "k.csv"
    lines = [[f"I{at // 5}", f"S{at % 5}", f"text {at}", "x"] for at in range(100)]
    path.write_text(text_of(["Inspection ID", "Section", "Text", "Same"], [*lines, lines[0]]), encoding="utf-8")
    contract, text = written(new(path), house)
    assert contract.key == ("inspection_id", "section")
    assert "1 rows repeat another in full" in text


def test_a_key_that_does_not_tell_all_rows_apart_is_told_and_what_conflicts_is_counted(house, tmp_path):
    path = tmp_path / "k.csv"
    lines = [[f"I{at % 50}", "1.5" if at < 50 else ""] for at in range(60)]
    path.write_text(text_of(["Code", "Figure"], lines), encoding="utf-8")
    made = new(path)
    contract, text = written(made, house)
    assert contract.key == ("code",)
    assert "20 of 60 rows share it with a row that differs" in text
    assert made.tried.good == 40


def test_sheets_of_another_header_are_not_read_and_that_is_told(house, tmp_path):
    book = openpyxl.Workbook()
    for title, header in (("a", ["Id", "V"]), ("notes", ["Something", "else", "here"]), ("b", ["Id", "V"])):
        sheet = book.create_sheet(title)
        sheet.append(header)
        for at in range(30):
            sheet.append([f"{title}{at}", at, at][: len(header)])
    del book["Sheet"]
    book.save(tmp_path / "s.xlsx")
    made = new(tmp_path / "s.xlsx")
    assert list(made.contract.sources[0].options["sheets"]) == ["a", "b"]
    assert made.tried.good == 60 and any("1 of 3 sheets" in note for note in made.sample.notes)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("x.csv", b"", "HUB-CON-402"), ("x.csv", b"a,b\n", "HUB-CON-401"), ("x.csv", b"\x00\x01\x02" * 50, "HUB-CON-402"),
        ("x.csv", b"a,A \n1,2\n", "HUB-CON-401"), ("x.csv", b"a,a\n1,2\n", "HUB-SRC-015"), ("x.xls", b"\xd0\xcf\x11\xe0", "HUB-CON-402"),
        ("x.xlsx", b"no workbook", "HUB-SRC-030"), ("x.json", b"{", "HUB-SRC-063"), ("x.json", b'{"a": 1}', "HUB-CON-402"),
        ("x.parquet", b"PAR1nothing", "HUB-SRC-032"), ("x.jsonl", b'{"a":1}\n', "HUB-CON-402"), ("x.csv", b"a\n\xe4\xb8\n", None),
        ("x.csv", b"Citizen number\n11010519491231002X\n", "HUB-CON-401"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_sample_is_an_error_with_a_remedy(house, tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    words = ["feed", "new", OWN.feed, "--domain", "audit", "--from", str(tmp_path / name)]
    done = CliRunner().invoke(shell, words)
    if code is None:
        assert done.exit_code == 0, done.output
        return
    found = getattr(done.exception, "code", done.exception)
    assert found == code or (code == "HUB-SRC-063" and str(found).startswith("HUB-SRC-06")), done.exception
    assert not list(house.glob("feeds/*/*"))


@pytest.mark.parametrize("own", [
    Identity("reports", "audit", "a"), Identity("audit_Reports", "audit", "a"), Identity("audit_" + "x" * 60, "audit", "a"),
    Identity("audit_reports", "../audit", "a"), Identity("audit_reports", "audit", "Zhang San"), Identity("audit_../x", "audit", "a"),
], ids=str)  # fmt: skip
def test_a_name_that_no_feed_can_have(house, tmp_path, own):
    path, _ = sample(tmp_path, "utf8")
    with pytest.raises(Exception) as caught:
        new(path, own)
    assert caught.value.code == "HUB-CON-404"
    assert not list(house.parent.glob("**/*.odcs.yaml"))


def test_a_feed_that_is_there_is_left_as_it_is(house, tmp_path):
    path, _ = sample(tmp_path, "utf8")
    before = new(path).path.read_bytes()
    with pytest.raises(Exception) as caught:
        new(path)
    assert caught.value.code == "HUB-CON-403"
    assert (house / "feeds" / "audit" / "audit_sample_reports.odcs.yaml").read_bytes() == before


def test_the_command_tells_what_it_guessed(house, tmp_path):
    path, _ = sample(tmp_path, "utf8")
    words = ["feed", "new", OWN.feed, "--domain", "audit", "--from", str(path), "--owner", "audit_office"]
    done = CliRunner().invoke(shell, [*words, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["key"], told["key_is_unique"], told["subject"]) == (["report_no"], True, "unit_code")
    assert told["tried"]["good"] == told["rows"] == 240
    Path(told["path"]).unlink()
    text = CliRunner().invoke(shell, words, env={"COLUMNS": "250"})
    assert "240 of 240 rows of the sample are good" in text.stdout and "hub contract lint" in text.stdout


# One of each publisher; the workbook of food inspections has its own test beside its feed's.
NAMES = (
    "2013-09.csv",
    "expenditure-over-500-jul-sep-2017.csv",
    "data.csv",
    "2019-04-11-public-housing-physical-inspection-scores-2019.xlsx",
)
PUBLISHED = sorted(path for path in REAL.rglob("*") if path.name in NAMES) if REAL.is_dir() else []


@pytest.mark.skipif(not PUBLISHED, reason="HUB_SHARED_DATA does not hold the published records")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name[:40])
def test_every_published_file_becomes_a_contract(house, path):
    made = new(path)
    assert made.tried.good == made.tried.rows > 1_000, made.tried


@pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records")
@pytest.mark.parametrize(
    ("folder", "feed"),
    [
        ("us-hud-public-housing-2019", "inspection_housing_scores"),
        ("us-minneapolis-food-inspections", "inspection_food_violations"),
    ],
)
def test_codes_of_the_published_inspections_are_still_written(house, folder, feed):
    (path,) = (REAL / "inspection" / folder).glob("*.xlsx")
    (in_use,) = (ROOT / "contracts" / "feeds").rglob(f"{feed}.odcs.yaml")
    known = [
        rule.args["values"] for rule in reader.read(in_use, root=ROOT / "contracts").row_rules if rule.kind == "enum"
    ]
    drafted = [rule.args["values"] for rule in new(path).contract.row_rules if rule.kind == "enum"]
    assert drafted == known and known


CELLS = st.one_of(
    st.text(max_size=12), st.integers().map(str), st.decimals(allow_nan=False, allow_infinity=False).map(str), st.dates().map(str),
    st.sampled_from(["", "N/A", "yes", "no", "是", "1/2/2024", "=1+1", "a: b", "- x", "#c", "null", "~", "\u2028", "{a}", "'", '"', "\\"]),
)  # fmt: skip


@given(
    header=st.lists(st.text(min_size=1, max_size=15), min_size=1, max_size=5),
    body=st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=12),
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_stands_in_a_sample_the_contract_passes_or_the_error_is_ours(house, tmp_path, header, body):
    from hub.errors import HubException

    path = tmp_path / "any.csv"
    path.write_bytes(text_of(header, [row[: len(header)] for row in body]).encode("utf-8", "surrogatepass"))
    try:
        made = new(path)
    except HubException as error:
        assert not error.code.startswith("HUB-CON-1"), error
        return
    made.path.unlink()
