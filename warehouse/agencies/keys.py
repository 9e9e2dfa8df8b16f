"""Public keys of agencies: added, ended, revoked; and found again at every request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hub import clock
from hub.errors import KeyUnusable
from hub.keys import PublicKey, read_public
from hub.said import Said
from warehouse import acts
from warehouse.agencies import registry
from warehouse.agencies.errors import KeyThere, KeyUnknown, RegistryBroken
from warehouse.tables import agency, agency_key


@dataclass(frozen=True, slots=True)
class KeyFound:
    """A key as it is on record, with how its agency stands."""

    kid: str
    agency: str
    key: PublicKey
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None
    active: bool  # the agency is not suspended

    def ended(self, now: datetime) -> str | None:
        """Why it proves nothing now: `early`, `expired`, `revoked`; None where it does."""
        if self.revoked_at is not None:
            return "revoked"
        if now < self.valid_from:
            return "early"
        return "expired" if self.valid_until is not None and now >= self.valid_until else None


def add(
    conn: sa.Connection,
    name: str,
    pem: bytes,
    *,
    operator: str,
    reason: str,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    replaces: str | None = None,
    overlap: timedelta = timedelta(0),
) -> str:
    """Puts an agency's public key on record; returns its id. In a transaction.

    `replaces` ends so long after the new one begins as `overlap` says; one that ends before then ends when it would have.

    Raises OperatorMissing, NameUnknown, KeyUnusable, KeyThere, KeyUnknown.
    """
    by = acts.named("agency key add", operator, reason)
    registry.must_exist(conn, name)
    key = read_public(pem)
    begins = valid_from or clock.now()
    if valid_until is not None and valid_until <= begins:
        raise KeyUnusable(reason=Said("it would end before it begins", "失效时间早于生效时间"))
    values: dict[str, object] = {"kid": key.kid, "agency": name, "algorithm": key.algorithm, "public": key.pem}
    if valid_from is not None:
        values["valid_from"] = valid_from
    made = insert(agency_key).values(**values, valid_until=valid_until, added_by=by[0]).on_conflict_do_nothing()
    if (
        conn.execute(made.returning(agency_key.c.kid)).first() is None
    ):  # of two that add one key at once, the later is told of the first
        owner = conn.scalar(sa.select(agency_key.c.agency).where(agency_key.c.kid == key.kid))
        raise KeyThere(kid=key.kid, agency=owner)
    if replaces is not None:
        # `least` passes over an end that is not there, and never lengthens a key that ended.
        end = sa.func.least(agency_key.c.valid_until, begins + overlap)
        mine = agency_key.c.kid == replaces, agency_key.c.agency == name, agency_key.c.revoked_at.is_(None)
        others = agency_key.c.kid != key.kid
        if not conn.execute(sa.update(agency_key).where(*mine, others).values(valid_until=end)).rowcount:
            raise KeyUnknown(
                kid=replaces, reason=Said(f"{name} has no such key that is good", f"{name} 没有该有效密钥")
            )
    facts = {"kid": key.kid, "replaces": replaces, "overlap_hours": overlap / timedelta(hours=1)}
    acts.note(conn, "key add", registry.object_of(name), by, facts)
    return key.kid


def revoke(conn: sa.Connection, kid: str, *, operator: str, reason: str) -> str:
    """Ends a key at once and for good; returns its agency. In a transaction. Raises OperatorMissing, KeyUnknown."""
    by = acts.named("agency key revoke", operator, reason)
    row = conn.execute(sa.select(agency_key).where(agency_key.c.kid == kid).with_for_update()).first()
    if row is None:
        raise KeyUnknown(kid=kid[:64], reason=Said("no agency has it", "没有机构登记该密钥"))
    if row.revoked_at is not None:
        raise KeyUnknown(kid=kid, reason=Said("it is revoked already", "该密钥已吊销"))
    values = {"revoked_at": sa.func.now(), "revoked_by": by[0], "revoked_why": by[1]}
    conn.execute(sa.update(agency_key).where(agency_key.c.kid == kid).values(values))
    acts.note(conn, "key revoke", registry.object_of(row.agency), by, {"kid": kid})
    return str(row.agency)


def lookup(conn: sa.Connection, kid: str) -> KeyFound | None:
    """The key of that id, whatever its state; None where no agency has it. One question. Raises RegistryBroken."""
    query = (
        sa.select(agency_key, agency.c.state)
        .join(agency, agency.c.agency == agency_key.c.agency)
        .where(agency_key.c.kid == kid)
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    try:
        key = read_public(row.public.encode())
    except KeyUnusable:
        raise RegistryBroken(kid=kid) from None
    return KeyFound(kid, row.agency, key, row.valid_from, row.valid_until, row.revoked_at, row.state == "active")


def ending(conn: sa.Connection, before: datetime) -> list[tuple[str, datetime]]:
    """Agencies, but for suspended ones, of which no key lasts until then, and when their last one ends or ended."""
    never = sa.literal("infinity").cast(sa.DateTime(timezone=True))
    last = sa.func.max(sa.func.coalesce(agency_key.c.valid_until, never))
    query = (
        sa.select(agency_key.c.agency, sa.func.max(agency_key.c.valid_until))
        .join(agency, agency.c.agency == agency_key.c.agency)
        .where(agency_key.c.revoked_at.is_(None), agency.c.state == "active")
        .group_by(agency_key.c.agency)
        .having(last <= before)
        .order_by(agency_key.c.agency)
    )
    return [(name, end) for name, end in conn.execute(query)]
