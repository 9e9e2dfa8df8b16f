"""What the tests of SQL tables share: a contract, and the rows of one pull."""

from __future__ import annotations

from typing import Any

from connectors.base import Delivery, Window
from connectors.places import Place
from contracts.model import FieldSpec
from tests.connectors.making import contract, opened, read

PASSWORD = "reader-secret-9f2"


def spec(fields: Any = ("id", "name"), table: str = "things", **more: Any) -> Any:
    options = {"table": table, **more.pop("options", {})}
    return contract(fields, connector="sql_table", options=options, **more)


STAMPED = (
    FieldSpec("id", "", "", "integer"),
    FieldSpec("name", "", "", "string"),
    FieldSpec("updated_at", "", "", "timestamp"),
)


def only(delivery: Any) -> Delivery:
    (one,) = delivery
    assert isinstance(one, Delivery)
    return one


def ids(place: Place, window: Window | None = None, page_rows: int = 1000, **more: Any) -> list[str]:
    found = list(opened(spec(**more), place, page_rows).deliveries(window or Window()))
    return [row["id"] for delivery in found for row in read(delivery)[0]]
