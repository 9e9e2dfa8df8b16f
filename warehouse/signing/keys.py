"""The hub's key: its private half lies in one file of the secrets' folder, every public half that ever signed in `hub.signing_key`.

The key that signs is the one in the file. Rotation puts another there; what the former one signed stays checkable, for its public
half stays. A public half is on record before, or in the very transaction in which, something that it signed is.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hub.errors import KeyUnusable, SettingInvalid
from hub.keys import PrivateKey, generate, read_private
from hub.said import Said
from hub.settings import settings
from warehouse import acts
from warehouse.tables import signing_key

NAME = "hub-signing-key"
_known: set[tuple[str, str]] = set()
"""(database, kid) of keys that are on record, committed."""


def path() -> Path:
    """Where the private key lies: in the folder of given secrets where it is there, else in the run directory."""
    now = settings()
    given = None if now.secrets is None else now.secrets / NAME
    return given if given is not None and given.is_file() else now.var / "secrets" / NAME


def current() -> PrivateKey:
    """The key that signs now, made at the first call. Raises SettingInvalid where the file holds no Ed25519 key."""
    place = path()
    try:
        facts = place.stat()
    except FileNotFoundError:
        _make(place)
        facts = place.stat()
    return _read(place, facts.st_mtime_ns, facts.st_ino)


def on_record(conn: sa.Connection, key: PrivateKey) -> None:
    """Puts the public half on record where it is not yet, in the open transaction."""
    name = (str(conn.engine.url), key.kid)
    if name in _known:
        return
    if conn.scalar(sa.select(signing_key.c.kid).where(signing_key.c.kid == key.kid)) is not None:
        _known.add(name)
        return
    made = insert(signing_key).values(kid=key.kid, jwk=key.public.jwk)
    conn.execute(made.on_conflict_do_nothing())


def listed(conn: sa.Connection) -> list[dict[str, Any]]:
    """Every key that ever signed, the newest first: kid, jwk, made_at, retired_at."""
    query = sa.select(signing_key).order_by(signing_key.c.made_at.desc(), signing_key.c.kid)
    return [dict(row) for row in conn.execute(query).mappings()]


def jwks(conn: sa.Connection) -> dict[str, Any]:
    """The public keys as a JWK Set: what receipts are checked with."""
    extra = {"use": "sig", "alg": "EdDSA"}
    return {"keys": [{**row["jwk"], **extra} for row in listed(conn)]}


def rotate(conn: sa.Connection, *, operator: str, reason: str) -> tuple[str | None, str]:
    """Makes another key the one that signs; returns the kids (before, now). In a transaction; on record as an act.

    Raises OperatorMissing, SettingInvalid where the key is a given secret: whoever gives it changes it.
    """
    by = acts.named("receipt rotate", operator, reason)
    now = settings()
    place = now.var / "secrets" / NAME
    if path() != place:
        raise SettingInvalid(
            setting="HUB_SECRETS",
            reason=Said(
                f"{NAME} is given there; replace that file, the next signature takes the new key",
                f"其中已给出 {NAME}；请更换该文件，下次签名即用新密钥",
            ),
        )
    before = current().kid if place.exists() else None
    made = generate()
    conn.execute(insert(signing_key).values(kid=made.kid, jwk=made.public.jwk))
    retired = sa.update(signing_key).where(signing_key.c.kid != made.kid, signing_key.c.retired_at.is_(None))
    conn.execute(retired.values(retired_at=sa.func.now()))
    acts.note(conn, "rotate", "signing_key", by, {"before": before, "now": made.kid})
    # The file last: should the commit fail the new key signs all the same, and `on_record` puts it on record again.
    _write(place, made, replace=True)
    return before, made.kid


@lru_cache(maxsize=4)
def _read(place: Path, _changed: int, _inode: int) -> PrivateKey:
    try:
        key = read_private(place.read_bytes())
    except KeyUnusable as error:
        raise SettingInvalid(setting="HUB_SECRETS", reason=error.reason) from None  # type: ignore[attr-defined]
    if key.public.algorithm != "ed25519":
        raise SettingInvalid(setting="HUB_SECRETS", reason=Said("the hub signs with Ed25519", "枢纽以 Ed25519 签名"))
    return key


def _make(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(place, generate(), replace=False)


def _write(place: Path, key: PrivateKey, *, replace: bool) -> None:
    beside = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.pem())
        file.flush()
        os.fsync(file.fileno())
    try:
        if replace:
            beside.replace(place)
        else:
            # A link fails where the name is taken: of two processes that start at once both use the first one's key.
            place.hardlink_to(beside)
    except FileExistsError:
        pass
    finally:
        beside.unlink(missing_ok=True)
    handle = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
