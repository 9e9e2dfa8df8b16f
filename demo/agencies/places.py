"""Writes the operator's list of places for the demonstration: where each agency answers, and which file holds its secret.

Places that somebody added to the list stay in it: a feed of one's own is tried on a demonstration that is kept.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.stack.layout import write_private

CLIENT = "supervision-hub"
OWN = frozenset(
    {
        "audit_office_db",
        "inspection_office_api",
        "finance_bureau_drop",
        "statistics_bureau_files",
        "published_records",
    }
)
"""The places that the demonstration lists; feeds of others are not its business."""


@dataclass(frozen=True)
class Folder:
    """The demonstration's own folder and what lies where in it."""

    root: Path

    @property
    def places(self) -> Path:
        """The list of places (HUB_PLACES)."""
        return self.root / "places.toml"

    @property
    def state(self) -> Path:
        """What the agencies' process says of itself."""
        return self.root / "agencies.json"

    @property
    def ledgers(self) -> Path:
        """One ledger a delivery."""
        return self.root / "ledgers"

    @property
    def finance(self) -> Path:
        """The finance bureau's drop folder."""
        return self.root / "finance_bureau"

    @property
    def statistics(self) -> Path:
        """The statistics bureau's files."""
        return self.root / "statistics_bureau"

    @property
    def unpublished(self) -> Path:
        """Stands in for published records where they are absent: an empty folder."""
        return self.root / "published_records"

    @property
    def log(self) -> Path:
        """What the agencies' process prints."""
        return self.root / "agencies.log"

    @property
    def report(self) -> Path:
        """The facts of the last run."""
        return self.root / "report.json"

    def make(self) -> None:
        """Makes the folders; repeated calls change nothing."""
        for folder in (self.root, self.ledgers, self.finance, self.statistics, self.unpublished):
            folder.mkdir(parents=True, exist_ok=True)

    def secret(self, name: str) -> str:
        """A generated secret of that name, made once."""
        path = self.secret_file(name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, secrets.token_hex(24))
        return path.read_text(encoding="utf-8")

    def secret_file(self, name: str) -> Path:
        """Where it lies, mode 0600."""
        return self.root / "secrets" / name


def write(folder: Folder, *, database: Mapping[str, str], api: str, published: Path) -> None:
    """Writes the list, mode 0600. `database`: host, port, dbname, user of the audit office; `api`: the inspection office's URL."""
    own: dict[str, dict[str, Any]] = {
        "audit_office_db": {
            "host": database["host"],
            "port": int(database["port"]),
            "dialect": "postgresql+psycopg",
            "database": database["dbname"],
            "user": database["user"],
            "password_file": str(folder.secret_file("audit-office")),
        },
        "inspection_office_api": {
            "base_url": api,
            "oauth2": {
                "token_url": f"{api}/oauth/token",
                "client_id": CLIENT,
                "client_secret_file": str(folder.secret_file("inspection-office")),
            },
        },
        "finance_bureau_drop": {"root": str(folder.finance)},
        "statistics_bureau_files": {"root": str(folder.statistics)},
        "published_records": {"root": str(published)},
    }
    assert set(own) == OWN
    others = _others(folder.places)
    lines = ["# Written by the demonstration: where its agencies answer. Secrets lie in the files named."]
    lines += [line for name, entry in own.items() for line in _table(("places", name), entry)]
    if others:
        lines += ["", "# Added by hand; the demonstration keeps these."]
        lines += [line for name, entry in others.items() for line in _table(("places", name), entry)]
    write_private(folder.places, "\n".join(lines) + "\n")


def _others(path: Path) -> dict[str, dict[str, Any]]:
    """Places that the list holds beside the demonstration's. A list that is no TOML is set aside, not thrown away."""
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8")).get("places", {})
    except FileNotFoundError:
        return {}
    except ValueError:
        with suppress(OSError):
            path.replace(path.with_name(f"{path.name}.unreadable"))
        return {}
    entries = listed.items() if isinstance(listed, dict) else ()
    return {name: entry for name, entry in entries if name not in OWN and isinstance(entry, dict)}


def _table(names: tuple[str, ...], entry: Mapping[str, Any]) -> list[str]:
    """A place as TOML: its values, then its tables."""
    # A JSON string, number or truth value is TOML's too.
    values = [f"{_key(key)} = {_text(value)}" for key, value in entry.items() if not isinstance(value, dict)]
    lines = ["", f"[{'.'.join(map(_key, names))}]", *values]
    for key, value in entry.items():
        if isinstance(value, dict):
            lines += _table((*names, key), value)
    return lines


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "_").isidentifier() else _text(name)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")
