"""What a backup holds: one JSON file, written last, with the SHA-256 of everything else.

A folder without it was cut short. Whatever does not agree with it is not restored.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.said import Said
from hub.stack.layout import write_private
from warehouse.backup.errors import BackupIncomplete
from warehouse.store import Store

NAME, DUMP, STORE, KEY = "manifest.json", "database.dump", "store", "hub-hmac-key"
FORM = 1
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """A backup: when its database was looked at, at which step of the tables, and every file with its hash."""

    form: int
    hub: str
    taken_at: str
    step: str
    dump_sha256: str
    key_sha256: str | None
    """None where the key is the operator's own (HUB_HMAC_KEY) or was never needed."""
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        """Writes it; from then on the backup is whole."""
        write_private(folder / NAME, json.dumps(asdict(self), indent=1, sort_keys=True))
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(folder: Path) -> Manifest:
    """The manifest of a backup, every file of which has the hash that it names. Raises BackupIncomplete."""
    try:
        found = Manifest(**json.loads((folder / NAME).read_text(encoding="utf-8")))
        wanted = {DUMP: found.dump_sha256} | ({KEY: found.key_sha256} if found.key_sha256 else {})
        wanted |= {f"{STORE}/{path}": sha256 for path, sha256 in found.files.items()}
    except FileNotFoundError:
        raise _incomplete(folder, Said("it has no manifest", "没有清单文件")) from None
    except (OSError, ValueError, TypeError, AttributeError):
        raise _incomplete(folder, Said("its manifest can't be read", "清单文件无法读取")) from None
    if found.form != FORM:
        raise _incomplete(folder, Said(f"it has the form {found.form}", f"其格式为 {found.form}"))
    place = Store(folder)
    for path, sha256 in wanted.items():
        file = place.path(path)  # the manifest may be anybody's: no path leads out of the folder
        if not file.is_file() or file.is_symlink():
            raise _incomplete(folder, Said(f"{path} is missing", f"缺少 {path}"))
        if hash_of(file) != sha256:
            raise _incomplete(folder, Said(f"{path} was changed", f"{path} 被改动"))
    return found


def hash_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _incomplete(folder: Path, what: Said) -> BackupIncomplete:
    return BackupIncomplete(folder=folder, what=what)
