"""`hub feed new`: one contract from a sample of any form, which passes the lint, runs, and marks what it guessed."""

import json
import re
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from contracts.sample import naming
from contracts.sample.writing import Identity
from hub.cli import shell
from tests.connectors.samples import OWN, column, new, sample, text_of, written

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


def test_a_chinese_name_that_a_machine_half_made_has_a_mark_of_its_own(house, tmp_path):
    values = [f"v{number}" for number in range(40)]
    spec, text, _ = column(house, tmp_path, "EXPENDITURECATERGORY", values)
    assert spec.label_zh == "字段EXPENDITURECATERGORY"
    assert "# review: the Chinese name is half made by a machine, which does not know EXPENDITURECATERGORY" in text
    for known in ("Report Status", "报告状态"):
        assert naming.untranslated(known) == []


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
    # What was guessed and nobody looked at is listed by the lint, line by line, until its mark is taken away.
    lint = ["contract", "lint", OWN.feed]
    written = Path(told["path"])
    lines = written.read_text(encoding="utf-8").splitlines()
    left = json.loads(CliRunner().invoke(shell, [*lint, "--json"]).stdout)["review"]
    assert left and all(lines[one["line"] - 1].strip() == f"# review: {one['note']}" for one in left)
    assert len(left) == sum("# review:" in line for line in lines)
    shown = CliRunner().invoke(shell, lint, env={"COLUMNS": "250"})
    assert shown.exit_code == 0 and f"{len(left)} guess(es) to look at" in shown.stdout
    assert any(one["note"].startswith("KEY 1 of 1") for one in left) and "KEY 1 of 1" in shown.stdout
    written.write_text("\n".join(line for line in lines if "# review: KEY" not in line) + "\n", encoding="utf-8")
    after = json.loads(CliRunner().invoke(shell, [*lint, "--json"]).stdout)["review"]
    assert len(after) == len(left) - 1 and not any(one["note"].startswith("KEY") for one in after)
