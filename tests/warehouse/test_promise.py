"""A run and the gate say the same of what breaks subscribers, over every kind of change; an older version that comes back breaks too."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts import reader
from contracts.diff.gate import judge
from contracts.model import FeedContract
from hub import clock
from tests.contracts.sample import folder, write
from tests.contracts.test_diff import CASES
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract
from warehouse import engine
from warehouse.errors import PromiseBroken
from warehouse.event_schema import breaks
from warehouse.feeds import promise, registry, versions
from warehouse.feeds.known import contracts

IN_A_RUN = {
    "version_fell", "key_changed", "subject_changed", "topic_changed", "partitions_changed", "topic_keeps_less",
    "reader_removed", "publish_to_reference", "publish_to_full", "completeness_changed", "cumulative_changed",
    "source_version_changed", "withdrawn_when_changed", "constant_changed", "field_removed", "field_added_required",
    "field_type_changed", "field_precision_changed", "field_made_required", "field_made_optional", "field_unpublished",
    "field_published_required", "unit_changed",
}  # fmt: skip
"""Kinds that a run refuses once the topic is there; the gate refuses more: what breaks the senders alone."""


def read(root: Path, text: str) -> FeedContract:
    folder(root)
    return reader.read(write(root, "audit_samples", text), root=root)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[FeedContract, FeedContract]]:
    """Kind of change -> the contract before and after."""
    root, made = tmp_path_factory.mktemp("cases"), {}
    for kind, (_, told, *texts) in CASES.items():
        if told is not None:
            before, after = (read(root / f"{kind}{at}", str(text)) for at, text in enumerate(texts))
            made[kind] = before, after
    return made


def topic_made(name: str, conn: sa.Connection) -> None:
    """As the relay notes it once the brokers have it."""
    conn.execute(sa.text("update hub.topic set uuid = 'u' where topic = :name"), {"name": name})


def test_what_breaks_the_schema_never_passes_the_gate(pairs: dict[str, tuple[FeedContract, FeedContract]]) -> None:
    found = {kind for kind, (old, new) in pairs.items() if breaks(old, new)}
    assert found <= IN_A_RUN and {"publish_to_full", "field_made_required", "field_added_required"} <= found


def test_a_run_refuses_what_the_gate_refuses_for_subscribers_and_table(
    hub: Hub, pairs: dict[str, tuple[FeedContract, FeedContract]]
) -> None:
    refused = set()
    with engine.connection() as conn, conn.begin():
        registry.ensure(conn, pairs["key_changed"][0])
        for old, new in pairs.values():
            promise.keep(conn, old, new)  # nobody has read the topic yet
        topic_made("hub.audit.sample.v2", conn)
        for kind, (old, new) in pairs.items():
            try:
                promise.keep(conn, old, new)
            except PromiseBroken as error:
                refused.add(kind)
                assert f"{kind}:" in error.sentence() and re.search("[\u4e00-\u9fff]", error.sentence("zh"))
                assert kind in {change.kind for change in judge(old, new, today=clock.today()).refused}
            major = replace(new, version="3.0.0", topic=replace(new.topic, name="hub.audit.sample.v3"))
            promise.keep(conn, old, major)
    # A lowered class publishes what was kept inside: that is the senders' to break, and adds to what is read.
    assert refused == IN_A_RUN


def test_only_an_exception_for_every_change_lets_a_run_through(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: dict[str, tuple[FeedContract, FeedContract]]
) -> None:
    old = pairs["unit_changed"][0]
    new = replace(pairs["unit_changed"][1], subject="sample_no", version="2.4.0")
    beside = tmp_path / new.path.replace(".odcs.yaml", ".exceptions.toml")
    beside.parent.mkdir(parents=True)
    monkeypatch.setattr(promise, "settings", lambda: type("S", (), {"contracts": tmp_path}))

    def write_for(*changes: str) -> None:
        day = clock.today() + timedelta(days=9)
        beside.write_text("".join(f'[[exception]]\nchange = "{one}"\nversion = "2.4.0"\nreason = "told in March"\nowner = "audit_steward"\nexpires = {day}\n' for one in changes))  # fmt: skip

    with engine.connection() as conn, conn.begin():
        registry.ensure(conn, old)
        topic_made(old.topic.name, conn)
        write_for("unit_changed:amount_cny")
        with pytest.raises(PromiseBroken, match="subject_changed:contract") as caught:
            promise.keep(conn, old, new)
        assert "unit_changed" not in caught.value.sentence()
        write_for("unit_changed:amount_cny", "subject_changed:contract")
        promise.keep(conn, old, new)


def test_a_version_that_comes_back_is_held_against_the_one_in_use(hub: Hub) -> None:
    """By its hash it is known: it must not get past for that."""
    fields = contract().fields
    at = next(at for at, spec in enumerate(fields) if not spec.required and spec.name not in contract().key)
    hidden = (*fields[:at], replace(fields[at], published=False), *fields[at + 1 :])
    first = replace(contract(), sha256="1" * 64, fields=hidden)
    second = replace(contract(), sha256="2" * 64)

    def use(made: FeedContract) -> None:
        with engine.connection() as conn, conn.begin():
            registry.ensure(conn, made)

    def in_use() -> tuple[str, ...]:
        with engine.connection() as conn:
            latest, (also,) = versions.latest(conn, first.id), contracts(conn, [first.id])
            listed = versions.listing(conn, first.id)
        assert latest is not None and latest.sha256 == also.sha256 == listed[0]["sha256"]
        return tuple(one["sha256"][0] for one in listed)

    for made, due in ((first, ("1",)), (second, ("2", "1")), (first, ("1", "2")), (first, ("1", "2"))):
        use(made)
        assert in_use() == due
    use(second)
    with engine.connection() as conn, conn.begin():
        topic_made(first.topic.name, conn)
    for same in (first, replace(first, sha256="3" * 64)):
        with pytest.raises(PromiseBroken, match=f"field_unpublished:{fields[at].name}"):
            use(same)
        assert in_use() == ("2", "1")
