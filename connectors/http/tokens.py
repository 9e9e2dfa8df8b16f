"""How a place's requests are authorised: OAuth 2 client credentials (RFC 6749 §4.4), a bearer token, or a password.

A granted token is kept for this process until shortly before it runs out; it is never logged and stands in no error.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from typing import Any

import httpx
from pydantic import SecretStr

from connectors.errors import CredentialsRefused, HttpUnavailable, ResponseInvalid
from connectors.http.address import shown
from connectors.places import OAuth2, Place
from hub.said import Said

MAX_BYTES = 64 * 1024
_EARLY = 30  # seconds before its end that a token is renewed
_CODES = {"invalid_client", "invalid_request", "invalid_grant", "unauthorized_client", "invalid_scope"}

_granted: dict[tuple[str, str, str, str], tuple[SecretStr, float]] = {}
_locks: dict[tuple[str, str, str, str], threading.Lock] = {}
_lock = threading.Lock()  # of the two tables above: never held while a server is asked


class Tokens:
    """Gives a place's Authorization header."""

    def __init__(self, place: Place, client: httpx.Client, total_seconds: float) -> None:
        self._place, self._client, self._total_seconds = place, client, total_seconds

    def authorization(self) -> dict[str, str]:
        """The header, or none. Raises SecretUnreadable, CredentialsRefused, HttpUnavailable."""
        place = self._place
        if place.oauth2 is not None:
            return {"Authorization": f"Bearer {self._oauth2(place.oauth2).get_secret_value()}"}
        token = place.token()
        if token is not None:
            return {"Authorization": f"Bearer {token.get_secret_value()}"}
        if place.user is not None:
            password = place.password()
            return {"Authorization": _basic(place.user, password.get_secret_value() if password else "")}
        return {}

    def forget(self) -> None:
        """Drops the kept token, so that the next request asks for a new one."""
        with _lock:
            _granted.pop(self._key(), None)

    def _key(self) -> tuple[str, str, str, str]:
        oauth2 = self._place.oauth2
        return (self._place.id, *((oauth2.token_url, oauth2.client_id, oauth2.scope or "") if oauth2 else ("", "", "")))

    def _oauth2(self, oauth2: OAuth2) -> SecretStr:
        key = self._key()
        with _lock:
            own = _locks.setdefault(key, threading.Lock())
        with own:  # of several pulls of one place one asks; pulls of other places don't wait for it
            with _lock:
                kept = _granted.get(key)
            if kept is None or kept[1] <= time.monotonic():
                kept = self._grant(oauth2)
                with _lock:
                    _granted[key] = kept
            return kept[0]

    def _grant(self, oauth2: OAuth2) -> tuple[SecretStr, float]:
        secret = self._place.client_secret().get_secret_value()
        form = {"grant_type": "client_credentials", **({"scope": oauth2.scope} if oauth2.scope else {})}
        headers = {}
        if oauth2.auth == "basic":
            headers["Authorization"] = _basic(oauth2.client_id, secret)
        else:
            form |= {"client_id": oauth2.client_id, "client_secret": secret}
        status, body = self._post(oauth2.token_url, form, headers)
        answer = _object(body)
        if status in (400, 401, 403):
            code = answer.get("error")
            reason = code if isinstance(code, str) and code in _CODES else str(status)
            raise CredentialsRefused(url=shown(oauth2.token_url), place=self._place.id, reason=reason)
        if status != 200:
            raise HttpUnavailable(url=shown(oauth2.token_url), reason=Said(f"status {status}", f"状态码 {status}"))
        token, kind, lasts = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in", 300)
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise ResponseInvalid(
                url=shown(oauth2.token_url), reason=Said("it grants no access_token", "没有返回 access_token")
            )
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise ResponseInvalid(
                url=shown(oauth2.token_url), reason=Said("its token_type is not Bearer", "token_type 不是 Bearer")
            )
        known = isinstance(lasts, int | str) and re.fullmatch("[0-9]{1,9}", str(lasts))
        seconds = float(lasts) if known else 300.0
        return SecretStr(token), time.monotonic() + seconds - min(_EARLY, seconds / 2)

    def _post(self, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        started = time.monotonic()
        try:
            request = self._client.build_request(
                "POST", url, data=form, headers={**headers, "Accept-Encoding": "identity"}
            )
            response = self._client.send(request, stream=True)
            try:
                body = b""
                for piece in response.iter_raw():
                    if time.monotonic() - started > self._total_seconds:
                        raise HttpUnavailable(
                            url=shown(url),
                            reason=Said(
                                f"not complete after {self._total_seconds:g} s", f"{self._total_seconds:g} 秒内未收完"
                            ),
                        )
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise ResponseInvalid(
                            url=shown(url), reason=Said(f"more than {MAX_BYTES} bytes", f"超过 {MAX_BYTES} 字节")
                        )
                return response.status_code, body
            finally:
                response.close()
        except httpx.TransportError as error:
            raise HttpUnavailable(url=shown(url), reason=type(error).__name__) from None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
