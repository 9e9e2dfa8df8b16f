"""HTTP Message Signatures (RFC 9421): what a caller must have signed, and whether it did.

The library reads the fields and builds what was signed; which parts must be in it, whose key it is, and that nobody says the same
twice is decided here. Outside an unknown key and a wrong signature look alike, and cost alike.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import http_sf
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import HTTPSignatureAlgorithm
from http_message_signatures.exceptions import HTTPMessageSignaturesException, InvalidSignature

from gateway.caller import BUSINESS_HEADERS, Caller
from gateway.errors import NotProven
from hub import clock
from hub.errors import HubException
from hub.keys import ALGORITHMS, Algorithm, PublicKey, generate
from hub.said import Said
from warehouse.agencies import keys
from warehouse.agencies.errors import Suspended
from warehouse.agencies.keys import KeyFound
from warehouse.door import nonces
from warehouse.engine import connection

TAG = "supervision-hub"
ALWAYS = ("@method", "@target-uri", "date")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
IF_THERE = (
    "content-digest",
    "content-type",
    "content-encoding",
    "idempotency-key",
    "hub-file-name",
    "accept",
    *BUSINESS_HEADERS,
)
"""Headers that count: each that is there must be signed, and be there once. `accept` may be left out."""
_MAY_BE_LEFT_OUT = frozenset({"accept"})
MAX_HEADER = 8_192
_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DECOYS: dict[Algorithm, PublicKey] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """A request, as the library wants it."""

    method: str
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a signature says of itself."""

    label: str
    kid: str
    algorithm: Algorithm
    nonce: str
    created: datetime


def prove(method: str, url: str, raw: list[tuple[bytes, bytes]], *, skew: float) -> Caller:
    """Who signed this request. `raw`: its header lines; `url`: as the hub is reached from outside; `skew`: seconds.

    Raises NotProven, Suspended, DatabaseUnavailable.
    """
    headers = _headers(raw)
    said = _read(headers, method)
    now = clock.now()
    _fresh(said, headers, now, skew)
    with connection() as conn, conn.begin():
        found = keys.lookup(conn, said.kid)
        key = _decoy(said.algorithm) if found is None else found.key
        base = _verified(Message(method, url, headers), said, key, skew)
        if found is None or base is None:
            raise NotProven(reason=Said("the signature does not hold", "签名不成立"))
        _good(found, now)
        until = said.created + timedelta(seconds=2 * skew)
        if not nonces.spend(conn, said.kid, said.nonce, until):
            raise NotProven(reason=Said("this signature was used before", "该签名已被使用"))
    return Caller(
        agency=found.agency,
        kid=said.kid,
        by="signature",
        request_sha256=hashlib.sha256(base).hexdigest(),
        business={name: headers[name] for name in BUSINESS_HEADERS if name in headers},
        body_digests=digests(headers.get("content-digest")),
    )


def digests(value: str | None) -> dict[str, bytes]:
    """What a Content-Digest says of the body, by algorithm (RFC 9530). Raises NotProven where it says nothing that is known."""
    if value is None:
        return {}
    try:
        parsed: Any = http_sf.parse(value.encode("ascii"), tltype="dictionary")
        found = {name: member[0] for name, member in parsed.items() if name in _DIGESTS}
    except (ValueError, UnicodeError, TypeError, IndexError):
        found = {}
    if not found or any(
        not isinstance(digest, bytes) or len(digest) != _DIGESTS[name]().digest_size for name, digest in found.items()
    ):
        raise _no("Content-Digest names no sha-256 or sha-512", "Content-Digest 未给出 sha-256 或 sha-512")
    return found


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header -> value. Raises NotProven where one that counts is there twice, or is not ASCII."""
    found: dict[str, str] = {}
    names = Counter(name.lower() for name, _ in raw)
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key not in (*IF_THERE, "date", "signature", "signature-input"):
            continue
        if names[name.lower()] > 1:
            raise _no(f"the header {key} is there more than once", f"请求头 {key} 出现多次")
        if len(value) > MAX_HEADER or not value.isascii():
            raise _no(f"the header {key} is too long or not ASCII", f"请求头 {key} 过长或含非 ASCII 字符")
        found[key] = value.decode("ascii")
    return found


def _read(headers: Mapping[str, str], method: str) -> _Said:
    """The one signature's parameters. Raises NotProven."""
    if "signature" not in headers or "signature-input" not in headers:
        raise _no("the request bears no signature", "请求没有签名")
    try:
        parsed: Any = http_sf.parse(headers["signature-input"].encode("ascii"), tltype="dictionary")
    except (ValueError, TypeError):
        raise _no("Signature-Input can't be read", "Signature-Input 无法读取") from None
    if len(parsed) != 1:
        raise _no("a request bears exactly one signature", "请求须恰有一个签名")
    label, member = next(iter(parsed.items()))
    try:
        covered, params = member
        names = [item for item, given in covered if not given]
        plain = len(names) == len(covered) and all(isinstance(name, str) for name in names)
    except (TypeError, ValueError):
        plain, names, params = False, [], {}
    if not plain:
        raise _no("what is signed must be a list of names without parameters", "签名内容须为不带参数的名称列表")
    _covers(set(names), headers, method)
    kid, alg, nonce, tag = (params.get(name) for name in ("keyid", "alg", "nonce", "tag"))
    created = params.get("created")
    if not (isinstance(kid, str) and isinstance(nonce, str) and isinstance(created, int)) or isinstance(created, bool):
        raise _no("created, keyid and nonce must be there", "须有 created、keyid 与 nonce")
    if tag != TAG or alg not in ALGORITHMS or not 16 <= len(nonce) <= 64 or len(kid) > 64:
        why = f'tag must be "{TAG}", alg one of {", ".join(ALGORITHMS)}, nonce 16 to 64 characters'
        raise _no(why, f"tag 须为“{TAG}”，alg 为 {'、'.join(ALGORITHMS)} 之一，nonce 为 16 至 64 个字符")
    try:
        instant = datetime.fromtimestamp(created, clock.BEIJING)
    except (OverflowError, ValueError, OSError):
        raise _no("created is no time", "created 不是时间") from None
    return _Said(str(label), kid, alg, nonce, instant)


