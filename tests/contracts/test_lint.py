"""The house lint: each rule of the house has a contract that breaks it and nothing else, and is told where."""

import time

import pytest

from tests.contracts.sample import SAMPLE, changed, folder, read, without

FIELD = "  - name: remark\n"


def field(text):
    """The sample with one more field before the last."""
    return changed(FIELD, text + FIELD)


def plain_field(name, *, label="标签", kind="string", extra="", physical=""):
    more = f"    physicalType: {physical}\n" if physical else ""
    return field(
        f"  - name: {name}\n    businessName: {label}\n    description: A field\n    logicalType: {kind}\n{more}"
        f"    classification: internal\n{extra}"
    )


def hub(line):
    """The sample with one more property of the contract."""
    return changed("- property: hub.gate\n", f"- {line}\n- property: hub.gate\n")


def rule(implementation, *, engine="hub", kind="custom", more=""):
    """The sample with one more rule at the schema."""
    return changed(
        "  - id: not_empty\n",
        f"  - id: another\n    name: 另一规则\n    description: Another\n    type: {kind}\n    engine: {engine}\n"
        f"    dimension: accuracy\n    implementation: {implementation}\n{more}  - id: not_empty\n",
    )


# fmt: off
CASES = {
    # --- properties
    "unknown property": (hub("{property: hub.subjekt, value: x}"), "HUB-CON-130", "hub.subjekt"),
    "property of another place": (hub("{property: hub.forms, value: [plain]}"), "HUB-CON-130", "hub.forms"),
    "field property at a server": (changed("{property: hub.connector", "{property: hub.unit, value: yuan}\n  - {property: hub.connector"), "HUB-CON-130", "hub.unit"),
    "property in a section without any": (changed("- channel: office-data-centre", "- channel: office-data-centre\n  customProperties: [{property: hub.owner, value: x}]"), "HUB-CON-130", "- channel"),
    "wrong type": (hub("{property: hub.partitions, value: many}"), "HUB-CON-131", "hub.partitions"),
    "wrong value": (hub("{property: hub.publish, value: everything}"), "HUB-CON-131", "hub.publish"),
    "number where texts are due": (changed("[half_width, upper]", "[half_width, 3]"), "HUB-CON-131", "[half_width, 3]"),
    "property twice": (hub("{property: hub.owner, value: x}"), "HUB-CON-131", "hub.owner, value: x"),
    "no subject": (without("- {property: hub.subject"), "HUB-CON-132", "apiVersion"),
    "no topic": (without("- {property: hub.topic,"), "HUB-CON-132", "apiVersion"),
    "no connector": (without("- {property: hub.connector"), "HUB-CON-132", "- server: office"),
    "unknown step": (changed("half_width, upper", "half_width, uper"), "HUB-CON-134", "uper"),
    "unknown code list": (changed("value: divisions", "value: divisons"), "HUB-CON-134", "divisons"),
    "unknown form": (changed("[plain, thousands]", "[plain, DD/MM/YYYY]"), "HUB-CON-131", "hub.forms"),
    "unknown unit": (changed("value: wan_yuan", "value: wan"), "HUB-CON-131", "value: wan"),
    "subject of no field": (changed("hub.subject, value: unit_uscc", "hub.subject, value: unit"), "HUB-CON-134", "hub.subject"),
    # --- names
    "id is not the file": (changed("id: audit_samples", "id: audit_sampels"), "HUB-CON-133", "id: audit_sampels"),
    "domain is not the folder": (changed("domain: audit", "domain: finance"), "HUB-CON-133", "domain: finance"),
    "version of two parts": (changed('"2.3.1"', '"2.3"'), "HUB-CON-133", "version"),
    "status unknown": (changed("status: active", "status: alive"), "HUB-CON-133", "status"),
    "topic of another form": (changed("hub.audit.sample.v2", "audit-samples"), "HUB-CON-133", "hub.topic"),
    "topic of another major": (changed("hub.audit.sample.v2", "hub.audit.sample.v1"), "HUB-CON-133", "hub.topic"),
    "topic of another area": (changed("hub.audit.sample.v2", "hub.finance.sample.v2"), "HUB-CON-133", "hub.topic"),
    "field in camel case": (plain_field("projectName"), "HUB-CON-133", "projectName"),
    "field twice": (plain_field("sample_no"), "HUB-CON-133", "- name: sample_no"),
    "date without _on": (plain_field("found_date", kind="date"), "HUB-CON-133", "found_date"),
    "_on that is text": (plain_field("seen_on"), "HUB-CON-133", "seen_on"),
    "_at that is a date": (plain_field("seen_at", kind="date"), "HUB-CON-133", "seen_at"),
    "truth value without is_": (plain_field("repeated", kind="boolean"), "HUB-CON-133", "repeated"),
    "code that is a number": (plain_field("area_code", kind="integer"), "HUB-CON-133", "area_code"),
    "amount without unit": (plain_field("amount_other_cny", kind="number", physical="decimal(18,2)"), "HUB-CON-146", "amount_other_cny"),
    "unit without amount": (plain_field("total", kind="number", physical="decimal(18,2)", extra="    customProperties:\n    - {property: hub.unit, value: yuan}\n"), "HUB-CON-146", "total"),
    "no Chinese label": (changed("businessName: 金额", "businessName: amount"), "HUB-CON-132", "businessName: amount"),
    "no English meaning": (without("description: Amount in yuan"), "HUB-CON-132", "amount_cny"),
    "no Chinese name": (changed("value: 审计样例", "value: samples"), "HUB-CON-132", "hub.name_zh"),
    "one header for two fields": (plain_field("twice", extra="    physicalName: unit_uscc\n"), "HUB-CON-133", "- name: twice"),
    "header taken and ignored": (hub("{property: hub.ignored, value: [remark]}"), "HUB-CON-133", "- server: office"),
    "header ignored in other case": (hub('{property: hub.ignored, value: [" Remark"]}'), "HUB-CON-133", "- server: office"),
    "header that is another field's name": (plain_field("twice", extra='    physicalName: "Remark "\n'), "HUB-CON-133", "- name: remark"),
    "alias in full width": (changed("{property: hub.connector", "{property: hub.aliases, value: {remark: [ＮＯ]}}\n  - {property: hub.connector"), "HUB-CON-133", "hub.aliases"),
    # --- types
    "number without precision": (without("physicalType"), "HUB-CON-142", "amount_cny"),
    "number in floating point": (changed("decimal(18,2)", "double"), "HUB-CON-142", "double"),
    "array": (plain_field("many", kind="array"), "HUB-CON-142", "- name: many"),
    "option that nobody checks": (changed("{minimum: 0}", "{minimum: 0, multipleOf: 5}"), "HUB-CON-142", "multipleOf"),
    "no classification": (changed("    logicalType: boolean\n    classification: internal\n", "    logicalType: boolean\n"), "HUB-CON-132", "is_repeated"),
    "classification unknown": (changed("classification: personal", "classification: secret"), "HUB-CON-132", "classification: secret"),
    "range of a date with a number": (changed('minimum: "2000-01-01"', 'minimum: "2000"'), "HUB-CON-136", "found_on"),
    # --- identity
    "no key": (changed("    primaryKey: true\n    primaryKeyPosition: 1\n", ""), "HUB-CON-132", "schema:"),
    "key with a gap": (changed("primaryKeyPosition: 1", "primaryKeyPosition: 2"), "HUB-CON-131", "sample_no"),
    "key without place": (without("primaryKeyPosition"), "HUB-CON-132", "sample_no"),
    "key not required": (changed("    required: true\n    primaryKey", "    primaryKey"), "HUB-CON-132", "sample_no"),
    "personal key": (changed("    primaryKeyPosition: 1\n    classification: internal", "    primaryKeyPosition: 1\n    classification: personal"), "HUB-CON-131", "classification: personal"),
    "subject not required": (changed("    logicalType: string\n    required: true\n    classification: internal\n    customProperties:\n    - {property: hub.normalise", "    logicalType: string\n    classification: internal\n    customProperties:\n    - {property: hub.normalise"), "HUB-CON-131", "hub.subject"),
    "cursor without order": (changed("hub.cursor, value: updated_at", "hub.cursor, value: is_repeated"), "HUB-CON-131", "hub.cursor, value: is_repeated"),
    "overlap without form": (changed("value: PT10M", "value: ten minutes"), "HUB-CON-131", "ten minutes"),
    "overlap without cursor": (without("- {property: hub.cursor,"), "HUB-CON-131", "hub.cursor_overlap"),
    "snapshot with a cursor": (hub("{property: hub.completeness, value: snapshot}"), "HUB-CON-131", "hub.cursor, value"),
    "sealed and published in full": (hub("{property: hub.publish, value: full}").replace("classification: personal", "classification: sealed"), "HUB-CON-131", "hub.publish"),
    "personal field published": (changed("    classification: personal\n", "    classification: personal\n    customProperties:\n    - {property: hub.publish_field, value: true}\n"), "HUB-CON-131", "hub.publish_field"),
    "relationship to nowhere": (changed("    classification: personal\n", "    classification: personal\n    relationships:\n    - to: audit_none.no\n"), "HUB-CON-134", "audit_none.no"),
    "relationship to no field": (changed("    classification: personal\n", "    classification: personal\n    relationships:\n    - to: audit_samples.none\n"), "HUB-CON-134", "audit_samples.none"),
    # --- rules
    "sql rule": (changed("type: custom\n    engine: hub\n    dimension: completeness\n    implementation: {kind: required_if, fields: [found_on], when: {amount_cny: \"*\"}}", "type: sql\n    dimension: completeness\n    query: count the rows\n    mustBe: 1"), "HUB-CON-139", "amount_with_day"),
    "text rule": (changed("type: custom\n    engine: hub\n    dimension: completeness\n    implementation: {kind: required_if, fields: [found_on], when: {amount_cny: \"*\"}}", "type: text\n    dimension: completeness"), "HUB-CON-135", "amount_with_day"),
    "library rule": (changed("type: custom\n    engine: hub\n    dimension: completeness\n    implementation: {kind: required_if, fields: [found_on], when: {amount_cny: \"*\"}}", "type: library\n    dimension: completeness\n    metric: rowCount\n    mustBeGreaterThan: 3"), "HUB-CON-135", "amount_with_day"),
    "unknown engine": (rule("{kind: length, fields: [remark], max: 3}", engine="soda"), "HUB-CON-135", "engine: soda"),
    "unknown kind": (rule("{kind: lenght, fields: [remark], max: 3}"), "HUB-CON-135", "lenght"),
    "kind of the other engine": (rule("{kind: row_count, min: 1}"), "HUB-CON-135", "row_count, min: 1}"),
    "unknown argument": (rule("{kind: length, fields: [remark], maximum: 3}"), "HUB-CON-136", "maximum: 3"),
    "missing argument": (rule("{kind: enum, fields: [remark]}"), "HUB-CON-136", "kind: enum"),
    "argument of another type": (rule("{kind: length, fields: [remark], max: many}"), "HUB-CON-136", "max: many"),
    "unquoted codes in a rule": (rule("{kind: enum, fields: [division_code], values: [110101]}"), "HUB-CON-136", "values: [110101]"),
    "kind that does not fit the field": (rule("{kind: pattern, fields: [amount_cny], pattern: x}"), "HUB-CON-136", "fields: [amount_cny], pattern"),
    "rule on no field": (rule("{kind: length, fields: [remarks], max: 3}"), "HUB-CON-134", "remarks"),
    "rule without fields": (rule("{kind: length, max: 3}"), "HUB-CON-136", "{kind: length, max: 3}"),
    "comparison with no field": (rule("{kind: compare, fields: [found_on, is_repeated], op: lt}"), "HUB-CON-136", "op: lt"),
    "condition on no field": (rule('{kind: required_if, fields: [remark], when: {amuont_cny: "*"}}'), "HUB-CON-136", "amuont_cny"),
    "batch rule on no field": (rule("{kind: null_share, field: remarks, max: 0.5}", engine="great-expectations"), "HUB-CON-136", "remarks"),
    "batch rule on no rule": (rule("{kind: rule_share, rule: no_such_rule, max: 0.5}", engine="great-expectations"), "HUB-CON-134", "no_such_rule"),
    "rule id twice": (rule("{kind: length, fields: [remark], max: 3}").replace("- id: another", "- id: not_empty", 1), "HUB-CON-133", "- id: not_empty"),
    "rule without id": (without("- id: amount_with_day").replace("    name: 有金额", "  - name: 有金额"), "HUB-CON-132", "有金额"),
    "rule without Chinese": (changed("name: 有金额须有日期", "name: amount and day"), "HUB-CON-132", "amount_with_day"),
    "rule without dimension": (without("dimension: coverage"), "HUB-CON-132", "not_empty"),
    "unknown severity": (changed("severity: warning", "severity: fatal"), "HUB-CON-136", "severity: fatal"),
    "row rule that holds the batch": (rule("{kind: length, fields: [remark], max: 3}", more="    customProperties:\n    - {property: hub.holds_batch, value: true}\n"), "HUB-CON-131", "hub.holds_batch"),
    "pattern with look-ahead": (changed('"[A-Z]{2}[0-9]{4}"', '"(?=A)B"'), "HUB-CON-140", "(?=A)B"),
    "pattern RE2 refuses": (changed('"[A-Z]{2}[0-9]{4}"', '"a{2000}"'), "HUB-CON-140", "a{2000}"),
    # --- gate
    "gate of no kind": (changed("kind: secrecy,", "kind: secret,"), "HUB-CON-135", "kind: secret"),
    "gate with another's action": (changed("action: refuse_row", "action: mask"), "HUB-CON-136", "action: mask"),
    "gate on no field": (changed("kind: secrecy,", "kind: secrecy, fields: [none],"), "HUB-CON-134", "fields: [none]"),
    "gate level out of range": (changed("kind: secrecy,", 'kind: subject_level, fields: [division_code], levels: {"1": 7},'), "HUB-CON-136", "levels"),
    "gate without Chinese": (changed("zh: 含密级标识", "zh: mark"), "HUB-CON-132", "zh: mark"),
    # --- sources
    "server of a vendor's type": (changed("type: custom\n  description: The office's table\n  schema: audit", "type: postgres\n  description: The office's table\n  host: db\n  port: 5432\n  database: d\n  schema: audit"), "HUB-CON-131", "type: postgres"),
    "address of a source": (changed("  schema: audit\n  customProperties", "  schema: audit\n  host: db.example\n  customProperties"), "HUB-CON-131", "host: db.example"),
    "no description of the source": (without("description: The office"), "HUB-CON-132", "- server: office"),
    "no sources": (changed("servers:\n- server: office\n  type: custom\n  description: The office's table\n  schema: audit\n  customProperties:\n  - {property: hub.connector, value: sql_table}\n  - {property: hub.options, value: {table: samples}}\n", ""), "HUB-CON-132", "apiVersion"),
    # --- service levels, people
    "bad cron": (changed("15 2 * * 1-5", "61 2 * * 1-5"), "HUB-CON-141", "61 2"),
    "cron of six fields": (changed("15 2 * * 1-5", "0 15 2 * * 1-5"), "HUB-CON-141", "0 15 2"),
    "no freshness": (without("- {property: freshness"), "HUB-CON-132", "slaProperties"),
    "no retention of a layer": (without("- {property: retention, value: 90"), "HUB-CON-132", "slaProperties"),
    "level nobody keeps": (changed("- {property: latency, value: 90, unit: m}", "- {property: availability, value: 99}\n- {property: latency, value: 90, unit: m}"), "HUB-CON-131", "availability"),
    "nobody may push": (without("- {role: office_sender"), "HUB-CON-132", "roles"),
    "role that owns": (changed("access: push", "access: own"), "HUB-CON-131", "access: own"),
    "no team": (changed("team:\n  name: Data centre of the office\n", ""), "HUB-CON-132", "apiVersion"),
    "promise nobody keeps": (changed("    classification: personal\n", "    classification: personal\n    encryptedName: remark_enc\n"), "HUB-CON-131", "encryptedName"),
    # --- secrets and SQL
    "password": (changed("{table: samples}", "{table: samples, password: hunter22}"), "HUB-CON-138", "hub.options"),
    "token under another name": (changed("{table: samples}", "{table: samples, api_key: abc}"), "HUB-CON-138", "hub.options"),
    "user in a URL": (changed("description: The office's table", 'description: "see postgres://reader:pw@db/x"'), "HUB-CON-138", "postgres"),
    "key in a description": (changed("description: The office's table", 'description: "AKIAIOSFODNN7EXAMPLE"'), "HUB-CON-138", "AKIA"),
    "statement as a table": (changed("{table: samples}", '{table: "samples; drop table x"}'), "HUB-CON-139", "hub.options"),
    "query as a table": (changed("{table: samples}", '{table: "(select * from samples) t"}'), "HUB-CON-139", "hub.options"),
    "SQL as a column": (changed('physicalName: "no"', 'physicalName: "no) union select password from users"'), "HUB-CON-139", "physicalName"),
    "transform in SQL": (changed('    physicalName: "no"', '    transformLogic: upper(no)\n    physicalName: "no"'), "HUB-CON-139", "transformLogic"),
}
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_broken_contract_is_told_why_and_where(tmp_path, case):
    text, code, fragment = CASES[case]
    reading = read(tmp_path, text)
    assert reading.contract is None
    assert {problem.code for problem in reading.problems} == {code}, [str(problem) for problem in reading.problems]
    wanted = {number for number, line in enumerate(text.split("\n"), 1) if fragment in line}
    line = reading.problems[0].place[0]
    assert any(number <= line <= number + 6 for number in wanted), (line, wanted, str(reading.problems[0]))


