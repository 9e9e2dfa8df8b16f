"""Signing requests on the agency's side (RFC 9421): what `hub push` does, and what any HTTP client can do with these headers."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from http_message_signatures import HTTPMessageSigner
from http_message_signatures.algorithms import HTTPSignatureAlgorithm

from hub.keys import PrivateKey

TAG = "supervision-hub"
SIGNED = (
    "content-digest",
    "content-type",
    "content-encoding",
    "idempotency-key",
    "hub-file-name",
    "hub-represented-party",
    "hub-officer",
    "hub-issue",
    "hub-request-id",
)
"""Headers that are signed wherever they are there."""


@dataclass
class _Request:
    method: str
    url: str
    headers: dict[str, str]


def content_digest(body: bytes) -> str:
    """The header Content-Digest for a body that is at hand."""
    return digest_of(hashlib.sha256(body).digest())


def digest_of(sha256: bytes) -> str:
    """The header Content-Digest for a body whose SHA-256 is known."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    key: PrivateKey,
    *,
    at: datetime | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The headers to send: those given, `Date`, `Signature-Input` and `Signature`. Sign anew for every attempt.

    `url` is the whole address, as the hub is reached. A body needs its `Content-Digest` among the headers.
    """
    now = at or datetime.now(UTC)
    given = {name.lower(): value for name, value in headers.items()}
    given.setdefault("date", format_datetime(now.astimezone(UTC), usegmt=True))
    request = _Request(method.upper(), url, given)

    class Ours(HTTPSignatureAlgorithm):
        """The key's own algorithm."""

        algorithm_id = key.public.algorithm

        def __init__(self, public_key: Any = None, private_key: Any = None) -> None:
            """Nothing: the key is at hand."""

    signer = HTTPMessageSigner(signature_algorithm=Ours)
    covered = ("@method", "@target-uri", "date", *(name for name in SIGNED if name in given))
    prepared = signer.prepare(
        request,
        key_id=key.kid,
        created=now,
        nonce=nonce or secrets.token_urlsafe(18),
        label="hub",
        tag=TAG,
        covered_component_ids=covered,
        use_existing_digest="content-digest" in given,
    )
    signer.apply(request, prepared, key.sign(prepared.signature_base))
    return request.headers
