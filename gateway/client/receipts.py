"""Receipts checked offline: with the hub's published keys, by whoever holds the compact JWS. Asks nobody anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.client.errors import ReceiptAnother, ReceiptDamaged, ReceiptForged, ReceiptKeyUnknown
from hub.canonical import canonical_bytes
from hub.errors import KeyUnusable
from hub.keys import PublicKey, of_jwk, unb64
from hub.said import Said

TYPE = "hub-receipt+jws"
MAX_BYTES = 64 << 20


def verify(
    jws: str,
    jwks: Mapping[str, Any],
    *,
    body_sha256: str | None = None,
    request_sha256: str | None = None,
) -> dict[str, Any]:
    """What the receipt says, once its signature holds. `body_sha256`, `request_sha256`: of what was sent, to be the receipt's own.

    Raises ReceiptDamaged, ReceiptKeyUnknown, ReceiptForged, ReceiptAnother.
    """
    text = jws.strip()
    parts = text.split(".")
    if len(text) > MAX_BYTES or len(parts) != 3:
        raise ReceiptDamaged(reason=Said("it is no compact JWS", "不是紧凑格式的 JWS"))
    try:
        header, body, signature = (unb64(part) for part in parts)
        said = json.loads(header)
    except (ValueError, RecursionError):
        raise ReceiptDamaged(reason=Said("a part of it is not what JWS writes", "其中一段不符合 JWS 格式")) from None
    kid = said.get("kid") if isinstance(said, dict) else None
    if not isinstance(kid, str) or said != {"alg": "EdDSA", "kid": kid, "typ": TYPE}:
        # Named as a whole: a header that says more, or another algorithm, is none of the hub's.
        raise ReceiptDamaged(reason=Said("its header is not that of a receipt", "其头部不是回执的头部"))
    key = _key(jwks, kid)
    if not key.verifies(signature, f"{parts[0]}.{parts[1]}".encode("ascii")):
        raise ReceiptForged(kid=kid)
    found = _document(body)
    _held(found, "SHA-256 of the body", "内容的 SHA-256", _body_sha256(found), body_sha256)
    mine = found.get("request_sha256") or (found.get("push") or {}).get("request_sha256")
    _held(found, "hash of the request", "请求的摘要", mine, request_sha256)
    return found


def _key(jwks: Mapping[str, Any], kid: str) -> PublicKey:
    listed = jwks.get("keys")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("kid") == kid:
            try:
                key = of_jwk(one)
            except KeyUnusable:
                break
            if key.algorithm == "ed25519":
                return key
    raise ReceiptKeyUnknown(kid=kid)


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
        canonical = canonical_bytes(found)
    except (ValueError, TypeError, RecursionError):
        canonical, found = b"", None
    if not isinstance(found, dict) or canonical != body or "receipt" not in found:
        raise ReceiptDamaged(reason=Said("what was signed is no receipt", "被签名的内容不是回执"))
    return found


def _body_sha256(found: Mapping[str, Any]) -> Any:
    for name in ("body", "delivery"):
        part = found.get(name)
        if isinstance(part, Mapping) and part.get("sha256"):
            return part["sha256"]
    return None


def _held(found: Mapping[str, Any], en: str, zh: str, has: Any, due: str | None) -> None:
    if due is not None and has != due:
        raise ReceiptAnother(batch=str(found.get("batch")), what=Said(en, zh))
