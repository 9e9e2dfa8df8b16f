"""Who calls: the dependency that routes ask for. How it is proven stands in `gateway.auth`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import Depends, Request

BUSINESS_HEADERS = ("hub-represented-party", "hub-officer", "hub-issue", "hub-request-id")
"""Modelled on X-Road's: for whom the caller acts, which officer asked, under which case or authority, its own request id."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An agency that proved itself for this request."""

    agency: str
    kid: str
    by: Literal["signature", "token"]
    request_sha256: str  # hex; of the signature base, or of method, target and the token's id
    business: Mapping[str, str] = field(default_factory=dict)  # header (lower case) -> value, those that came
    body_digests: Mapping[str, bytes] = field(default_factory=dict)  # sha-256, sha-512: what the body must have
    certificate: str | None = None  # SHA-256 of the client certificate that came with it

    @property
    def signed(self) -> bool:
        """Whether the body is covered by the agency's own signature."""
        return self.by == "signature"


async def _caller(request: Request) -> Caller:
    """Asks the application's authenticator; remembers the answer for the access log. Raises NotProven and its kin."""
    found: Caller = await request.app.state.authenticate(request)
    request.state.caller = found
    return found


Proven = Annotated[Caller, Depends(_caller)]
"""A parameter of this type makes a route ask for proof."""
