"""A contract changes: `plan` says what that does to rows that came, tables, topic and readers; `apply` does it or refuses."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from contracts import catalogue
from exchange.brokers.cluster import Cluster
from exchange.relay.serve import drain
from hub.ids import FeedId
from hub.settings import settings
from tests.exchange.house import House, line
from warehouse.engine import connection
from warehouse.errors import PromiseBroken
from warehouse.quarantine import fixing, replay
from warehouse.store import store

pytestmark = pytest.mark.stack
CITIZEN = "11010519491231002X"


REMARK = "  - name: remark\n"
NEW_FIELD = """  - name: place
    physicalName: Place
    businessName: 地点
    description: Place
    logicalType: string
    classification: internal
"""


def test_plan_shows_rows_newly_refused_by_rule_with_samples(house: House) -> None:
    house.edit(
        ("    logicalType: number\n", "    logicalType: number\n    logicalTypeOptions: {maximum: 30}\n"),
        ('"1.0.0"', '"1.1.0"'),
    )
    told = house.json("contract", "plan", house.feed)
    (batch,) = told["batches"]
    assert (batch["rows"], batch["before"], batch["after"]) == (40, 0, 11)
    assert batch["newly_refused"] == {"amount.range": 11} and batch["newly_accepted"] == {}
    assert [sample["key"] for sample in batch["samples"]] == ["R0030", "R0031", "R0032"]
    assert batch["samples"][0]["values"] == {"amount": "30.50"} and batch["samples"][0]["now"] == "refused"
    assert told["old"] == "1.0.0" and told["new"] == "1.1.0" and told["refused"] == []
    assert [change["kind"] for change in told["changes"]] == ["rule_added"]
    text = house.run("contract", "plan", house.feed).stdout
    assert "newly refused amount.range 11" in text and "amount=30.50" in text and "收紧" in text
    assert house.sql("select count(*) from hub.batch")[0][0] == 1, "a plan leaves nothing"
    assert list((settings().var / "trials").iterdir()) == []


def test_plan_shows_rows_newly_accepted_and_the_batch_that_would_be_held(house: House) -> None:
    (second,) = house.take("second.csv", [line(100, amount="n/a"), line(101, day="31.01.2026"), line(102)])
    assert second.quarantined == 2
    house.edit(('hub.forms, value: ["YYYY-MM-DD"]', 'hub.forms, value: ["YYYY-MM-DD", "YYYY.M.D", "DD/MM/YYYY"]'))
    house.edit(
        ("hub.forms, value: [plain]}", "hub.forms, value: [plain]}\n    - {property: hub.null_values, value: [n/a]}")
    )
    told = house.json("contract", "plan", house.feed, "--batches", "1")
    assert told["batches"][0]["newly_accepted"] == {"amount.type": 1}
    house.edit(("row_count, min: 1", "row_count, min: 10"))
    newest, oldest = house.json("contract", "plan", house.feed)["batches"]
    assert [rule["rule"] for rule in newest["batch_rules"] if rule["holds"]] == ["batch_not_empty"]
    assert oldest["batch_rules"] == [] or not any(rule["holds"] for rule in oldest["batch_rules"])


def test_plan_never_shows_a_personal_value_of_either_version(house: House) -> None:
    house.edit(("name: inspector\n", "name: signed_by\n"), ("classification: personal\n", "classification: internal\n"))
    rule = """  - id: nobody
    name: 不得有值
    description: Empty
    type: custom
    engine: hub
    dimension: conformity
    implementation: {kind: forbidden_if, fields: [signed_by, remark], when: {report_no: "*"}}
