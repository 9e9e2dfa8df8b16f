"""The book of pushes: who sent what, under which key; what was sent before; the immediate receipt."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from contracts.model import FeedContract
from hub import clock
from hub.canonical import canonical_bytes
from hub.ids import BatchId, FeedId
from warehouse import batches
from warehouse.batches import Batch
from warehouse.landing.hub_key import hmac_key
from warehouse.pushing.errors import IdempotencyConflict
from warehouse.signing import jws
from warehouse.tables import batch as batch_table
from warehouse.tables import push as table


@dataclass(frozen=True, slots=True)
class Push:
    """A delivery as its sender gave it, and how the sender was proven."""

    agency: str
    kid: str | None  # of the key that proved it
    signed: bool  # whether the body is covered by the agency's signature
    request_sha256: str
    media_type: str
    received_at: datetime
    idempotency_key: str | None = None
    business: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Landed:
    """What a sender is told at once. `repeated`: it is what was told the first time."""

    batch: Batch
    receipt: bytes  # canonical
    kid: str
    signature: bytes
    repeated: bool = False

    @property
    def jws(self) -> str:
        """The receipt as a compact JWS."""
        return jws.compact(self.receipt, self.kid, self.signature)


def known(conn: sa.Connection, feed: FeedId, push: Push, sha256: str) -> Landed | None:
    """What was told of the same delivery before, or None. In a transaction.

    The same is what comes under the same idempotency key; without one, what has the bytes of the agency's newest delivery to
    the feed, unless that was refused: a body that was right again later is a new delivery. Raises IdempotencyConflict.
    """
    columns = table.c
    mine = columns.agency == push.agency, columns.feed == feed
    query = sa.select(table, batch_table.c.state).join(batch_table, batch_table.c.batch_id == columns.batch_id)
    if push.idempotency_key is not None:
        row = conn.execute(query.where(*mine, columns.idempotency_key == push.idempotency_key)).first()
        if row is not None and not _same(row.body_sha256, sha256):
            raise IdempotencyConflict(key=push.idempotency_key, batch=row.batch_id)
    else:
        newest = batch_table.c.batch_no.desc()
        row = conn.execute(query.where(*mine).order_by(newest).limit(1)).first()
        if row is not None and (row.state == "refused" or not _same(row.body_sha256, sha256)):
            row = None
    if row is None:
        return None
    there = batches.get(conn, BatchId(row.batch_id))
    return Landed(there, bytes(row.receipt), row.receipt_kid, bytes(row.receipt_signature), repeated=True)


def note(
    conn: sa.Connection,
    contract: FeedContract,
    batch: Batch,
    push: Push,
    body: tuple[str, int],
    *,
    decided: bool = False,
) -> Landed:
    """Writes the push of a batch that has landed, or was refused, with its immediate receipt. In the same transaction.

    `body`: SHA-256 and bytes as they came. `decided`: the gate refused it, and its hash is kept as an HMAC.
    """
    sha256 = veiled(body[0]) if decided else body[0]
    about: dict[str, Any] = {
        "receipt": "accepted" if batch.state != "refused" else "refused",
        "batch": batch.batch_id,
        "feed": batch.feed,
        "contract": {"version": contract.version, "sha256": contract.sha256},
        "source": batch.source,
        "agency": push.agency,
        "kid": push.kid,
        "signed": push.signed,
        "body": {"sha256": body[0], "bytes": body[1], "media_type": push.media_type},
        "request_sha256": push.request_sha256,
        "idempotency_key": push.idempotency_key,
        "business": dict(push.business),
        "position": batch.batch_no,
        "rows": batch.rows_in - batch.rows_refused,
        "rows_refused": batch.rows_refused,
        "state": batch.state,
        "reason": batch.state_reason,
        "received_at": _text(push.received_at),
        "landed_at": _text(clock.now()),
    }
    if decided:
        # The sender has the bytes and their hash; the hub keeps neither of what it must not have.
        about["body"] = {**about["body"], "sha256": sha256}
    receipt = canonical_bytes(about)
    signed = jws.sign(conn, receipt)
    conn.execute(
        sa.insert(table).values(
            batch_id=batch.batch_id,
            agency=push.agency,
            feed=batch.feed,
            idempotency_key=push.idempotency_key,
            body_sha256=sha256,
            body_bytes=body[1],
            media_type=push.media_type,
            signed=push.signed,
            kid=push.kid,
            request_sha256=push.request_sha256,
            business=dict(push.business),
            received_at=push.received_at,
            receipt=receipt,
            receipt_kid=signed.kid,
            receipt_signature=signed.signature,
        )
    )
    return Landed(batch, receipt, signed.kid, signed.signature)


def veiled(sha256: str) -> str:
    """A body's hash as it is kept where the gate refused it: whoever has the file can't look for it."""
    return f"hmac:{hmac.digest(hmac_key(), f'body:{sha256}'.encode(), 'sha256').hex()}"


def _same(kept: str, sha256: str) -> bool:
    return kept == (veiled(sha256) if kept.startswith("hmac:") else sha256)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