REFUSED = [
    ("religion", "宗教信仰"), ("marital_status", "婚姻状况"), ("political_opinion", "政治观点"), ("spouse_name", "配偶"),
    ("wechat_id", "微信号"), ("home_address", "家庭住址"), ("proposed_treatment", "处理建议"), ("x_sanction_proposal", "标签"),
    ("informant_name", "举报人"), ("note_one", "处分建议"), ("note_two", "检举人姓名"), ("note_three", "思想动态"),
    ("fingerprint", "指纹"), ("whereabouts", "行踪"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "label"), REFUSED)
def test_nobody_is_asked_for_belief_private_life_or_proposals(tmp_path, name, label):
    reading = read(tmp_path, plain_field(name, label=label))
    assert [problem.code for problem in reading.problems] == ["HUB-CON-137"]
    assert reading.problems[0].remedy("zh")


def test_the_source_name_and_aliases_are_looked_at_too(tmp_path):
    assert (
        read(tmp_path, plain_field("note", extra="    physicalName: religiousBelief\n")).problems[0].code
        == "HUB-CON-137"
    )
    extra = "    customProperties:\n    - {property: hub.aliases, value: [举报人]}\n"
    assert read(tmp_path, plain_field("note", extra=extra)).problems[0].code == "HUB-CON-137"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("audit_opinion", "审计意见"), ("disease_centre", "疾病预防控制中心支出"), ("minority_township", "民族乡"), ("is_health_spending", "卫生健康支出"),
        ("disposition_mode", "审计处理方式"), ("childrens_services", "儿童服务"), ("believed_total", "预计合计"),
    ],
)  # fmt: skip
def test_official_conduct_may_be_named(tmp_path, name, label):
    kind = "boolean" if name.startswith("is_") else "string"
    assert read(tmp_path, plain_field(name, label=label, kind=kind)).problems == ()


