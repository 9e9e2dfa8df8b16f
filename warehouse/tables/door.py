"""The door: agencies with keys and rights, what they pushed, nonces, the access log, the hub's own signing keys."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from warehouse.tables.base import at, metadata

# A body that sends, receives or both.
agency = Table(
    "agency",
    metadata,
    Column("agency", Text, primary_key=True),  # lower-case id, as in contracts
    Column("uscc", Text, unique=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("level", Integer, nullable=False),  # 1 central … 5 township
    Column("division", Text, nullable=False),  # GB/T 2260, six digits
    Column("state", Text, nullable=False, server_default="active"),  # active | suspended
    at("added_at", required=True),
    Column("added_by", Text, nullable=False),
)

# Whom to call, by role: an office or a person in office, never anything private.
agency_contact = Table(
    "agency_contact",
    metadata,
    Column("agency", Text, ForeignKey("hub.agency.agency"), primary_key=True),
    Column("role", Text, primary_key=True),  # technical | security | business
    Column("name", Text, nullable=False),
    Column("phone", Text),
    Column("email", Text),
)

# A public key that an agency signs with. Never deleted: what it signed must stay checkable.
agency_key = Table(
    "agency_key",
    metadata,
    Column("kid", Text, primary_key=True),  # RFC 7638 thumbprint of its JWK, base64url
    Column("agency", Text, ForeignKey("hub.agency.agency"), nullable=False),
    Column("algorithm", Text, nullable=False),  # ed25519 | hub-sm2-sm3
    Column("public", Text, nullable=False),  # PEM, SubjectPublicKeyInfo
    at("valid_from", required=True),
    at("valid_until"),
    at("added_at", required=True),
    Column("added_by", Text, nullable=False),
    at("revoked_at"),
    Column("revoked_by", Text),
    Column("revoked_why", Text),
    Index("agency_key_by_agency", "agency"),
)

# What an agency may do with a feed. One agency at a time may push it.
agency_feed = Table(
    "agency_feed",
    metadata,
    Column("agency", Text, ForeignKey("hub.agency.agency"), primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("may", Text, primary_key=True),  # push | read
    at("granted_at", required=True),
    Column("granted_by", Text, nullable=False),
    Index("agency_feed_one_sender", "feed", unique=True, postgresql_where=text("may = 'push'")),
)

# A key of the hub's own that signs receipts and tokens; the private half lies in the secrets' folder.
signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("jwk", JSONB, nullable=False),  # the public key
    at("made_at", required=True),
    at("retired_at"),  # signs no more; what it signed is still good
)

# A delivery that came through the door. Its number is its batch's.
push = Table(
    "push",
    metadata,
    Column("batch_id", Text, ForeignKey("hub.batch.batch_id"), primary_key=True),
    Column("agency", Text, ForeignKey("hub.agency.agency"), nullable=False),
    Column("feed", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("body_sha256", Text, nullable=False),  # hex; an HMAC (hmac:…) where the gate refused the delivery
    Column("body_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("signed", Boolean, nullable=False),  # whether the body was covered by the agency's signature
    Column("kid", Text),
    Column("request_sha256", Text, nullable=False),  # of the signature base, or of method, target, digest and token id
    Column("business", JSONB, nullable=False, server_default="{}"),  # business headers as they came
    at("received_at", required=True),
    Column("receipt", LargeBinary, nullable=False),  # canonical bytes of the immediate receipt
    Column("receipt_kid", Text, nullable=False),
    Column("receipt_signature", LargeBinary, nullable=False),
    Index("push_by_idempotency_key", "agency", "feed", "idempotency_key", unique=True),
    Index("push_by_agency", "agency", "received_at"),
)

# A nonce that was used; gone when a signature that bears it would be too old.
door_nonce = Table(
    "door_nonce",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    at("expires_at", required=True),
    Index("door_nonce_by_end", "expires_at"),
)

# Every crossing, let in or not. Partitioned by month of `at`; the role that writes it may do nothing else with it.
access_log = Table(
    "access_log",
    metadata,
    Column("request", Text, primary_key=True),  # the hub's own id of the request, told to the caller
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("agency", Text),  # null: not proven
    Column("kid", Text),
    Column("address", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("route", Text, nullable=False),  # the template, never the caller's text
    Column("feed", Text),
    Column("batch_id", Text),
    Column("represented", Text),  # business headers, bounded
    Column("officer", Text),
    Column("issue", Text),
    Column("client_request", Text),
    Column("request_sha256", Text),
    Column("status", Integer, nullable=False),
    Column("code", Text),  # of the error
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("ms", Integer, nullable=False),
    Index("access_log_by_agency", "agency", "at"),
    postgresql_partition_by="range (at)",
)
