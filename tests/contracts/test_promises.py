"""What a contract promises is kept, or refused when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.sample import changed, read

TOPIC = "- {property: hub.topic, value: hub.audit.sample.v2}\n"
SUBJECT = "- {property: hub.subject, value: unit_uscc}\n"


def with_topic(name: str, value: str) -> str:
    return changed(TOPIC, f"{TOPIC}- {{property: hub.{name}, value: {value}}}\n")


REFUSED = {
    "taken in on arrival": (with_topic("latency", "immediate"), "HUB-CON-131", "nothing tells the hub of an arrival"),
    "no partition": (with_topic("partitions", "0"), "HUB-CON-131", "1 to 1000"),
    "too many partitions": (with_topic("partitions", "1001"), "HUB-CON-131", "1 to 1000"),
    "compaction by another key": (with_topic("topic_config", "{cleanup.policy: compact}"), "HUB-CON-131", "sample_no"),
    "compaction beside deletion": (with_topic("topic_config", '{cleanup.policy: "delete,compact"}'), "HUB-CON-131", "sample_no"),
    "an unknown policy": (with_topic("topic_config", "{cleanup.policy: shred}"), "HUB-CON-131", "compact"),
    "an unknown setting": (with_topic("topic_config", '{retention.weeks: "3"}'), "HUB-CON-131", "retention.weeks"),
    "a setting that is the operator's": (with_topic("topic_config", '{min.insync.replicas: "3"}'), "HUB-CON-131", "min.insync.replicas"),
    "a setting with a word for a number": (with_topic("topic_config", "{retention.ms: forever}"), "HUB-CON-131", "whole number"),
    "a setting below what is possible": (with_topic("topic_config", '{retention.ms: "-2"}'), "HUB-CON-131", "whole number"),
    "a setting beyond what Kafka holds": (with_topic("topic_config", '{segment.bytes: "99999999999"}'), "HUB-CON-131", "whole number"),
}  # fmt: skip


@pytest.mark.parametrize("text, code, words", REFUSED.values(), ids=REFUSED)
def test_a_promise_that_nobody_keeps_is_refused(tmp_path: Path, text: str, code: str, words: str) -> None:
    reading = read(tmp_path, text)
    assert [problem.code for problem in reading.problems] == [code]
    assert words in reading.problems[0].sentence()
    assert reading.problems[0].place[0] == 16


@pytest.mark.parametrize(
    "settings",
    ['{retention.ms: "604800000", cleanup.policy: delete}', '{retention.ms: "-1"}', '{segment.ms: "3600000"}'],
)
def test_settings_that_are_kept_pass(tmp_path: Path, settings: str) -> None:
    assert read(tmp_path, with_topic("topic_config", settings)).problems == ()
    assert read(tmp_path, with_topic("partitions", "1000")).problems == ()


def test_a_topic_may_be_compacted_where_the_kafka_key_is_the_record_key(tmp_path: Path) -> None:
    text = changed(
        SUBJECT, SUBJECT.replace("unit_uscc", "sample_no"), with_topic("topic_config", "{cleanup.policy: compact}")
    )
    assert read(tmp_path, text).problems == ()


@pytest.mark.parametrize("forms", ["[rfc3339, YYYYMMDDHHMMSS]", "[beijing]", "[date]"])
def test_forms_in_which_a_cursor_can_be_kept_pass(tmp_path: Path, forms: str) -> None:
    field = "  - name: updated_at\n"
    made = changed(field, f"{field}    customProperties:\n    - {{property: hub.forms, value: {forms}}}\n")
    assert read(tmp_path, made).problems == ()


def test_a_form_in_which_no_cursor_can_be_kept_is_refused(tmp_path: Path) -> None:
    by_day = changed("{property: hub.cursor, value: updated_at}", "{property: hub.cursor, value: found_on}")
    field = "  - name: found_on\n"
    at_field = changed(
        field, f"{field}    customProperties:\n    - {{property: hub.forms, value: [DD/MM/YYYY]}}\n", by_day
    )
    connector = "  - {property: hub.connector, value: sql_table}\n"
    at_source = changed(
        connector, f"{connector}  - {{property: hub.forms, value: {{found_on: [YYYYMMDD, DD-Mon-YY]}}}}\n", by_day
    )
    for text, form in ((at_field, "DD/MM/YYYY"), (at_source, "DD-Mon-YY")):
        (problem,) = read(tmp_path, text).problems
        assert problem.code == "HUB-CON-131" and form in problem.sentence()
    assert read(tmp_path, by_day).problems == ()


PROSE = "Agencies select the wording from a fixed list; update it set by set, create table by table --"


@pytest.mark.parametrize(
    "old, new",
    [
        ("description: Remark of the sender", f'description: "{PROSE}"'),
        ("description: A remark is short", f'description: "{PROSE}"'),
        ("purpose: To show what a contract holds.", f'purpose: "{PROSE}"'),
        ("en: carries a secrecy mark", f'en: "{PROSE}"'),
        ("description: The office's table", f'description: "{PROSE}"'),
    ],
)
def test_prose_is_no_statement(tmp_path: Path, old: str, new: str) -> None:
    assert read(tmp_path, changed(old, new)).problems == ()


def test_what_a_connector_gets_is_searched_for_statements_also_under_the_names_of_prose(tmp_path: Path) -> None:
    options = "{property: hub.options, value: {table: samples}}"
    hostile = '{property: hub.options, value: {table: samples, en: "x; drop table y"}}'
    assert "HUB-CON-139" in {problem.code for problem in read(tmp_path, changed(options, hostile)).problems}