def test_a_secret_is_never_repeated(tmp_path):
    for reading in (
        read(tmp_path, changed("{table: samples}", "{table: samples, password: hunter22}")),
        read(tmp_path, changed("description: The office's table", 'description: "https://u:hunter22@h/"')),
    ):
        for problem in reading.problems:
            assert "hunter22" not in str(problem.as_dict())


def test_an_unknown_rule_is_met_with_the_likely_name(tmp_path):
    reading = read(tmp_path, rule("{kind: lenght, fields: [remark], max: 3}"))
    assert "did you mean length?" in reading.problems[0].sentence()


def test_problems_of_every_kind_come_together(tmp_path):
    text = (
        changed("id: audit_samples", "id: audit_x")
        .replace("status: active", "status: NO")
        .replace("hub.owner", "hub.ower")
    )
    codes = {problem.code for problem in read(tmp_path, text).problems}
    assert {"HUB-CON-115", "HUB-CON-130", "HUB-CON-132", "HUB-CON-133"} <= codes


def test_a_thousand_wrong_things_end_soon(tmp_path):
    fields = "".join(
        f"  - name: Bad Name {number}\n    logicalType: money\n    junk: {number}\n" for number in range(2_000)
    )
    started = time.perf_counter()
    reading = read(tmp_path, changed("  - name: sample_no\n", fields + "  - name: sample_no\n"))
    assert len(reading.problems) > 1_000
    assert time.perf_counter() - started < 60


def test_the_sample_is_fine(tmp_path):
    assert read(folder(tmp_path), SAMPLE).problems == ()
