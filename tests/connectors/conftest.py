"""Fixtures of the connectors' tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from connectors.http import client as client_module
from connectors.http import tokens
from connectors.places import Place
from hub.ids import PlaceId
from hub.settings import ROOT
from hub.settings import settings as hub_now
from tests.connectors.tables import PASSWORD


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Back-off takes no time here, but what a server asks for is waited for."""
    monkeypatch.setattr(client_module.random, "random", lambda: -1.0)
    tokens._granted.clear()
    yield
    tokens._granted.clear()


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Callable[[str], Place]:
    def make(script: str) -> Place:
        with sqlite3.connect(tmp_path / "source.db") as made:
            made.executescript(script)
        made.close()
        return Place(id=PlaceId("somewhere"), root=tmp_path, dialect="sqlite", database="source.db")

    return make


@pytest.fixture
def postgres(database_url: str, admin_url: str, monkeypatch: pytest.MonkeyPatch, unique: str) -> Any:
    """A database with a role that may only read what it is granted: (run SQL as its owner, place)."""
    role = f"reader_{unique}"
    monkeypatch.setenv("READER_PASSWORD", PASSWORD)
    url = sa.make_url(database_url)

    def run(script: str) -> None:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL(script.replace("READER", f'"{role}"')))  # type: ignore[arg-type]

    run(f"CREATE ROLE READER LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA public TO READER")
    yield (
        run,
        Place(
            id=PlaceId("somewhere"),
            host=url.host,
            port=url.port,
            dialect="postgresql+psycopg",
            database=url.database,
            user=role,
            password_env="READER_PASSWORD",
        ),
    )
    run("DROP OWNED BY READER; DROP ROLE READER")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A contracts folder with the house's code lists and no feed."""
    root = tmp_path / "contracts"
    (root / "feeds").mkdir(parents=True)
    (root / "codes").symlink_to(ROOT / "contracts" / "codes")
    monkeypatch.setenv("HUB_CONTRACTS", str(root))
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    hub_now.cache_clear()
    yield root
    hub_now.cache_clear()
