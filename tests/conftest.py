"""The real parts for the whole run: one PostgreSQL and one Kafka, on loopback, free ports, stopped after.

With several workers (pytest -n) all share them: whoever needs the stack first starts it, the controller stops it.
Each test takes a database and topic names of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from pydantic import SecretStr

from hub import log
from hub.settings import Settings, load_settings, settings
from hub.stack import admin_conninfo, down, up
from hub.stack.client import OWNER
from warehouse import engine
from warehouse.migrate import migrate

RUN = "HUB_TEST_VAR"
TEMPLATE = "hub_tables"


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the run directory before any worker starts, so that all use the same."""
    if RUN not in os.environ:
        os.environ[RUN] = tempfile.mkdtemp(prefix="hub-tests-")
        config.stash[_mine] = Path(os.environ[RUN])
        # Every stack of the run ends with this process, even when it is killed and can stop nothing.
        os.environ[OWNER] = str(os.getpid())
    # A stack that the developer runs, or settings they exported, are none of the tests' business.
    for name in [
        name
        for name in os.environ
        if name.startswith("HUB_") and name not in (RUN, OWNER, "HUB_SHARED_DATA", "HUB_JAVA")
    ]:
        del os.environ[name]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops what the run started. Only the process that chose the directory does."""
    mine = config.stash.get(_mine, None)
    if mine is not None:
        down(mine)
        shutil.rmtree(mine, ignore_errors=True)


_mine = pytest.StashKey[Path]()


@dataclass(frozen=True)
class TestStack:
    """The run's PostgreSQL and Kafka."""

    __test__ = False
    var: Path
    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.url()


@pytest.fixture(autouse=True)
def log_as_started() -> None:
    """A command that a test called in this process may have set another level: the next test sees all there is."""
    log.configure()


@pytest.fixture(scope="session")
def stack() -> TestStack:
    """PostgreSQL and Kafka of the run, started by whoever asks first."""
    var = Path(os.environ[RUN])
    up(var, {"postgres", "kafka"})
    return TestStack(var, load_settings(var=var))


@pytest.fixture(scope="session")
def template(stack: TestStack) -> str:
    """Name of a database with the hub's tables, made once in a run: to copy it takes a tenth of a second, to migrate ten times that."""
    base, admin = sa.make_url(stack.url), admin_conninfo(stack.var)
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtext(%s))", [TEMPLATE])
        if conn.execute("select 1 from pg_database where datname = %s and datistemplate", [TEMPLATE]).fetchone():
            return TEMPLATE
        conn.execute(
            sql.SQL("drop database if exists {}").format(sql.Identifier(TEMPLATE))
        )  # of one who failed: so that its error is told
        _create(conn, TEMPLATE, str(base.username), None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HUB_DATABASE_URL", base.set(database=TEMPLATE).render_as_string(hide_password=False))
            settings.cache_clear()
            migrate()
            engine.dispose()
        settings.cache_clear()
        conn.execute(sql.SQL("alter database {} is_template true").format(sql.Identifier(TEMPLATE)))
    return TEMPLATE


def _create(conn: psycopg.Connection[tuple[object, ...]], name: str, owner: str, like: str | None) -> None:
    copied = sql.SQL("") if like is None else sql.SQL(" template {}").format(sql.Identifier(like))
    conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)) + copied)


@pytest.fixture
def make_database(stack: TestStack) -> Iterator[Callable[..., str]]:
    """Makes fresh databases, empty or `like` another; gives their SQLAlchemy URLs and drops them afterwards."""
    made: list[str] = []
    base = sa.make_url(stack.url)
    admin = admin_conninfo(stack.var)

    def make(like: str | None = None) -> str:
        name = f"t_{uuid.uuid4().hex[:16]}"
        with psycopg.connect(admin, autocommit=True) as conn:
            _create(conn, name, str(base.username), like)
        made.append(name)
        return base.set(database=name).render_as_string(hide_password=False)

    yield make
    with psycopg.connect(admin, autocommit=True) as conn:
        for name in made:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(make_database: Callable[..., str], request: pytest.FixtureRequest) -> str:
    """A fresh database, owned by the hub's role: empty, or with the hub's tables where a test asks for `tables`."""
    return make_database(request.getfixturevalue("template") if "tables" in request.fixturenames else None)


@pytest.fixture
def admin_url(database_url: str, stack: TestStack) -> str:
    """libpq string of the superuser in the test's database, for what the hub's own role may not do."""
    return admin_conninfo(stack.var, str(sa.make_url(database_url).database))


@pytest.fixture
def unique() -> str:
    """A short name that no other test uses: for topics, groups, feeds."""
    return uuid.uuid4().hex[:10]


@pytest.fixture
def hub_settings(
    stack: TestStack, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings as `hub.settings.settings()` gives them, in this process and its children: the run's parts, a database and a
    run directory of the test's own."""
    values = {
        "HUB_VAR": str(tmp_path / "var"),
        "HUB_DATABASE_URL": database_url,
        "HUB_KAFKA_BOOTSTRAP": stack.settings.kafka_bootstrap,
        "HUB_KAFKA_USERNAME": stack.settings.kafka_username,
        "HUB_KAFKA_PASSWORD": _clear(stack.settings.kafka_password),
        "HUB_KAFKA_SASL_MECHANISM": stack.settings.kafka_sasl_mechanism,
        "HUB_KAFKA_SECURITY_PROTOCOL": stack.settings.kafka_security_protocol,
    }
    for name, value in values.items():
        assert value is not None, f"the stack did not give {name}"
        monkeypatch.setenv(name, value)
    (tmp_path / "var").mkdir()
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@pytest.fixture
def tables(hub_settings: Settings) -> Settings:
    """The settings, where the database has the hub's tables."""
    return hub_settings


@pytest.fixture
def agency(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the agency of `tests.warehouse.feeds` drops its files; the database has the hub's tables."""
    folder = tmp_path / "drop"
    folder.mkdir()
    (tmp_path / "places.toml").write_text(f'[places.drop]\nroot = "{folder}"\n')
    monkeypatch.setenv("HUB_PLACES", str(tmp_path / "places.toml"))
    settings.cache_clear()
    yield folder
    engine.dispose()


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
