"""One place's HTTP client: bounded, patient where trying again may help, and blind to redirects and foreign hosts."""

from __future__ import annotations

import logging
import random
import re
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Self

import httpx
import tenacity

from connectors.errors import (
    CredentialsRefused,
    HttpElsewhere,
    HttpRefused,
    HttpUnavailable,
    PlaceIncomplete,
    ResponseInvalid,
    ResponseTooLarge,
)
from connectors.http.address import shown
from connectors.http.tokens import Tokens
from connectors.places import Place
from hub import clock
from hub.said import Said

CONNECT_SECONDS = 10
LONGEST_WAIT = 120
"""Seconds that a server may ask us to wait within a pull; longer, and the pull is tried again as a whole."""
_AGAIN = {408, 425, 429, 500, 502, 503, 504}

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one response may take."""

    max_bytes: int = 64 * 1024 * 1024  # of the body, unpacked
    idle_seconds: float = 30  # between two pieces of a response
    total_seconds: float = 300  # for one whole response
    attempts: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read whole: 200 with its body, or 304 without."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


class PlaceClient:
    """GETs from one place. Give it back with `close` or `with`."""

    def __init__(self, place: Place, bounds: Bounds) -> None:
        self.place, self.bounds = place, bounds
        try:
            verify = ssl.create_default_context(cafile=place.tls_ca) if place.tls_ca else _public_authorities()
        except (OSError, ssl.SSLError):
            reason = Said(f"its tls_ca {place.tls_ca} can't be read", f"无法读取其 tls_ca {place.tls_ca}")
            raise PlaceIncomplete(place=place.id, connector="http", reason=reason) from None
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=False,  # no proxy, no .netrc: a place is reached as the operator wrote it
            verify=verify,
            timeout=httpx.Timeout(bounds.idle_seconds, connect=CONNECT_SECONDS),
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "supervision-hub"},
        )
        self._tokens = Tokens(place, self._client, bounds.total_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. May be called twice."""
        self._client.close()

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """A 200 or 304. Raises HttpUnavailable after the last attempt, or at once what trying again won't mend."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_any(tenacity.stop_after_attempt(self.bounds.attempts), _TooLong()),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(HttpUnavailable),
            reraise=True,
        )
        return retrying(self._get, url, params, headers)

    def _get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        answer = self._once(url, params, headers)
        if answer.status == 401 and self.place.oauth2 is not None:
            self._tokens.forget()  # it may have been revoked before its time; once is enough to know
            answer = self._once(url, params, headers)
        if answer.status in (401, 403):
            raise CredentialsRefused(url=shown(url), place=self.place.id, reason=str(answer.status))
        if answer.status not in (200, 304):
            raise HttpRefused(url=shown(url), status=answer.status)
        return answer

    def _once(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        send = {**headers, **self._tokens.authorization()}
        request = self._client.build_request("GET", httpx.URL(url).copy_merge_params(dict(params)), headers=send)
        try:
            response = self._client.send(request, stream=True)
            try:
                return self._read(response, url)
            finally:
                response.close()
        except httpx.TransportError as error:
            # The class says what happened (ReadTimeout, ConnectError …); the words may quote what was sent.
            raise HttpUnavailable(url=shown(url), reason=type(error).__name__) from None

    def _read(self, response: httpx.Response, url: str) -> Answer:
        status = response.status_code
        if status in _AGAIN:
            error = HttpUnavailable(url=shown(url), reason=Said(f"status {status}", f"状态码 {status}"))
            error.facts["retry_after"] = _retry_after(response.headers.get("retry-after"))
            raise error
        if 300 <= status < 400 and status != 304:
            target = httpx.URL(response.headers.get("location", "")).host if response.has_redirect_location else ""
            raise HttpElsewhere(url=shown(url), target=target or "another address", place=self.place.id)
        body = self._body(response, url) if status == 200 else b""
        return Answer(status, response.headers, body, url)

    def _body(self, response: httpx.Response, url: str) -> bytes:
        """The unpacked body, never more than the bound: a small packed one may unpack to anything."""
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "", "gzip", "x-gzip"):
            raise ResponseInvalid(
                url=shown(url),
                reason=Said(
                    f"packed as {packing[:40]}, which was not offered", f"以 {packing[:40]} 压缩，并非约定的方式"
                ),
            )
        bound, started = self.bounds.max_bytes, time.monotonic()
        unpack = _Gunzip() if "gzip" in packing else None
        parts: list[bytes] = []
        size = 0
        for piece in response.iter_raw():  # as they come: gathered ones would let a trickle run past the limit
            if time.monotonic() - started > self.bounds.total_seconds:
                raise HttpUnavailable(
                    url=shown(url),
                    reason=Said(
                        f"not complete after {self.bounds.total_seconds:g} s",
                        f"{self.bounds.total_seconds:g} 秒内未收完",
                    ),
                )
            try:
                data = unpack.feed(piece, bound - size + 1) if unpack else piece
            except zlib.error:
                raise ResponseInvalid(url=shown(url), reason=Said("its gzip is damaged", "gzip 数据已损坏")) from None
            parts.append(data)
            size += len(data)
            if size > bound:
                raise ResponseTooLarge(url=shown(url), bound=bound)
        if unpack is not None and not unpack.complete:
            raise HttpUnavailable(url=shown(url), reason=Said("its gzip was cut short", "gzip 数据不完整"))
        return b"".join(parts)


@lru_cache(maxsize=1)
def _public_authorities() -> ssl.SSLContext:
    """Loading them takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


class _Gunzip:
    """Unpacks gzip, also of several members, giving no more than asked for."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.complete = False

    def feed(self, data: bytes, limit: int) -> bytes:
        out = b""
        while data and len(out) < limit:
            if self._one.eof:
                self._one = zlib.decompressobj(16 + zlib.MAX_WBITS)
            out += self._one.decompress(data, limit - len(out))
            data = self._one.unused_data if self._one.eof else self._one.unconsumed_tail
        self.complete = self._one.eof
        return out


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header: a number or a date (RFC 9110 §10.2.3); 0 where it says nothing."""
    if value is None:
        return 0
    if re.fullmatch("[0-9]+", value.strip()):
        return float(value.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0


def _asked(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return float(error.facts.get("retry_after", 0)) if isinstance(error, HttpUnavailable) else 0.0


class _TooLong(tenacity.stop.stop_base):
    """Ends a pull whose server asks for a wait that a pull can't take."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return _asked(retry_state) > LONGEST_WAIT


def _wait(state: tenacity.RetryCallState) -> float:
    """What the server asks, or twice as long each time, with jitter: many hubs must not come back at once."""
    backoff = min(30.0, 0.25 * 2.0**state.attempt_number)
    return _asked(state) + backoff * (0.5 + random.random() / 2)  # noqa: S311 - jitter, no secret
