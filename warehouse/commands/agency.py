"""Agencies that push and read: add, list, show, allow, deny, suspend, resume, contact, key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import catalogue
from contracts.model import FeedContract
from hub import clock
from hub.errors import ParameterWrong
from hub.ids import FeedId
from hub.options import SEVERAL, Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows, say_next
from hub.said import Said, by_system, zh
from warehouse.agencies import keys, registry, rights
from warehouse.agencies.registry import Agency, Contact
from warehouse.engine import connection, transaction

app = typer.Typer(no_args_is_help=True, help="Agencies: add, list, show, allow, deny, suspend, resume, contact, key.")
key = typer.Typer(no_args_is_help=True, help="Public keys of agencies: add, revoke.")
app.add_typer(key, name="key")

Name = Annotated[str, typer.Argument(help="The agency's id.")]
Push = Annotated[list[str] | None, typer.Option(help=f"Feeds that it may push. {SEVERAL}")]
Read = Annotated[list[str] | None, typer.Option(help=f"Feeds whose contract it may read. {SEVERAL}")]
_COLUMNS = ("agency", "name_zh", "level", "division", "state", "keys", "pushes")


@app.command()
def add(
    agency: Name,
    *,
    name_zh: Annotated[str, typer.Option(help="Its name in Chinese.")],
    name_en: Annotated[str, typer.Option(help="Its name in English.")],
    level: Annotated[int, typer.Option(help="1 central, 2 province, 3 city, 4 county, 5 township.")],
    division: Annotated[str, typer.Option(help="Administrative division (GB/T 2260), six digits.")],
    uscc: Annotated[str | None, typer.Option(help="Its unified social credit code.")] = None,
    contact: Annotated[
        list[str] | None,
        typer.Option(help=f"ROLE:NAME[:PHONE[:EMAIL]], ROLE one of technical, security, business. {SEVERAL}"),
    ] = None,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Puts an agency on record."""
    new = Agency(agency, uscc, name_zh, name_en, level, division)
    with transaction() as conn:
        registry.add(conn, new, map(_contact, contact or ()), operator=operator, reason=reason)
    _done({"agency": agency}, as_json, f"hub agency key add {agency} --file KEY.pub.pem --operator NAME --reason TEXT")


@app.command("list")
def list_agencies(as_json: AsJson = False) -> None:
    """Lists every agency, how many keys of it are good now, and what it may push."""
    with connection() as conn:
        emit_rows(registry.listed(conn), [(name, name) for name in _COLUMNS], as_json=as_json)


@app.command()
def show(agency: Name, as_json: AsJson = False) -> None:
    """Shows all that is on record of an agency: contacts, keys with their validity, rights."""
    with connection() as conn:
        found = registry.shown(conn, agency)
    if as_json:
        emit_json(found)
        return
    lists = ("contacts", "keys", "feeds")
    emit_rows([{name: value for name, value in found.items() if name not in lists}], _all(found, lists), as_json=False)
    for name in lists:
        rows = [{column: value for column, value in row.items() if column != "public"} for row in found[name]]
        if rows:
            console().print(f"[bold]{name}[/]")
            emit_rows(rows, [(column, column) for column in rows[0]], as_json=False)


@app.command()
def allow(
    agency: Name,
    *,
    push: Push = None,
    read: Read = None,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Lets an agency push feeds, or read what is said of them. One agency at a time pushes a feed."""
    feeds = [_contracts(names) for names in (push, read)]
    with transaction() as conn:
        rights.allow(conn, agency, *feeds, operator=operator, reason=reason)
    _done({"agency": agency, "push": push or [], "read": read or []}, as_json, f"hub agency show {agency}")


@app.command()
def deny(
    agency: Name,
    *,
    push: Push = None,
    read: Read = None,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Takes such rights away, at once."""
    with transaction() as conn:
        gone = rights.deny(conn, agency, push or (), read or (), operator=operator, reason=reason)
    _done({"agency": agency, "taken_away": gone}, as_json, f"hub agency show {agency}")


@app.command()
def suspend(agency: Name, *, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Lets nothing of an agency in, whatever it proves, until it is resumed."""
    with transaction() as conn:
        registry.set_state(conn, agency, "suspended", operator=operator, reason=reason)
    _done({"agency": agency, "state": "suspended"}, as_json, f"hub agency show {agency}")


@app.command()
def resume(agency: Name, *, operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Lets an agency in again that was suspended."""
    with transaction() as conn:
        registry.set_state(conn, agency, "active", operator=operator, reason=reason)
    _done({"agency": agency, "state": "active"}, as_json, f"hub agency show {agency}")


@app.command()
def contact(
    agency: Name,
    given: Annotated[list[str], typer.Argument(help="ROLE:NAME[:PHONE[:EMAIL]], one or more.")],
    *,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Writes whom to call, each in place of the one of its role."""
    with transaction() as conn:
        registry.change_contacts(conn, agency, map(_contact, given), operator=operator, reason=reason)
    _done({"agency": agency, "contacts": len(given)}, as_json, f"hub agency show {agency}")


@key.command("add")
def key_add(
    agency: Name,
    *,
    file: Annotated[Path, typer.Option(help="The public key (PEM), made on the agency's side: `hub agency keygen`.")],
    valid_from: Annotated[datetime | None, typer.Option("--from", help="When it begins; now.")] = None,
    valid_until: Annotated[datetime | None, typer.Option("--until", help="When it ends; never.")] = None,
    replaces: Annotated[str | None, typer.Option(help="Key (kid) that ends where this one begins.")] = None,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=8760, help="Hours for which the replaced key is good beside this one.")
    ] = 0,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Puts a public key of an agency on record. Compare its kid with the agency's, by another way than it came."""
    try:
        pem = file.read_bytes()[:65_536]
    except OSError as error:
        system = by_system(error)
        why = Said(f"{file}: {system}", f"{file}：{zh(system)}")
        raise ParameterWrong(command="hub agency key add", reason=why, usage="--file KEY.pub.pem") from None
    with transaction() as conn:
        kid = keys.add(
            conn,
            agency,
            pem,
            operator=operator,
            reason=reason,
            valid_from=_zoned(valid_from),
            valid_until=_zoned(valid_until),
            replaces=replaces,
            overlap=timedelta(hours=overlap_hours),
        )
    _done(
        {"agency": agency, "kid": kid}, as_json, f"hub agency allow {agency} --push FEED --operator NAME --reason TEXT"
    )


@key.command("revoke")
def key_revoke(
    kid: Annotated[str, typer.Argument(help="The key's id.")],
    *,
    operator: Operator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Ends a key at once and for good; what it signed stays on record."""
    with transaction() as conn:
        agency = keys.revoke(conn, kid, operator=operator, reason=reason)
    _done({"agency": agency, "revoked": kid}, as_json, f"hub agency show {agency}")


def _contracts(names: list[str] | None) -> list[FeedContract]:
    return [catalogue.load_one(FeedId(name)) for name in names or ()]


def _contact(text: str) -> Contact:
    role, name, phone, email = [*text.split(":", 3), "", "", ""][:4]
    return Contact(role, name, phone or None, email or None)


def _zoned(given: datetime | None) -> datetime | None:
    """A time without a zone is the legal one, Beijing's."""
    return given if given is None or given.tzinfo is not None else given.replace(tzinfo=clock.BEIJING)


def _all(found: dict[str, Any], but: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, name) for name in found if name not in but]


def _done(facts: dict[str, Any], as_json: bool, then: str) -> None:
    if as_json:
        emit_json(facts)
        return
    emit_rows([facts], [(name, name) for name in facts], as_json=False)
    say_next(then)
