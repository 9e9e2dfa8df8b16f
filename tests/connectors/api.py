"""What the tests of APIs share: a contract, a place, one pull, and one that must fail."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Delivery, Window
from connectors.places import Place
from hub.errors import HubException
from hub.ids import PlaceId
from tests.connectors.making import all_numbers, contract, opened, read
from tests.connectors.serving import Route, serving

SECRET = "client-secret-71c"
TOKEN = "granted-token-55a"


def spec(fields: Any = ("id", "name"), **more: Any) -> Any:
    options = {"path": "/v1/things", "records": "items", "attempts": 3, **more.pop("options", {})}
    return contract(fields, connector="http_json", options=options, **more)


def place(url: str, **more: Any) -> Place:
    return Place(id=PlaceId("somewhere"), base_url=url, **more)


def pull(
    url: str, window: Window | None = None, page_rows: int = 1000, **more: Any
) -> tuple[list[Any], Delivery | None]:
    where = place(url, **more.pop("place", {}))
    deliveries = list(opened(spec(**more), where, page_rows).deliveries(window or Window()))
    if not deliveries:
        return [], None
    (delivery,) = deliveries
    rows, _, pages = read(delivery)
    numbers = all_numbers(pages)
    assert numbers == list(range(1, len(numbers) + 1))
    return rows, delivery


def fails(route: Route, error: type[HubException], **more: Any) -> HubException:
    with serving(route) as server, pytest.raises(error) as caught:
        pull(server.url, **more)
    return caught.value


THINGS = [{"id": number, "name": f"n{number}"} for number in range(1, 8)]
