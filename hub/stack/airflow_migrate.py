"""Creates or migrates Airflow's database in one process and notes its revision: `python -m hub.stack.airflow_migrate FILE`.

The command `airflow db migrate` does the same through a slower start.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(note: Path) -> None:
    """Migrates the database that the environment names; writes Airflow's version and the revision to `note`."""
    from airflow import __version__  # noqa: PLC0415 - the import alone takes seconds
    from airflow.utils import db  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    db.upgradedb()
    with create_session() as session:
        head = db._get_current_revision(session)  # type: ignore[no-untyped-call]  # there is no public way to ask
    note.write_text(json.dumps({"airflow": __version__, "head": head}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