def _covers(names: set[Any], headers: Mapping[str, str], method: str) -> None:
    if method in WITH_BODY and "content-digest" not in headers:
        raise _no("a body needs Content-Digest, signed", "有内容的请求须带 Content-Digest 并纳入签名")
    due = {*ALWAYS, *(name for name in IF_THERE if name in headers and name not in _MAY_BE_LEFT_OUT)}
    missing = sorted(due - names)
    if missing:
        told = ", ".join(missing)
        raise _no(f"not signed: {told}", f"未纳入签名：{told}")


def _fresh(said: _Said, headers: Mapping[str, str], now: datetime, skew: float) -> None:
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
        times = (said.created, date if date.tzinfo is not None else date.replace(tzinfo=clock.BEIJING))
    except (ValueError, TypeError):
        raise _no("the header Date is missing or no date", "缺少 Date 请求头，或其不是日期") from None
    if any(abs((now - one).total_seconds()) > skew for one in times):
        raise _no(
            f"its time is more than {skew:g} s from the hub's, which is {now:%Y-%m-%dT%H:%M:%SZ}",
            f"请求时间与枢纽时间 {now:%Y-%m-%dT%H:%M:%SZ} 相差超过 {skew:g} 秒",
        )


def _verified(message: Message, said: _Said, key: PublicKey, skew: float) -> bytes | None:
    """What was signed, where the signature holds; else None."""
    seen: list[bytes] = []

    class Ours(HTTPSignatureAlgorithm):
        """The registered key's own algorithm."""

        algorithm_id = said.algorithm

        def __init__(self, public_key: Any = None, private_key: Any = None) -> None:
            """Nothing: the key is known."""

        def verify(self, signature: bytes, message: bytes) -> None:
            """Raises InvalidSignature."""
            if key.algorithm != said.algorithm or not key.verifies(signature, message):
                raise InvalidSignature("it does not hold")
            seen.append(message)

    class Known(HTTPSignatureKeyResolver):
        """The key is looked up already."""

        def resolve_public_key(self, key_id: str) -> Any:
            """Anything but None."""
            return key_id

        def resolve_private_key(self, key_id: str) -> Any:
            """There is none here."""
            raise KeyError(key_id)

    verifier = HTTPMessageVerifier(signature_algorithm=Ours, key_resolver=Known())
    verifier.max_clock_skew = timedelta(seconds=skew)
    try:
        verifier.verify(message, max_age=timedelta(seconds=skew), expect_tag=TAG)
    except HTTPMessageSignaturesException:
        return None
    return seen[0] if seen else None


def _good(found: KeyFound, now: datetime) -> None:
    """Told only to who holds the key."""
    ended = found.ended(now)
    words = {"revoked": "已被吊销", "expired": "已过期", "early": "尚未生效"}
    if ended is not None:
        english = {"revoked": "is revoked", "expired": "has expired", "early": "is not valid yet"}[ended]
        raise _no(f"the key {english}", f"密钥{words[ended]}")
    if not found.active:
        raise Suspended(agency=found.agency)


def _decoy(algorithm: Algorithm) -> PublicKey:
    """A key that nobody holds: so that an unknown one costs as much as a known one."""
    if algorithm not in _DECOYS:
        _DECOYS[algorithm] = generate(algorithm).public
    return _DECOYS[algorithm]


def _no(en: str, zh: str) -> HubException:
    return NotProven(reason=Said(en, zh))
