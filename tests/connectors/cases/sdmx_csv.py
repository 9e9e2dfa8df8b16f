"""A folder with SDMX-CSV 2.0 messages and their structure."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from connectors.places import Place
from hub.ids import PlaceId
from tests.connectors.cases.case import COLUMNS, Case, Row
from tests.connectors.making import contract
from tests.connectors.structures import structure


@contextmanager
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    root = request.getfixturevalue("tmp_path") / "messages"
    root.mkdir()
    (root / "structure.xml").write_bytes(
        structure(dimensions={"id": None}, attributes={"name": None, "updated_at": None})
    )
    numbers = count(1)

    def put(rows: list[Row]) -> None:
        with (root / f"part{next(numbers)}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ("STRUCTURE", "STRUCTURE_ID", *COLUMNS))
            writer.writeheader()
            writer.writerows({"STRUCTURE": "datastructure", "STRUCTURE_ID": "AG:DSD(1.0)", **row} for row in rows)

    def spoil() -> None:
        (root / f"part{next(numbers)}.csv").write_text("name,price\npaper,12\n", encoding="utf-8")

    yield Case(
        contract(
            COLUMNS, connector="sdmx_csv", options={"glob": "*.csv", "stable_seconds": 0}, structure="structure.xml"
        ),
        Place(id=PlaceId("somewhere"), root=root, password_env="CASE_SECRET"),
        put,
        lambda: shutil.rmtree(root),
        "sdmx-secret",
        Place(id=PlaceId("somewhere"), host="127.0.0.1"),
        spoil,
    )
