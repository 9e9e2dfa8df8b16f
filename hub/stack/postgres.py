"""PostgreSQL: a cluster of the stack's own, loopback only, SCRAM passwords, durable, roles with least privilege."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from hub.said import Said
from hub.stack import ports
from hub.stack.errors import ClusterGone, ClusterNotMade, PasswordRefused
from hub.stack.layout import Layout, write_private
from hub.stack.parts import Part, run_step
from hub.stack.postgres_home import RunAs, data_root, find, reachable_home, run_as
from hub.stack.processes import Launch
from hub.stack.vault import Vault

SUPERUSER = "stack"
LEAST = 14
ROLES = ("hub", "airflow")  # each owns the database of its name and nothing else

CONFIGURATION = """\
# Written at each start by the local stack; durable, for one machine.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = '512MB'
max_wal_size = '6GB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
wal_buffers = '64MB'
fsync = on
synchronous_commit = on
full_page_writes = on
huge_pages = off
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %u@%d '
log_statement = 'none'
# A statement in the log would carry the values of records.
log_min_error_statement = 'panic'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = 'terse'
"""

ACCESS = """\
# Loopback, by password alone; who may enter which database is granted there.
host all all 127.0.0.1/32 scram-sha-256
"""


def admin_conninfo(layout: Layout, port: int, database: str = "postgres") -> str:
    """Connection string of the superuser, for the stack itself, tests and the demo's own databases."""
    password = Vault(layout.secrets).get("postgres-stack")
    return f"host={ports.HOST} port={port} user={SUPERUSER} password={password} dbname={database}"


