"""The sample feed of the warehouse's tests, with observers that are gone after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub import lineage, telemetry
from hub.settings import settings
from tests.warehouse.conftest import hub

__all__ = ["hub"]


@pytest.fixture(autouse=True)
def unobserved() -> Iterator[None]:
    """Set up first and so torn down last: the variables are gone by then, and so are the emitters' threads."""
    yield
    settings.cache_clear()
    assert not telemetry.active() and not lineage.active()