"""
    house.edit(("  quality:\n", "  quality:\n" + rule))
    done = house.run("contract", "plan", house.feed, "--json")
    assert "Name1" not in done.stdout and "Name3" not in done.stdout
    (batch,) = json.loads(done.stdout)["batches"]
    assert batch["newly_refused"]["nobody"] == 40
    assert set(batch["samples"][0]["values"]) == {"remark", "report_no"}
    assert "Name3" not in house.run("contract", "plan", house.feed).stdout


def test_plan_masks_numbers_that_stand_in_other_fields_and_shows_what_a_stricter_gate_does(house: House) -> None:
    # The gate of the first version does not look into this column.
    house.edit(("detect: [citizen_number]", "detect: [citizen_number], except: [remark]"))
    house.take("third.csv", [line(200, remark=f"of {CITIZEN}"), line(201)])
    house.edit((", except: [remark]", ""), ("action: mask", "action: refuse_row"))
    done = house.run("contract", "plan", house.feed, "--batches", "1", "--json")
    (batch,) = json.loads(done.stdout)["batches"]
    assert batch["newly_refused"] == {"personal_numbers": 1} and batch["after"] == 1
    assert CITIZEN not in done.stdout


def test_plan_says_ddl_topic_schema_and_who_reads(house: House) -> None:
    house.edit((REMARK, NEW_FIELD + REMARK), ('"1.0.0"', '"1.1.0"'))
    house.edit(
        (
            "- {property: hub.completeness",
            '- {property: hub.topic_config, value: {retention.ms: "86400000"}}\n- {property: hub.completeness',
        )
    )
    other = house.path.with_name(f"audit_other{house.feed[6:]}.odcs.yaml")
    text = house.path.read_text(encoding="utf-8").replace(house.feed, other.name.split(".")[0]).replace("v1", "v1")
    text = text.replace("hub.audit.t", "hub.audit.o").replace(
        "  - name: unit_code\n",
        f"  - name: unit_code\n    relationships: [{{type: foreignKey, to: {house.feed}.report_no}}]\n",
        1,
    )
    other.write_text(text, encoding="utf-8")
    told = house.json("contract", "plan", house.feed, "--batches", "0", code=1)
    assert told["refused"] == ["topic_keeps_less:retention.ms"]
    assert told["tables"]["statements"] == [
        f"alter table {schema}.{house.feed} add column place TEXT" for schema in ("core", "history")
    ]
    assert told["topic"]["action"] in ("make", "configure") and told["topic"]["config"] == {
        "retention.ms": [None, "86400000"]
    }
    assert told["schema"] == [{"field": "place", "was": "", "now": "string or null"}]
    assert told["readers"]["roles"] == ["audit_reader"] and told["readers"]["unknown"] is None
    assert told["readers"]["feeds"] == [other.name.split(".")[0]]
    assert told["batches"] == []


def test_apply_makes_columns_topic_and_record_and_twice_is_once(house: House) -> None:
    house.edit((REMARK, NEW_FIELD + REMARK), ('"1.0.0"', '"1.1.0"'))
    words = ["contract", "apply", house.feed, "--operator", "A. Engineer", "--reason", "the place is sent now"]
    told = house.json(*words)
    assert [change["kind"] for change in told["changes"]] == ["field_added"] and len(told["statements"]) == 2
    with connection() as conn:
        columns = [
            row[0]
            for row in conn.execute(
                sa.text(
                    "select column_name from information_schema.columns where table_schema = 'core' and table_name = :t"
                ),
                {"t": house.feed},
            )
        ]
    assert "place" in columns
    with Cluster() as cluster:
        assert cluster.topics([told["topic"]])
    assert house.json(*words)["statements"] == []
    acts = house.sql("select operator, object from hub.act where action = 'apply'")
    assert [tuple(row) for row in acts] == [("A. Engineer", house.feed)] * 2
    rows = house.json("contract", "versions", house.feed)
    assert [(row["version"], row["batches"]) for row in rows] == [("1.1.0", 0), ("1.0.0", 1)]
    assert house.json("contract", "plan", house.feed)["changes"] == []


def test_apply_refuses_what_breaks_and_an_exception_lets_it_through(house: House) -> None:
    house.edit(
        (
            "    classification: internal\n",
            "    classification: internal\n",
        ),
        ("- {property: hub.subject, value: unit_code}", "- {property: hub.subject, value: report_no}"),
        ('"1.0.0"', '"1.1.0"'),
    )
    words = ["contract", "apply", house.feed, "--operator", "A", "--reason", "B"]
    done = house.run(*words)
    assert done.exception.code == "HUB-PLN-002" and "subject" not in done.exception.sentence()[:5]
    assert house.json("contract", "plan", house.feed, code=1)["refused"] == ["subject_changed:contract"]
    text = house.run("contract", "plan", house.feed)
    assert text.exit_code == 1 and "no change 不变" in text.stdout and "apply refuses" in text.stdout
    assert "\n  - " in done.exception.sentence() and "\n  - " in done.exception.sentence("zh")
    assert house.sql("select count(*) from hub.contract_version")[0][0] == 1
    assert house.run("contract", "apply", house.feed).exit_code == 2, "nobody applies without a name"
    house.excepted("subject_changed:contract", "1.1.0")
    assert house.run(*words).exit_code == 0


def test_a_run_keeps_what_the_topic_promised_unless_an_exception_says_otherwise(house: House) -> None:
    house.edit(("hub.subject, value: unit_code}", "hub.subject, value: report_no}"), ('"1.0.0"', '"1.0.1"'))
    assert house.take("unread.csv", [line(99)])[0].loaded == 1, "nobody has read the topic yet"
    (drained,) = drain([catalogue.load_one(FeedId(house.feed)).topic.name], timeout=30)
    assert drained.error is None
    house.edit(("hub.subject, value: report_no}", "hub.subject, value: unit_code}"), ('"1.0.1"', '"1.1.0"'))
    with pytest.raises(PromiseBroken, match="subject_changed:contract") as caught:
        house.take("second.csv", [line(100)])
    assert "Kafka 键" in caught.value.sentence("zh") and "1.1.0" in caught.value.sentence()
    assert house.sql("select count(*) from hub.batch where delivery = 'second.csv'")[0][0] == 0, (
        "before anything is taken"
    )
    house.excepted("subject_changed:contract", "1.1.0")
    assert house.take("second.csv", [line(100)])[0].loaded == 1


def test_the_check_of_schemas_names_what_breaks_the_promise_and_since_when(house: House) -> None:
    topic = catalogue.load_one(FeedId(house.feed)).topic.name
    kept = house.run("topic", "schema", "--check", topic)
    assert kept.exit_code == 0 and "3 events keep" in kept.stdout and "均符合" in kept.stdout
    house.edit((REMARK, NEW_FIELD + REMARK), ('"1.0.0"', '"1.1.0"'))
    assert house.json("topic", "schema", "--check", topic) == {"events": 3, "breaks": []}, "what is added breaks nobody"
    assert house.take("second.csv", [line(100)])[0].loaded == 1
    house.edit((NEW_FIELD, ""), ("value: unit_code}", "value: report_no}"), ('"1.1.0"', '"1.2.0"'))
    done = house.run("topic", "schema", "--check", topic, "--json")
    found = {(row["what"], row["since"]) for row in json.loads(done.stdout)["breaks"]}
    assert done.exit_code == 1 and found == {("x-hub-kafka-key", "1.0.0"), ("record.place", "1.1.0")}
    told = house.run("topic", "schema", "--check")
    assert told.exit_code == 1 and "since 1.1.0" in told.stdout and "该成员被删除" in told.stdout
    assert topic in told.stdout


def test_a_new_major_version_with_the_same_table_gets_its_topic(house: House) -> None:
    house.edit(("value: unit_code}", "value: report_no}"), ('"1.0.0"', '"2.0.0"'))
    house.edit(('.v1"', '.v2"'))
    told = house.json("contract", "plan", house.feed)
    assert told["refused"] == [] and told["topic"]["action"] == "make" and told["topic"]["left"].endswith(".v1")
    assert house.run("contract", "apply", house.feed, "--operator", "A", "--reason", "B").exit_code == 0
    assert house.take("later.csv", [line(300)])[0].loaded == 1


def test_a_table_that_can_not_follow_is_told_and_left(house: House) -> None:
    house.edit(("decimal(18,2)", "decimal(20,4)"), ('"1.0.0"', '"2.0.0"'), ('.v1"', '.v2"'))
    told = house.json("contract", "plan", house.feed, code=1)
    assert told["tables"]["error"]["code"] == "HUB-TAB-001"
    done = house.run("contract", "apply", house.feed, "--operator", "A", "--reason", "B")
    assert done.exception.code == "HUB-TAB-001"
    assert house.sql("select count(*) from hub.contract_version")[0][0] == 1


def test_a_field_that_goes_and_one_that_comes_in_its_place_may_be_a_new_name(house: House) -> None:
    house.edit(("  - name: remark\n", "  - name: comment\n"), ('"1.0.0"', '"2.0.0"'), ('.v1"', '.v2"'))
    assert house.json("contract", "plan", house.feed, code=1)["perhaps_renamed"] == [["remark", "comment"]]
    for command in (("plan", house.feed), ("diff", f"{house.feed}@1.0.0", house.feed)):
        said = house.run("contract", *command).stdout
        assert "was remark renamed to comment? keep the name remark" in said and "请保留名称 remark" in said


def test_a_plan_on_purged_batches_says_so(house: House) -> None:
    house.take("second.csv", [line(100)])
    house.sql(
        "update hub.landed_object set purged_at = now() where kind = 'rows' and batch_id = (select batch_id from hub.batch order by batch_no limit 1)"
    )
    newest, oldest = house.json("contract", "plan", house.feed)["batches"]
    assert oldest["not_looked_at"].startswith("its rows were purged on") and oldest["newly_refused"] == {}
    assert newest["not_looked_at"] == "" and newest["rows"] == 1
    assert "purged" in house.run("contract", "plan", house.feed).stdout


def test_a_plan_judges_rows_as_people_corrected_them(house: House) -> None:
    batch = house.take("second.csv", [line(100), line(101, amount="none"), line(102, amount="none")])[0].batch_id
    sheet = house.folder / "sheet.csv"
    assert fixing.export(batch, sheet) == 2
    sheet.write_text(sheet.read_text(encoding="utf-8-sig").replace("none", "7", 1), encoding="utf-8")
    contract = catalogue.load_one(FeedId(house.feed))
    fixing.fix(contract, batch, sheet, editor="Ed", reason="a slip")
    replay.replay(contract, batch, operator="Ed", reason="a slip")
    newest = house.json("contract", "plan", house.feed)["batches"][0]
    assert (newest["rows"], newest["before"], newest["after"], newest["corrected"]) == (3, 1, 1, 1)
    assert "as corrected" in house.run("contract", "plan", house.feed).stdout


def test_a_landed_page_that_went_astray_is_an_error_of_that_batch(house: House) -> None:
    house.take("second.csv", [line(100)])
    (path,) = house.sql("select path from hub.landed_object where kind = 'rows' order by batch_id limit 1")[0]
    store().delete(path)
    newest, oldest = house.json("contract", "plan", house.feed)["batches"]
    assert oldest["error"]["code"] == "HUB-STO-001" and newest["error"] is None


def test_a_contract_that_can_not_read_the_columns_that_came(house: House) -> None:
    house.edit(('physicalName: "Remark"', "physicalName: bemerkung"), ("  - name: remark\n", "  - name: words\n"))
    (batch,) = house.json("contract", "plan", house.feed, code=1)["batches"]
    assert batch["error"]["code"].startswith("HUB-CON-2") and batch["after"] == 40
    assert "Remark" in batch["error"]["error"]


def test_a_feed_that_was_never_used_has_a_plan_too(house: House) -> None:
    house.sql("delete from hub.landed_object")
    text = (
        house.path.read_text(encoding="utf-8")
        .replace(house.feed, "audit_fresh_things")
        .replace("hub.audit.t", "hub.audit.f")
    )
    house.path.with_name("audit_fresh_things.odcs.yaml").write_text(text, encoding="utf-8")
    told = house.json("contract", "plan", "audit_fresh_things")
    assert told["old"] is None and told["batches"] == [] and told["topic"]["action"] == "make"
    assert told["tables"]["statements"][0].startswith("CREATE TABLE core.audit_fresh_things")


def test_old_versions_stay_readable(house: House) -> None:
    (second,) = house.take("second.csv", [line(100, day="31.01.2026"), line(101)])
    house.edit(
        (REMARK, NEW_FIELD + REMARK),
        ('"1.0.0"', '"1.1.0"'),
        ('hub.forms, value: ["YYYY-MM-DD"]', 'hub.forms, value: ["YYYY-MM-DD", "DD/MM/YYYY"]'),
    )
    assert house.run("contract", "apply", house.feed, "--operator", "A", "--reason", "B").exit_code == 0
    shown = house.json("contract", "diff", f"{house.feed}@1.0.0", house.feed)
    assert {change["kind"] for change in shown["changes"]} >= {"field_added", "forms_added"}
    assert house.json("batch", "show", second.batch_id)["contract_version"] == "1.0.0"
    (row,) = house.json("quarantine", "list", "--batch", second.batch_id)
    assert row["rules"] == ["issued_on.type"] and "readable as a date" in row["why"][0]
    assert house.run("trace", "R0101").exit_code == 0
    words = ["quarantine", "replay", second.batch_id, "--operator", "A", "--reason", "B", "--all"]
    judged = house.json(*words, "--as-judged")
    assert judged["quarantined"] == 1 and house.json("batch", "show", judged["batch_id"])["contract_version"] == "1.0.0"
    house.edit(('"DD/MM/YYYY"]', '"DD/MM/YYYY", "YYYY.M.D"]'))
    house.edit(('hub.forms, value: ["YYYY-MM-DD", "DD/MM/YYYY", "YYYY.M.D"]', 'hub.null_values, value: ["31.01.2026"]'))
    mended = house.json("quarantine", "replay", judged["batch_id"], "--operator", "A", "--reason", "B", "--all")
    assert mended["loaded"] == 1 and house.json("batch", "show", mended["batch_id"])["contract_version"] == "1.1.0"


def test_a_row_is_told_in_the_words_of_the_version_that_judged_it(house: House) -> None:
    house.edit(
        ("    logicalType: number\n", "    logicalType: number\n    logicalTypeOptions: {maximum: 30}\n"),
        ('"1.0.0"', '"1.1.0"'),
    )
    (second,) = house.take("second.csv", [line(100), line(1)])
    assert second.quarantined == 1
    house.edit(("    logicalTypeOptions: {maximum: 30}\n", ""), ('"1.1.0"', '"1.2.0"'))
    (row,) = house.json("quarantine", "list", "--batch", second.batch_id)
    assert row["rules"] == ["amount.range"] and "30" in row["why"][0]
    shown = house.json("quarantine", "show", second.batch_id, str(row["row"]))
    assert "30" in shown["why"][0]["en"] and "30" in shown["why"][0]["zh"]
