"""Waiting for PostgreSQL to say something, and the name under which a process is seen there."""

from __future__ import annotations

import os
import socket

import psycopg
import sqlalchemy as sa

from hub.settings import Settings


def application(kind: str, process: int | None = None) -> str:
    """How this process (or another one of this machine) is named in the database, so that an operator sees who works.

    For example `hub relay 4711@machine`.
    """
    return f"hub {kind} {process or os.getpid()}@{socket.gethostname()}"[:63]


def conninfo(now: Settings, name: str) -> str:
    """The database's address for psycopg itself; `name` is what the process is called there."""
    url = sa.make_url(now.url()).set(drivername="postgresql")
    made = psycopg.conninfo.make_conninfo(
        url.render_as_string(hide_password=False),
        application_name=name,
        connect_timeout=10,
    )
    return str(made)
