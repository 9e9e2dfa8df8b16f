"""The inspection office answers as a real server: tokens, pages, entity tags, one moment of overload."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from demo.agencies.inspection import Clients, application

RECORDS = [{"problem_no": f"P{n:04d}", "updated_at": f"2026-03-{n % 28 + 1:02d}T08:00:00+08:00"} for n in range(450)]
RECORDS.sort(key=lambda one: (one["updated_at"], one["problem_no"]))


@pytest.fixture
def office() -> Iterator[httpx.Client]:
    api = application(RECORDS, Clients("hub", "right"), updated="updated_at")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(api, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join()
    listener.close()


def token(office: httpx.Client, secret: str = "right") -> httpx.Response:
    return office.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("hub", secret))


def signed_in(office: httpx.Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(office).json()['access_token']}"}


def test_a_wrong_secret_gets_no_token_and_no_token_gets_no_record(office: httpx.Client) -> None:
    assert token(office, "wrong").status_code == 401
    assert office.get("/v1/problems").status_code == 401
    assert office.get("/v1/problems", headers={"Authorization": "Bearer guessed"}).status_code == 401


def test_the_client_may_show_its_secret_in_the_form(office: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "hub", "client_secret": "right"}
    assert office.post("/oauth/token", data=form).json()["token_type"] == "Bearer"
    assert office.post("/oauth/token", data={**form, "grant_type": "password"}).status_code == 400


def test_it_is_busy_once_and_says_for_how_long(office: httpx.Client) -> None:
    headers = signed_in(office)
    first = office.get("/v1/problems", headers=headers)
    assert (first.status_code, first.headers["retry-after"]) == (503, "1")
    assert office.get("/v1/problems", headers=headers).status_code == 200


def test_pages_hold_every_record_once_and_an_unchanged_page_is_not_sent_again(office: httpx.Client) -> None:
    headers = signed_in(office)
    office.get("/v1/problems", headers=headers)
    seen: list[str] = []
    after: str | None = "0"
    tag = ""
    while after is not None:
        page = office.get("/v1/problems", params={"after": after, "page_size": 200}, headers=headers)
        tag = tag or page.headers["etag"]
        seen += [one["problem_no"] for one in page.json()["items"]]
        after = page.json()["next"]
    assert seen == [one["problem_no"] for one in RECORDS]
    again = office.get("/v1/problems", params={"page_size": 200}, headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_only_what_changed_since_an_instant_is_given(office: httpx.Client) -> None:
    headers = signed_in(office)
    office.get("/v1/problems", headers=headers)
    since = "2026-03-20T00:00:00+08:00"
    answer = office.get("/v1/problems", params={"updated_since": since, "page_size": 500}, headers=headers)
    due = [one for one in RECORDS if one["updated_at"] >= since]
    assert [one["problem_no"] for one in answer.json()["items"]] == [one["problem_no"] for one in due]
    assert 0 < answer.json()["total"] == len(due) < len(RECORDS)
