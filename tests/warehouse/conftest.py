"""A hub for each test: a migrated database, a store, a folder where an agency drops files."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub import crash
from hub.settings import settings
from warehouse import engine
from warehouse.changeset import ChangeSet
from warehouse.store import store


@dataclass(frozen=True)
class Hub:
    """The test's hub."""

    drop: Path

    def all(self, query: str, **params: Any) -> list[Any]:
        with engine.connection() as conn:
            return list(conn.execute(sa.text(query), params).all())

    def one(self, query: str, **params: Any) -> Any:
        found = self.all(query, **params)
        assert len(found) == 1, found
        return found[0]

    def value(self, query: str, **params: Any) -> Any:
        return self.one(query, **params)[0]

    def events(self, feed: str = "sample_vouchers") -> list[dict[str, Any]]:
        """Every event handed to the outbox, in lane order."""
        found = []
        for path, topic in self.all(
            "select path, topic from hub.outbox where topic like :topic order by lane, seq",
            topic=f"hub.sample.{feed}.%",
        ):
            with ChangeSet(store(), path) as changes:
                assert changes.facts.topic == topic
                for batch in changes.batches():
                    found += batch.to_pylist()
        return found


@pytest.fixture
def hub(agency: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HUB_PAGE_ROWS", "1000")
    settings.cache_clear()
    return Hub(agency)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    """Parts so small that a few thousand rows make several."""
    monkeypatch.setenv("HUB_PART_ROWS", "700")
    settings.cache_clear()
    return hub


def environment() -> dict[str, str]:
    return dict(os.environ)


def killed_at(point: str, **more: str) -> int:
    """Runs a process that takes the sample feed the whole way and dies at a step boundary; its exit code."""
    command = [sys.executable, "-m", "tests.warehouse.child"]
    return subprocess.run(command, env={**environment(), crash.VARIABLE: point, **more}, check=False).returncode
