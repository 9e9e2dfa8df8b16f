"""Every topic that the hub's code names, and every kind of event on it, stands in the AsyncAPI document and on the subscribers' page."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from exchange.alarms.conditions import KINDS
from exchange.brokers.own_topics import POSITIONS_TOPIC
from exchange.subscribers.asyncapi import document
from exchange.subscribers.own_events import OWN_EVENTS
from hub.settings import ROOT, load_settings

PACKAGES = ("warehouse", "exchange")  # which publish
NAMED = re.compile(r"\"(hub\.[a-z_.]+\.v[0-9]+)\"")
SOURCES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
TOPICS = {name for path in SOURCES for name in NAMED.findall(path.read_text(encoding="utf-8"))} - {POSITIONS_TOPIC}
PAGES = ("docs/subscribe.md", "docs/subscribe.zh-CN.md")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return document([], load_settings())


def test_every_topic_of_the_code_has_its_channel_and_its_line_for_subscribers(made: dict[str, Any]) -> None:
    assert {"hub.ops.alarm.v1", "hub.dead.letters.v1"} <= TOPICS
    assert set(made["channels"]) == TOPICS == {one.topic.name for one in OWN_EVENTS}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in TOPICS if f"`{name}`" not in text] == [], page


@pytest.mark.parametrize("own", OWN_EVENTS, ids=lambda one: one.topic.name)
def test_every_schema_is_one_and_says_each_member_in_both_languages(own: Any) -> None:
    assert own.schemas
    for kind, schema in own.schemas.items():
        jsonschema.Draft7Validator.check_schema(schema)
        assert schema["$id"].endswith(kind) and set(schema["required"]) == set(schema["properties"])
        for name, member in schema["properties"].items():
            assert re.search(r"[\u3400-\u9fff]", member["description"]) and " / " in member["description"], name


def test_every_kind_of_alarm_is_told_to_subscribers() -> None:
    text = (ROOT / "exchange/alarms/conditions.py").read_text(encoding="utf-8")
    raised = set(re.findall(r"Condition\(\s*[\w.]+, \"([a-z_]+)\"", text))
    assert raised == set(KINDS)
    for page in PAGES:
        assert [kind for kind in KINDS if f"`{kind}`" not in (ROOT / page).read_text(encoding="utf-8")] == [], page
