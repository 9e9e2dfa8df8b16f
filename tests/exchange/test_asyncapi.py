"""The AsyncAPI document is valid by the official JSON Schema, complete, and tells no secret."""

from __future__ import annotations

import copy
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from contracts.catalogue import load
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.commands import topic
from exchange.errors import TopicUnknown
from exchange.relay.dead_letters import DeadLetter
from exchange.relay.sending import Entry, Piece
from exchange.subscribers.asyncapi import document
from exchange.subscribers.own_events import ALARMS
from hub.settings import ROOT, load_settings
from tests.warehouse.test_event_schema import events
from warehouse.changeset import event_type

OFFICIAL = Path(__file__).parent / "asyncapi" / "3.0.0.json"
CONTRACTS = list(load(ROOT / "contracts").feeds.values())
NOW = load_settings(kafka_bootstrap="a.example:9092,b.example:9092", kafka_username="hub", kafka_password="tell-nobody")


@lru_cache(maxsize=1)
def official() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))


def wrong(of: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in official().iter_errors(of)]


def resolved(made: dict[str, Any], reference: str) -> Any:
    found: Any = made
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["$ref"]] if "$ref" in value else [one for item in value.values() for one in references(item)]
    return [one for item in value for one in references(item)] if isinstance(value, list) else []


def test_the_official_schema_is_the_published_one() -> None:
    digest = hashlib.sha256(OFFICIAL.read_bytes()).hexdigest()
    assert digest == "d4571a420e6ffb7fcc7066c95a6db1202f299a3c51daa103d0706bf30f95e626"


@pytest.mark.parametrize(
    ("protocol", "mechanism", "contracts"),
    [
        ("SASL_PLAINTEXT", "SCRAM-SHA-512", CONTRACTS),
        ("SASL_SSL", "SCRAM-SHA-256", CONTRACTS[:1]),
        ("SASL_SSL", "PLAIN", CONTRACTS[:1]),
        ("SSL", "PLAIN", CONTRACTS[:1]),
        ("PLAINTEXT", "SCRAM-SHA-512", []),
    ],
)
def test_the_document_is_valid_by_the_official_schema(protocol: Any, mechanism: Any, contracts: Any) -> None:
    now = NOW.model_copy(update={"kafka_security_protocol": protocol, "kafka_sasl_mechanism": mechanism})
    made = document(contracts, now)
    assert wrong(made) == []
    assert ("securitySchemes" in made["components"]) == protocol.startswith("SASL")
    assert {one["host"] for one in made["servers"].values()} == {"a.example:9092", "b.example:9092"}
    assert "tell-nobody" not in json.dumps(made)


def test_the_official_schema_finds_what_is_wrong() -> None:
    made = document(CONTRACTS[:1], NOW)
    for change in (
        lambda d: d.update(asyncapi="2.6.0"),
        lambda d: d["info"].pop("version"),
        lambda d: next(iter(d["channels"].values())).update(adress="x"),
        lambda d: next(iter(d["operations"].values())).update(action="publish"),
        lambda d: next(iter(d["channels"].values()))["bindings"]["kafka"].update(partitions=0),
        lambda d: next(iter(d["components"]["messages"].values())).update(payloads={}),
        lambda d: d["components"]["securitySchemes"]["password"].update(type="scram"),
    ):
        damaged = copy.deepcopy(made)
        change(damaged)
        assert wrong(damaged)


def test_every_feed_has_its_channel_and_every_reference_leads_somewhere() -> None:
    made = document(CONTRACTS, NOW)
    assert set(made["channels"]) == {one.topic.name for one in CONTRACTS} | {DEAD_LETTERS_TOPIC, ALARMS.topic.name}
    for reference in references(made):
        assert resolved(made, reference)
    for one in CONTRACTS:
        channel = made["channels"][one.topic.name]
        assert channel["bindings"]["kafka"]["partitions"] == one.topic.partitions
        for change in ("recorded", "corrected", "withdrawn"):
            message = resolved(made, channel["messages"][f"{event_type(one.topic.name)}.{change}"]["$ref"])
            payload = resolved(made, message["payload"]["$ref"])
            for event in events(one, change, 5):
                jsonschema.Draft7Validator(payload).validate(event)
            assert one.subject in message["bindings"]["kafka"]["key"]["description"]


def test_a_dead_letter_is_what_the_document_says() -> None:
    entry = Entry(7, "e", "changes", "hub.x.v1", "b", "p", "s", 1, None)
    piece = Piece(entry, 3, [b"k"], [b"{}"], [[("ce_id", b"f:k:1"), ("ce_subject", b"k")]])
    _, (value,), (headers,) = DeadLetter.of("hub.x.v1", piece, "MSG_SIZE_TOO_LARGE").message()
    made = document([], NOW)
    message = made["components"]["messages"]["hub.dead_letter.recorded"]
    jsonschema.Draft7Validator(resolved(made, message["payload"]["$ref"])).validate(json.loads(value or b""))
    said = {name: text.decode() for name, text in headers}
    jsonschema.Draft7Validator(message["headers"]).validate(said)


def test_the_command_prints_it_as_yaml_and_as_json_and_writes_it(tmp_path: Path) -> None:
    def ran(*words: str) -> str:
        result = CliRunner().invoke(topic.app, list(words))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    made = json.loads(ran("asyncapi", "--json", "--server", "kafka.example:9093"))
    assert wrong(made) == []
    assert made["servers"]["broker1"]["host"] == "kafka.example:9093"
    assert yaml.safe_load(ran("asyncapi", "--server", "kafka.example:9093")) == made
    one = CONTRACTS[0]
    ran("asyncapi", one.topic.name, "--to", str(tmp_path / "a.yaml"))
    part = yaml.safe_load((tmp_path / "a.yaml").read_text(encoding="utf-8"))
    assert set(part["channels"]) == {one.topic.name, DEAD_LETTERS_TOPIC}
    assert wrong(part) == []
    schemas = json.loads(ran("schema", one.id))
    assert list(schemas) == [
        f"{event_type(one.topic.name)}.{change}" for change in ("recorded", "corrected", "withdrawn")
    ]
    (raised, *_) = schemas = json.loads(ran("schema", ALARMS.topic.name))
    assert raised == "ops.alarm.raised" and list(schemas) == list(ALARMS.schemas)
    assert isinstance(CliRunner().invoke(topic.app, ["schema", "no.such"]).exception, TopicUnknown)
