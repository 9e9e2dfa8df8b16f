"""`hub feed new`: what a sample says of people is classified, masked or dropped, and never quoted."""

import pytest

from tests.connectors.samples import column

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
