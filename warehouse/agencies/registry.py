"""Agencies on record: who they are and whom to call. Everything done to them is an act of a named person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.identifiers import uscc as codes_of_credit
from contracts.rules import divisions
from hub.nearest import must_be_known
from hub.said import Said
from warehouse import acts
from warehouse.agencies.errors import AgencyThere, AgencyWrong
from warehouse.tables import agency, agency_contact, agency_feed, agency_key

_ID = re.compile(r"[a-z][a-z0-9_]{1,62}")
_GOOD = codes_of_credit.CHECKSUM | codes_of_credit.PAIR
ROLES = ("technical", "security", "business")
"""What a contact is for."""


@dataclass(frozen=True, slots=True)
class Agency:
    """A body that sends, receives or both."""

    agency: str
    uscc: str | None
    name_zh: str
    name_en: str
    level: int  # 1 central … 5 township
    division: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call: an office, or a person in office."""

    role: str
    name: str
    phone: str | None = None
    email: str | None = None


def add(conn: sa.Connection, new: Agency, contacts: Iterable[Contact] = (), *, operator: str, reason: str) -> None:
    """Puts an agency on record. In a transaction. Raises OperatorMissing, AgencyWrong, AgencyThere."""
    by = acts.named("agency add", operator, reason)
    _check(new)
    values = {name: getattr(new, name) for name in Agency.__dataclass_fields__}
    made = insert(agency).values(**values, added_by=by[0]).on_conflict_do_nothing()
    if (
        conn.execute(made.returning(agency.c.agency)).first() is None
    ):  # of two that add one at once, the later is told of the first
        raise _taken(conn, new)
    acts.note(conn, "add", _object(new.agency), by, {"uscc": new.uscc, "level": new.level, "division": new.division})
    _set_contacts(conn, new.agency, contacts)


def _taken(conn: sa.Connection, new: Agency) -> AgencyThere:
    """The error for an agency whose id or code another one has."""
    by_id = conn.scalar(sa.select(agency.c.agency).where(agency.c.agency == new.agency))
    if by_id is not None:
        return AgencyThere(agency=new.agency, what=Said("its id", "标识"), other=by_id)
    by_code = conn.scalar(sa.select(agency.c.agency).where(agency.c.uscc == new.uscc))
    what = Said("its unified social credit code", "统一社会信用代码")
    return AgencyThere(agency=new.agency, what=what, other=by_code)


def change_contacts(conn: sa.Connection, name: str, contacts: Iterable[Contact], *, operator: str, reason: str) -> None:
    """Writes contacts, each in place of the one of its role. In a transaction. Raises OperatorMissing, NameUnknown, AgencyWrong."""
    by = acts.named("agency contact", operator, reason)
    must_exist(conn, name)
    given = list(contacts)
    _set_contacts(conn, name, given)
    acts.note(conn, "contact", _object(name), by, {"roles": [one.role for one in given]})


def _set_contacts(conn: sa.Connection, name: str, contacts: Iterable[Contact]) -> None:
    for one in contacts:
        if one.role not in ROLES or not 0 < len(one.name.strip()) <= 100:
            why = Said(
                f"a contact is ROLE:NAME[:PHONE[:EMAIL]], with ROLE one of {', '.join(ROLES)}",
                f"联系人写作 角色:名称[:电话[:邮箱]]，角色为 {'、'.join(ROLES)} 之一",
            )
            raise AgencyWrong(agency=name, reason=why)
        values = {"name": one.name.strip(), "phone": one.phone, "email": one.email}
        made = insert(agency_contact).values(agency=name, role=one.role, **values)
        conn.execute(made.on_conflict_do_update(index_elements=["agency", "role"], set_=values))


def set_state(conn: sa.Connection, name: str, state: str, *, operator: str, reason: str) -> None:
    """`suspended`: nothing of it is let in, whatever it proves; `active` again. In a transaction. Raises NameUnknown."""
    by = acts.named("agency suspend" if state == "suspended" else "agency resume", operator, reason)
    must_exist(conn, name)
    conn.execute(sa.update(agency).where(agency.c.agency == name).values(state=state))
    acts.note(conn, state, _object(name), by)


def must_exist(conn: sa.Connection, name: str) -> None:
    """Raises NameUnknown, with those that are near, unless the agency is on record."""
    known = conn.execute(sa.select(agency.c.agency)).scalars().all()
    must_be_known(Said("agency", "机构"), name, map(str, known), "hub agency list")


def listed(conn: sa.Connection) -> list[dict[str, Any]]:
    """Every agency with the number of keys that are good now, and the feeds it may push."""
    now = sa.func.now()
    good = (
        sa.select(sa.func.count())
        .where(
            agency_key.c.agency == agency.c.agency,
            agency_key.c.revoked_at.is_(None),
            agency_key.c.valid_from <= now,
            sa.or_(agency_key.c.valid_until.is_(None), agency_key.c.valid_until > now),
        )
        .scalar_subquery()
    )
    pushes = (
        sa.select(sa.func.coalesce(sa.func.string_agg(agency_feed.c.feed, ", "), ""))
        .where(agency_feed.c.agency == agency.c.agency, agency_feed.c.may == "push")
        .scalar_subquery()
    )
    query = sa.select(agency, good.label("keys"), pushes.label("pushes")).order_by(agency.c.agency)
    return [dict(row) for row in conn.execute(query).mappings()]


def shown(conn: sa.Connection, name: str) -> dict[str, Any]:
    """All that is on record of an agency. Raises NameUnknown."""
    must_exist(conn, name)
    about = dict(conn.execute(sa.select(agency).where(agency.c.agency == name)).mappings().one())

    def rows(table: sa.Table, order: sa.Column[Any]) -> list[dict[str, Any]]:
        found = conn.execute(sa.select(table).where(table.c.agency == name).order_by(order)).mappings()
        return [{key: value for key, value in row.items() if key != "agency"} for row in found]

    return {
        **about,
        "contacts": rows(agency_contact, agency_contact.c.role),
        "keys": rows(agency_key, agency_key.c.added_at),
        "feeds": rows(agency_feed, agency_feed.c.feed),
    }


def object_of(name: str) -> str:
    """What an act on an agency is noted on."""
    return _object(name)


def _object(name: str) -> str:
    return f"agency:{name}"


def _check(new: Agency) -> None:
    problems: Mapping[str, Said | None] = {
        "id": None
        if _ID.fullmatch(new.agency)
        else Said(
            "its id is no lower-case word of 2 to 63 letters, digits and _", "标识须为 2 至 63 位小写字母、数字与 _"
        ),
        "uscc": None
        if new.uscc is None or codes_of_credit.findings(new.uscc) & _GOOD == _GOOD
        else Said("its unified social credit code is not valid", "统一社会信用代码无效"),
        "name": None
        if all(0 < len(text.strip()) <= 200 for text in (new.name_zh, new.name_en))
        else Said("it needs a Chinese and an English name of at most 200 characters", "须有不超过 200 字的中英文名称"),
        "level": None if 1 <= new.level <= 5 else Said("its level is none of 1 to 5", "级别须为 1 至 5"),
        "division": None
        if new.division in divisions.ever_valid()
        else Said("its division is no code of GB/T 2260", "行政区划代码不在 GB/T 2260 中"),
    }
    wrong = next((problem for problem in problems.values() if problem is not None), None)
    if wrong is not None:
        raise AgencyWrong(agency=new.agency[:63], reason=wrong)
