"""The published records go the whole way, from XLSX, CSV and SDMX-CSV to a consumer, reconciled with an independent reading."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from confluent_kafka import Consumer, TopicPartition

from contracts.catalogue import load_one
from contracts.model import FeedContract
from exchange.relay.serve import drain
from hub.ids import FeedId
from hub.settings import Settings, load_settings, settings
from warehouse import engine
from warehouse.way import BatchOutcome, run_feed

REAL = load_settings().shared_data / "real"
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not REAL.is_dir(), reason="HUB_SHARED_DATA does not hold the published records"),
]


@pytest.fixture
def hub(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    places = tmp_path / "places.toml"
    places.write_text(f'[places.published_records]\nroot = "{REAL}"\n')
    monkeypatch.setenv("HUB_PLACES", str(places))
    settings.cache_clear()
    yield settings()
    engine.dispose()


def feed(name: str, unique: str) -> FeedContract:
    """The contract as it stands, with a topic that no other test uses."""
    contract = load_one(FeedId(name))
    return replace(
        contract, topic=replace(contract.topic, name=f"hub.t{unique}.{contract.topic.name.split('.', 1)[1]}", lane="")
    )


def sent_and_read(contract: FeedContract, now: Settings) -> list[dict[str, Any]]:
    """Relays what waits, then reads the topic from the start with a client that knows nothing of the hub."""
    (done,) = drain(now=now)
    assert (done.state, done.error) == ("sent", None)
    password = now.kafka_password.get_secret_value() if now.kafka_password else ""
    consumer = Consumer({
        "bootstrap.servers": now.kafka_bootstrap, "group.id": "any", "isolation.level": "read_committed",
        "security.protocol": now.kafka_security_protocol, "sasl.mechanism": now.kafka_sasl_mechanism,
        "sasl.username": now.kafka_username, "sasl.password": password, "enable.auto.commit": False,
        "enable.partition.eof": True,
    })  # fmt: skip
    partitions = [TopicPartition(contract.topic.name, n, 0) for n in range(contract.topic.partitions)]
    consumer.assign(partitions)
    events, ended = [], 0
    while ended < len(partitions):
        for message in consumer.consume(500, 0.1):
            if message.error():
                ended += 1
                continue
            event = json.loads(message.value())
            event["id"] = dict(message.headers())["ce_id"].decode()
            event["kafka_key"] = message.key().decode()
            events.append(event)
    consumer.close()
    assert len({event["id"] for event in events}) == len(events) == done.events
    return events


def latest(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The record of each key after its last event; revisions of a key come in order, from 1, without a gap."""
    revisions: dict[str, int] = {}
    records: dict[str, dict[str, Any]] = {}
    for event in events:
        assert event["revision"] == revisions.get(event["key"], 0) + 1
        revisions[event["key"]] = event["revision"]
        records[event["key"]] = event["record"]
    return records


def added_up(outcomes: list[BatchOutcome]) -> tuple[int, int, int, int]:
    """(rows in, loaded, quarantined, refused) over all batches; each adds up by itself."""
    for one in outcomes:
        assert one.state == "loaded", one
        assert one.rows_in == one.loaded + one.unchanged + one.quarantined + one.refused
    return tuple(
        sum(getattr(one, name) for one in outcomes) for name in ("rows_in", "loaded", "quarantined", "refused")
    )  # type: ignore[return-value]


