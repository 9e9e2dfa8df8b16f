"""A hub with one feed made from a sample, whose contract is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from connectors.sample.making import make
from connectors.sample.reading import Asked
from contracts import catalogue
from contracts.sample.writing import Identity
from hub import clock
from hub.cli import shell
from hub.ids import FeedId
from hub.settings import ROOT, Settings, settings
from warehouse import engine, way
from warehouse.engine import transaction


@dataclass
class House:
    """A hub with one feed made from a sample, whose sample was loaded."""

    root: Path
    folder: Path
    feed: str
    path: Path

    def edit(self, *changes: tuple[str, str]) -> None:
        text = self.path.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        self.path.write_text(text, encoding="utf-8")

    def excepted(self, change: str, version: str) -> None:
        """Writes an exception that holds for a month from today."""
        self.path.with_name(f"{self.feed}.exceptions.toml").write_text(
            f'[[exception]]\nchange = "{change}"\nversion = "{version}"\nreason = "readers asked for it"\n'
            f'owner = "audit_steward"\nexpires = {clock.today() + timedelta(days=30)}\n',
            encoding="utf-8",
        )

    def run(self, *words: str) -> Any:
        return CliRunner().invoke(shell, list(words), env={"COLUMNS": "250"})

    def json(self, *words: str, code: int = 0) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    def take(self, name: str, lines: list[str]) -> list[way.BatchOutcome]:
        path = self.folder / name
        path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        return way.run_feed(catalogue.load_one(FeedId(self.feed)), file=path)

    def sql(self, statement: str) -> Any:
        with transaction() as conn:
            found = conn.execute(sa.text(statement))
            return found.all() if found.returns_rows else None


HEADER = "Report No,Unit Code,Amount,Issued Date,Inspector,Remark"


def line(at: int, **more: str) -> str:
    values = {
        "no": f"R{at:04d}",
        "unit": f"U{at % 7:03d}",
        "amount": f"{at}.50",
        "day": "2026-01-31",
        "who": f"Name{at}",
        "remark": "fine",
    }
    return ",".join({**values, **more}.values())


@pytest.fixture
def house(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique: str) -> Iterator[House]:
    root = tmp_path / "contracts"
    (root / "feeds").mkdir(parents=True)
    (root / "codes").symlink_to(ROOT / "contracts" / "codes")
    monkeypatch.setenv("HUB_CONTRACTS", str(root))
    settings.cache_clear()
    feed = f"audit_t{unique}_reports"
    path = tmp_path / "sample.csv"
    path.write_text("\n".join([HEADER, *(line(at) for at in range(1, 60))]) + "\n", encoding="utf-8")
    made = make(path, Identity(feed, "audit", "audit_office"), place=None, asked=Asked())
    text = made.path.read_text(encoding="utf-8")
    made.path.write_text(text.replace("max: 0.05}", "max: 0.9}"), encoding="utf-8")
    it = House(root, tmp_path, feed, made.path)
    (outcome,) = it.take("first.csv", [line(at) for at in range(1, 41)])
    assert (outcome.state, outcome.loaded) == ("loaded", 40)
    yield it
    engine.dispose()
