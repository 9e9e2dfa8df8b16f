"""An API on loopback with OAuth 2, a cursor and pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connectors.http import tokens
from connectors.places import OAuth2, Place
from contracts.model import FieldSpec
from hub.ids import PlaceId
from tests.connectors.cases.case import Case, Row
from tests.connectors.making import contract
from tests.connectors.serving import Asked, serving


@contextmanager
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    held: list[Row] = []
    broken: list[bool] = []

    def route(asked: Asked) -> None:
        if broken:
            asked.answer({"error": asked.headers.get("authorization", "") + asked.body.decode()}, status=418)
        elif asked.path == "/token":
            asked.answer({"access_token": "granted", "token_type": "bearer", "expires_in": 300})
        else:
            due = [row for row in held if row["updated_at"] >= asked.query.get("since", "")]
            start = int(asked.query.get("after", "0"))
            following = str(start + 50) if start + 50 < len(due) else None
            asked.answer({"items": due[start : start + 50], "next": following})

    fields = (
        FieldSpec("id", "", "", "string"),
        FieldSpec("name", "", "", "string"),
        FieldSpec("updated_at", "", "", "timestamp"),
    )
    options = {
        "path": "/v1/things",
        "records": "items",
        "paging": {"style": "cursor", "param": "after"},
        "cursor_param": "since",
        "attempts": 2,
    }
    tokens._granted.clear()
    with serving(route) as server:
        oauth2 = OAuth2(token_url=f"{server.url}/token", client_id="hub", client_secret_env="CASE_SECRET")
        yield Case(
            contract(fields, connector="http_json", options=options, cursor="updated_at", cursor_overlap="PT10M"),
            Place(id=PlaceId("somewhere"), base_url=server.url, oauth2=oauth2),
            held.extend,
            lambda: broken.append(True),
            "http-case-secret",
            Place(id=PlaceId("somewhere"), root=request.getfixturevalue("tmp_path")),
        )
