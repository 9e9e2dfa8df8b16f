"""Bytes that the hub signs, as JSON Web Signatures (RFC 7515, compact, EdDSA).

What is kept is the body, the key's id and the signature: the protected header follows from the key's id and the type, so that the
compact form is put together when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from hub.canonical import canonical_bytes
from hub.keys import b64
from warehouse.signing import keys

RECEIPT = "hub-receipt+jws"
"""Type of a receipt, immediate or final."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature is kept as."""

    kid: str
    signature: bytes


def sign(conn: sa.Connection, body: bytes, typ: str = RECEIPT) -> Signature:
    """Signs the bytes with the hub's key, whose public half is on record when the open transaction is."""
    key = keys.current()
    keys.on_record(conn, key)
    return Signature(key.kid, key.sign(_input(body, key.kid, typ)))


def compact(body: bytes, kid: str, signature: bytes, typ: str = RECEIPT) -> str:
    """The compact form."""
    return f"{_input(body, kid, typ).decode()}.{b64(signature)}"


def _input(body: bytes, kid: str, typ: str) -> bytes:
    header = canonical_bytes({"alg": "EdDSA", "kid": kid, "typ": typ})
    return f"{b64(header)}.{b64(body)}".encode()
