"""Brings the hub's tables to the shape this version needs: `python -m warehouse.migrate`.

Doing it twice changes nothing; of several processes that start at once one migrates and the others wait for it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from hub import log
from hub.errors import HubException
from hub.output import emit_error
from warehouse.engine import lock_transaction, transaction
from warehouse.feeds.tables import CORE, HISTORY
from warehouse.tables import SCHEMA

FOLDER = Path(__file__).parent / "migrations"


def migrate() -> str:
    """Migrates the database of the settings to the newest step, in one transaction; returns that step's id.

    Raises DatabaseUnavailable, SettingMissing.
    """
    with transaction() as conn:
        lock_transaction(conn, "migrate", SCHEMA)
        for schema in (SCHEMA, CORE, HISTORY):
            conn.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        command.upgrade(config(conn), "head")
    head = ScriptDirectory.from_config(config(None)).get_current_head()
    assert head is not None
    return head


def config(conn: sa.Connection | None) -> Config:
    """Alembic's configuration for a connection; there is no ini file."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.attributes["connection"] = conn
    return made


def main() -> None:
    """Migrates and says so in the log; ends with the error's exit code where it can't."""
    try:
        head = migrate()
    except HubException as error:
        emit_error(error, as_json=False)
        sys.exit(error.exit_code)
    log.get("migrate").info("the database is up to date", step=head)


if __name__ == "__main__":
    main()
