"""A drop folder with CSV files."""

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

ENCODING = "gb18030"


@contextmanager
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    root = request.getfixturevalue("tmp_path") / "drop"
    root.mkdir()
    numbers = count(1)

    def put(rows: list[Row]) -> None:
        with (root / f"part{next(numbers)}.csv").open("w", encoding=ENCODING, newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def spoil() -> None:
        (root / f"part{next(numbers)}.csv").write_bytes(b"")

    yield Case(
        contract(COLUMNS, options={"glob": "*.csv", "encoding": ENCODING, "stable_seconds": 0}),
        Place(id=PlaceId("somewhere"), root=root, password_env="CASE_SECRET"),
        put,
        lambda: shutil.rmtree(root),
        "file-drop-secret",
        Place(id=PlaceId("somewhere"), base_url="http://127.0.0.1:1"),
        spoil,
    )
