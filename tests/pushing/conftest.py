"""A hub with an agency that pushes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hub.settings import Settings
from tests.pushing.made import AGENCY
from tests.warehouse.conftest import Hub
from warehouse import engine
from warehouse.tables import agency


@pytest.fixture
def hub(tables: Settings) -> Iterator[Hub]:
    with engine.transaction() as conn:
        for name in (AGENCY, "other_agency"):
            about = {
                "name_zh": "示例机构",
                "name_en": "Sample agency",
                "level": 3,
                "division": "110000",
                "added_by": "op",
            }
            conn.execute(sa.insert(agency).values(agency=name, **about))
    yield Hub(tables.var)
    engine.dispose()
