"""A hub with one feed that is taken the whole way from files: what is delivered again gets its keys, revisions and event ids anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.model import FeedContract, FieldSpec, RowRule, SourceSpec, TopicSpec
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.brokers.topics import ensure_own
from hub import log
from hub.cli import shell
from hub.ids import PlaceId, RuleId
from hub.settings import Settings, settings
from tests.making import made
from warehouse import engine, way
from warehouse.backup.restoring import restore
from warehouse.migrate import migrate

SAID = ("key", "revision", "change", "record")


@dataclass
class House:
    """A hub with one feed, and the folder that its agency drops files in."""

    contract: FeedContract
    drop: Path
    point_at: Callable[[str, Path], None]
    delivered: list[str] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return str(self.contract.topic.name)

    def deliver(self, name: str, rows: dict[str, str]) -> None:
        lines = ["number,payee,amount", *(f"{key},P{int(key[1:]) % 7},{amount}" for key, amount in rows.items())]
        (self.drop / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def load(self) -> None:
        way.run_feed(self.contract)

    def says(self, *words: str, code: int = 0) -> str:
        log.configure("error")
        result = CliRunner().invoke(shell, list(words), catch_exceptions=True)
        told = result.exit_code if isinstance(result.exception, SystemExit | None) else repr(result.exception)
        assert told == code, (words, result.output, result.exception)
        return result.stdout

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """(event id, what it says) as a read_committed consumer gets them, in order per partition."""
        with open_reader(settings(), "tests") as reader:
            starts = {(self.topic, number): 0 for number in reader.partitions(self.topic)}
            found = sorted(reader.read(starts), key=lambda one: (one.partition(), one.offset()))
        said = [(dict(one.headers())["ce_id"].decode(), json.loads(one.value())) for one in found]
        return [(event_id, {name: data.get(name) for name in SAID}) for event_id, data in said]

    def restored(self, backup: Path, url: str) -> None:
        """The machine with the database is lost; the backup comes back into a new one."""
        engine.dispose()
        fresh = backup.parent / f"fresh-{len(list(backup.parent.glob('fresh-*')))}"
        fresh.mkdir()
        self.point_at(url, fresh)
        restore(backup)

    def lost(self) -> dict[str, Any]:
        """What is open of the events that the database lost."""
        found = json.loads(self.says("relay", "lost", "--feed", self.contract.id, "--json"))
        return dict(found["feeds"][0]) if found["feeds"] else {}

    def everything(self) -> dict[str, list[str]]:
        """All that the database holds."""
        with engine.connection() as conn:
            tables = conn.exec_driver_sql(
                "select schemaname || '.' || tablename from pg_tables where schemaname in ('hub', 'core', 'history')"
            )
            return {
                name: list(conn.exec_driver_sql(f"select t::text from {name} t order by 1").scalars())
                for name in tables.scalars().all()
            }

    def table(self) -> dict[str, str]:
        with engine.connection() as conn:
            rows = conn.exec_driver_sql(f"select number, amount::text from core.{self.contract.id}").all()
        return {row[0]: row[1] for row in rows}


@pytest.fixture
def house(hub_settings: Settings, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    drop, feed = tmp_path / "drop", f"backup_{unique}"
    drop.mkdir()
    (tmp_path / "places.toml").write_text(f'[places.here]\nroot = "{drop}"\n', encoding="utf-8")

    def point_at(url: str, var: Path) -> None:
        engine.dispose()
        monkeypatch.setenv("HUB_PLACES", str(tmp_path / "places.toml"))
        monkeypatch.setenv("HUB_DATABASE_URL", url)
        monkeypatch.setenv("HUB_VAR", str(var))
        settings.cache_clear()

    point_at(hub_settings.url(), hub_settings.var)
    fields = (
        FieldSpec("number", "编号", "number", "string", required=True, key_position=1),
        FieldSpec("payee", "收款人", "payee", "string"),
        FieldSpec("amount", "金额", "amount", "decimal", precision=18, scale=2),
    )
    contract = made(
        feed,
        fields,
        subject="payee",
        row_rules=(RowRule(RuleId("amount.range"), "range", ("amount",), {"min": "0"}),),
        sources=(SourceSpec("drop", "file_drop", PlaceId("here"), {"glob": "*.csv", "stable_seconds": 0}),),
        topic=TopicSpec(f"hub.test.{feed}.v1", 2),
    )
    migrate()
    with Cluster() as cluster:
        ensure_own(cluster)
    yield House(contract, drop, point_at)
    engine.dispose()


def keys(first: int, last: int, amount: str) -> dict[str, str]:
    return {f"K{n}": amount for n in range(first, last)}
