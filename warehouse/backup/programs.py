"""PostgreSQL's own programs, pointed at the database of the settings; the password goes by a file, never by a command line."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psycopg
import sqlalchemy as sa

from hub.settings import settings
from hub.stack.layout import write_private
from hub.stack.parts import run_step
from hub.stack.postgres_home import find
from warehouse.backup.errors import ProgramFailed

SECONDS = 24 * 3600.0


def run(program: str, *words: str) -> None:
    """Runs `pg_dump` or `pg_restore` on the hub's database. Raises ProgramFailed, PostgresMissing, SettingMissing."""
    now = settings()
    url = sa.make_url(now.url()).set(drivername="postgresql")
    place = psycopg.conninfo.conninfo_to_dict(url.render_as_string(hide_password=False))
    password = str(place.pop("password", ""))
    with tempfile.TemporaryDirectory(prefix="hub-pg-") as folder:
        passfile = Path(folder) / "pgpass"
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        write_private(passfile, f"*:*:*:*:{escaped}\n")
        named = psycopg.conninfo.make_conninfo("", **{**place, "passfile": str(passfile)})
        run_step(
            [str(find(now.postgres_home) / "bin" / program), "--no-password", "-d", str(named), *words],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": folder},
            cwd=Path(folder),
            failed=lambda reason: ProgramFailed(program=program, reason=reason),
            timeout=SECONDS,
        )