def read_csv(path: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


def ours(contract: FeedContract, source_name: str) -> str:
    """The field that a column of the source becomes."""
    return next(spec.name for spec in contract.fields if source_name in (spec.source_name, *spec.aliases))


def fac_key(row: dict[str, Any]) -> str:
    return "|".join(row[name] for name in ("report_id", "award_reference", "reference_number"))


def fac_good(row: dict[str, Any]) -> bool:
    """An award can't pass on more than was spent."""
    part, whole = row["passthrough_amount"], Decimal(row["amount_expended"])
    return part in (None, "") or whole == 0 or Decimal(part) / whole <= 1


def test_the_audit_workbook_with_doubled_sheets(hub: Settings, unique: str) -> None:
    contract = feed("audit_single_audit_findings", unique)
    outcomes = run_feed(contract, "fac_workbook")
    book = openpyxl.load_workbook(next((REAL / "audit/us-fac-findings-2024q1/raw").glob("*.xlsx")), read_only=True)
    rows = []
    for sheet in book.worksheets:
        lines = sheet.iter_rows(values_only=True)
        header = next(lines, None)
        rows += [dict(zip(header, line, strict=False)) for line in lines if header and any(v is not None for v in line)]
    good = {fac_key(row): row for row in rows if fac_good(row)}
    bad = [row for row in rows if not fac_good(row)]
    assert added_up(outcomes) == (len(rows), len(good), len(bad), 0)
    records = latest(sent_and_read(contract, hub))
    assert records.keys() == good.keys()
    assert sum(Decimal(r[ours(contract, "amount_expended")]) for r in records.values()) == sum(
        Decimal(r["amount_expended"]) for r in good.values()
    )
    assert {key: record[ours(contract, "aln")] for key, record in records.items()} == {
        key: row["aln"] for key, row in good.items()
    }


def test_the_audit_csv_after_the_workbook_repeats_nothing(hub: Settings, unique: str) -> None:
    contract = feed("audit_single_audit_findings", unique)
    run_feed(contract, "fac_workbook")
    csv_outcomes = run_feed(contract, "fac_csv")
    rows = read_csv(REAL / "audit/us-fac-findings-2024q1/fac_findings_2024-02-01_2024-03-20.csv")
    assert added_up(csv_outcomes)[0] == len(rows)
    assert added_up(csv_outcomes)[2] == sum(not fac_good(row) for row in rows)
    records = latest(sent_and_read(contract, hub))
    assert records.keys() == {fac_key(row) for row in rows if fac_good(row)}
    # Again: both files are known, nothing is loaded or published twice.
    assert [one for one in run_feed(contract) if not one.repeated] == []
    assert drain(now=hub) == []


def test_two_councils_of_one_feed(hub: Settings, unique: str) -> None:
    contract = feed("finance_council_spending", unique)
    outcomes = run_feed(contract)
    leeds = read_csv(REAL / "finance/gb-leeds-spend-500-2013/2013-09.csv", "windows-1252")
    oxford = [row for path in sorted((REAL / "finance/gb-oxford-spend-500").glob("*.csv")) for row in read_csv(path)]
    assert added_up(outcomes)[0] == len(leeds) + len(oxford)
    assert added_up(outcomes)[2:] == (0, 0)
    records = latest(sent_and_read(contract, hub))
    by_council: dict[str, Decimal] = {}
    for record in records.values():
        code = record["publisher_code"]
        by_council[code] = by_council.get(code, Decimal(0)) + Decimal(record["amount_gbp"])
    of_leeds = {row["TransactionNumber"]: Decimal(row["NetAmount"]) for row in leeds}
    of_oxford = {
        row.get("Trans No", row.get("trans_no")): Decimal(row.get("Amount", row.get("amount"))) for row in oxford
    }
    assert sorted(by_council.values()) == sorted([sum(of_leeds.values()), sum(of_oxford.values())])
    assert len(records) == len(of_leeds) + len(of_oxford)


def test_government_spending_checked_against_its_structure(hub: Settings, unique: str) -> None:
    contract = feed("statistics_government_spending", unique)
    outcomes = run_feed(contract)
    rows = read_csv(REAL / "statistics/oecd-gov-spending-by-function/data.csv")
    assert added_up(outcomes) == (len(rows), len(rows), 0, 0)
    events = sent_and_read(contract, hub)
    records = latest(events)
    assert len(records) == len(rows)
    assert {event["kafka_key"] for event in events} == {row["REF_AREA"] for row in rows}
    theirs = sum((Decimal(row["OBS_VALUE"]) for row in rows if row["OBS_VALUE"]), Decimal(0))
    value = ours(contract, "OBS_VALUE")
    assert (
        sum((Decimal(record[value]) for record in records.values() if record.get(value) is not None), Decimal(0))
        == theirs
    )