class Postgres(Part):
    """The database of the hub and of Airflow."""

    name = "postgres"
    title = "PostgreSQL"
    port_names = ("postgres",)
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, everything is written
    stop_order = 30
    grace = 20.0
    patience = 60.0

    _root: Path | None = None

    @property
    def external(self) -> bool:
        """The operator's database is used, and Airflow does not need one of ours."""
        airflow_needs_one = "airflow-db" in self.plan.wanted and self.plan.operator.airflow_database_url is None
        return self.plan.operator.database_url is not None and not airflow_needs_one

    @property
    def address(self) -> str | None:
        """Where it answers; for the operator's database host and port of its URL."""
        if not self.external:
            return super().address
        made = psycopg.conninfo.conninfo_to_dict(plain_url(self.plan.operator.url()))
        return f"{made.get('host', ports.HOST)}:{made.get('port', 5432)}"

    @property
    def who(self) -> RunAs:
        """The user that it runs as."""
        return run_as(self.plan.operator.postgres_user)

    @property
    def root(self) -> Path:
        """The folder of the cluster and, where needed, of a copy of the programs."""
        if self._root is None:
            self._root = data_root(self.plan.layout.var / "postgres", self.who)
        return self._root

    @property
    def home(self) -> Path | None:
        """Its data, which is also the working folder of all its processes."""
        return None if self.external else self.root.resolve() / "data"

    def prepare(self) -> None:
        """Makes the cluster at the first start; clears what a killed postmaster left. Raises ClusterGone."""
        mark = self.plan.layout.cluster_mark
        who, data = self.who, self.root / "data"
        if not (data / "PG_VERSION").exists():
            if mark.exists():
                raise ClusterGone(data=mark.read_text(encoding="utf-8"), mark=mark)
            self._create(data, who)
        write_private(mark, str(data))
        # All processes of it are gone by now (the supervisor saw to it), so the id in there is stale and may be somebody else's by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        # Beside the data, not in it: root writes nothing into a folder that another user may change.
        self._own_file(
            self.root / "hub.conf", CONFIGURATION.format(host=ports.HOST, port=self.plan.ports["postgres"]), who
        )
        self._own_file(self.root / "access.conf", ACCESS, who)

    def launch(self) -> Launch:
        """The postmaster in the foreground."""
        who, data = self.who, self.root.resolve() / "data"
        argv = [str(self._programs(who) / "bin" / "postgres"), "-D", str(data)]
        argv += ["-c", f"config_file={data.parent / 'hub.conf'}", "-c", f"hba_file={data.parent / 'access.conf'}"]
        return Launch(argv, self.plan.step_env(self.name), data, who.uid, who.gid)

    def ready(self) -> bool:
        """Whether the superuser can log in. Raises PasswordRefused."""
        if self.external:
            return bool(self.address and ports.answers(self.address))
        try:
            with psycopg.connect(self._admin(), connect_timeout=2):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                layout = self.plan.layout
                raise PasswordRefused(
                    part=self.title, address=self.address, user=SUPERUSER, secrets=layout.secrets, data=self.root
                ) from None
            return False

    def settle(self) -> None:
        """Makes roles and databases, and sets the roles' passwords to those of the run directory."""
        if self.external:
            return
        with psycopg.connect(self._admin(), autocommit=True, connect_timeout=5) as connection:
            for role in ROLES:
                _ensure_role(connection, role, self.plan.vault.get(f"postgres-{role}"))

    def hub_env(self) -> Mapping[str, str]:
        """The hub's own database, unless the operator named one."""
        if self.plan.operator.database_url is not None:
            return {}
        return {"HUB_DATABASE_URL": self.url("hub")}

    def url(self, role: str, driver: str = "psycopg") -> str:
        """SQLAlchemy URL of a role's own database."""
        password = self.plan.vault.get(f"postgres-{role}")
        return f"postgresql+{driver}://{role}:{password}@{ports.HOST}:{self.plan.ports['postgres']}/{role}"

    def _admin(self) -> str:
        return admin_conninfo(self.plan.layout, self.plan.ports["postgres"])

    def _programs(self, who: RunAs) -> Path:
        return reachable_home(find(self.plan.operator.postgres_home), who, self.root)

    def _create(self, data: Path, who: RunAs) -> None:
        """Makes the cluster beside its final place and moves it there, so that half a cluster is never started."""
        programs, env = self._programs(who) / "bin", self.plan.step_env(self.name)
        new = data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        who.own(new)
        password = data.with_name("password")
        self._own_file(password, self.plan.vault.get("postgres-stack"), who)
        version = run_step([str(programs / "postgres"), "--version"], env=env, cwd=self.root, failed=self._not_made)
        argv = [str(programs / "initdb"), "-D", str(new), f"--username={SUPERUSER}", f"--pwfile={password}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        # The same order of text on every machine; from 17 on it also knows upper and lower case beyond ASCII.
        builtin = self._major(version) >= 17
        argv += ["--locale-provider=builtin", "--locale=C.UTF-8"] if builtin else ["--locale=C"]
        try:
            run_step(argv, env=env, cwd=self.root, failed=self._not_made, user=who.uid, group=who.gid)
        finally:
            password.unlink(missing_ok=True)
        new.rename(data)

    def _major(self, version: str) -> int:
        found = re.search(r"\(PostgreSQL\) (\d+)", version)
        if not found or int(found.group(1)) < LEAST:
            raise self._not_made(
                Said(
                    f"{version.strip()[:100]} is no PostgreSQL of version {LEAST} or later",
                    f"{version.strip()[:100]} 不是 {LEAST} 及以上版本的 PostgreSQL",
                )
            )
        return int(found.group(1))

    def _not_made(self, reason: str) -> ClusterNotMade:
        return ClusterNotMade(reason=reason, folder=self.root)

    @staticmethod
    def _own_file(path: Path, text: str, who: RunAs) -> None:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        who.own(path)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    # The server receives the SCRAM verifier, never the password, so no log of it can hold the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    name = sql.Identifier(role)
    known = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    verb = sql.SQL("alter role" if known else "create role")
    limits = sql.SQL("login nosuperuser nocreatedb nocreaterole noreplication nobypassrls")
    connection.execute(sql.SQL("{} {} {} password {}").format(verb, name, limits, sql.Literal(verifier)))
    if not connection.execute("select 1 from pg_database where datname = %s", (role,)).fetchone():
        connection.execute(sql.SQL("create database {} owner {}").format(name, name))
    connection.execute(sql.SQL("revoke all on database {} from public").format(name))


def plain_url(url: str) -> str:
    """The URL without SQLAlchemy's driver, as libpq reads it."""
    scheme, separator, rest = url.partition("://")
    return scheme.split("+")[0] + separator + rest
