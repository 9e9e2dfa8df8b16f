"""A door for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.settings import Settings
from tests.gateway import house
from tests.gateway.house import Office
from tests.warehouse.conftest import Hub
from warehouse import engine


@pytest.fixture
def url(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with house.door(house.configured(monkeypatch, tmp_path)) as address:
        yield address
    engine.dispose()


@pytest.fixture
def office(url: str) -> Office:
    return house.join(url)


@pytest.fixture
def hub(url: str, tmp_path: Path) -> Hub:
    return Hub(tmp_path)
