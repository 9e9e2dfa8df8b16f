"""APIs: tokens and passwords, and token services that stall, lie or run out."""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.errors import (
    CredentialsRefused,
    HttpUnavailable,
    ResponseInvalid,
)
from connectors.places import OAuth2
from hub.errors import HubException
from tests.connectors.api import SECRET, THINGS, TOKEN, pull
from tests.connectors.serving import Asked, Route, serving

pytestmark = pytest.mark.usefixtures("quick")


def granting(asked: Asked, lasts: Any = 300) -> bool:
    if asked.path != "/token":
        return False
    form = dict(parse_qsl(asked.body.decode()))
    assert form["grant_type"] == "client_credentials"
    asked.answer({"access_token": TOKEN, "token_type": "Bearer", "expires_in": lasts})
    return True


def oauth(url: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    return {"oauth2": OAuth2(token_url=f"{url}/token", client_id="hub", client_secret_env="CLIENT_SECRET", **more)}


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_a_token_is_asked_for_once_and_again_when_it_is_refused(monkeypatch: pytest.MonkeyPatch, auth: str) -> None:
    revoked = [False]

    def route(asked: Asked) -> None:
        if granting(asked):
            revoked[0] = False
        elif asked.headers.get("authorization") != f"Bearer {TOKEN}" or revoked[0]:
            asked.answer(status=401)
        else:
            asked.answer({"items": THINGS})

    with serving(route) as server:
        given = oauth(server.url, monkeypatch, auth=auth, scope="read")
        pull(server.url, place=given)
        pull(server.url, place=given)
        assert [one.method for one in server.asked] == ["POST", "GET", "GET"]
        form = dict(parse_qsl(server.asked[0].body.decode()))
        assert form["scope"] == "read"
        assert ("client_secret" in form) == (auth == "post")
        revoked[0] = True
        pull(server.url, place=given)
        assert [one.method for one in server.asked[3:]] == ["GET", "POST", "GET"]


def test_a_token_that_runs_out_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda asked: granting(asked, lasts=1) or asked.answer({"items": THINGS})) as server:
        given = oauth(server.url, monkeypatch)
        pull(server.url, place=given)
        time.sleep(0.6)
        pull(server.url, place=given)
        assert [one.method for one in server.asked] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            lambda asked: asked.answer({"error": "invalid_client", "error_description": SECRET}, status=401),
            CredentialsRefused,
        ),
        (lambda asked: asked.answer({"error": SECRET}, status=400), CredentialsRefused),
        (lambda asked: asked.answer({"token": SECRET}), ResponseInvalid),
        (lambda asked: asked.answer({"access_token": "a\r\nX-Evil: 1", "token_type": "bearer"}), ResponseInvalid),
        (lambda asked: asked.answer({"access_token": TOKEN, "token_type": "mac"}), ResponseInvalid),
        (lambda asked: asked.answer(b"x" * 100_000), ResponseInvalid),
        (lambda asked: asked.answer(status=302, Location="http://127.0.0.1:1/"), HttpUnavailable),
        (lambda asked: asked.answer(status=500), HttpUnavailable),
    ],
)
def test_a_token_service_that_misbehaves(
    monkeypatch: pytest.MonkeyPatch, answer: Route, error: type[HubException], capfd: Any
) -> None:
    with serving(answer) as server, pytest.raises(error) as caught:
        pull(server.url, place=oauth(server.url, monkeypatch))
    shown = str(caught.value.as_dict()) + repr(caught.value) + str(caught.value.__cause__) + "".join(capfd.readouterr())
    assert SECRET not in shown and TOKEN not in shown


def test_a_token_service_that_trickles_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def route(asked: Asked) -> None:
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Length", "1000")
        asked.handler.end_headers()
        for _ in range(1_000):
            asked.handler.wfile.write(b" ")
            asked.handler.wfile.flush()
            time.sleep(0.05)

    started = time.monotonic()
    with serving(route) as server, pytest.raises(HttpUnavailable, match="not complete"):
        pull(server.url, options={"total_seconds": 1, "attempts": 1}, place=oauth(server.url, monkeypatch))
    assert time.monotonic() - started < 5


def test_a_slow_token_service_holds_no_other_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_slow, go_on = threading.Event(), threading.Event()

    def slow(asked: Asked) -> None:
        if asked.path == "/token":
            asked_slow.set()
            go_on.wait(20)
            asked.answer({"access_token": TOKEN, "token_type": "Bearer"})
        else:
            asked.answer({"items": THINGS})

    def quick(asked: Asked) -> None:
        grants = asked.path == "/token"
        asked.answer({"access_token": TOKEN, "token_type": "Bearer"} if grants else {"items": THINGS})

    with serving(slow) as stalled, serving(quick) as sound:
        given = [oauth(server.url, monkeypatch) for server in (stalled, sound)]
        slowly = [threading.Thread(target=pull, args=(stalled.url,), kwargs={"place": given[0]}) for _ in range(2)]
        try:
            for thread in slowly:
                thread.start()
            assert asked_slow.wait(10)
            found: list[Any] = []
            other = threading.Thread(target=lambda: found.extend(pull(sound.url, place=given[1])[0]), daemon=True)
            other.start()
            other.join(10)
            assert len(found) == len(THINGS)
            assert all(thread.is_alive() for thread in slowly)  # the first place waits still
        finally:
            go_on.set()
            for thread in slowly:
                thread.join(20)
        assert [one.path for one in stalled.asked].count("/token") == 1  # one asks, the others of the place wait


@pytest.mark.parametrize("lasts", ["²", "\u0663", "-1", 1e400, "9" * 400])
def test_a_token_with_a_strange_end_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch, lasts: Any) -> None:
    def route(asked: Asked) -> None:
        grant = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": lasts}
        asked.answer(grant if asked.path == "/token" else {"items": THINGS})

    with serving(route) as server:
        assert len(pull(server.url, place=oauth(server.url, monkeypatch))[0]) == len(THINGS)


def test_fixed_tokens_and_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_SECRET", SECRET)
    with serving(lambda asked: asked.answer({"items": THINGS})) as server:
        pull(server.url, place={"token_env": "API_SECRET"})
        pull(server.url, place={"user": "hub", "password_env": "API_SECRET"})
        pull(server.url)
    sent = [one.headers.get("authorization") for one in server.asked]
    assert sent[0] == f"Bearer {SECRET}"
    assert str(sent[1]).startswith("Basic ")
    assert sent[2] is None


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_tried_again(status: int) -> None:
    with serving(lambda asked: asked.answer(status=status)) as server, pytest.raises(CredentialsRefused):
        pull(server.url)
    assert len(server.asked) == 1
