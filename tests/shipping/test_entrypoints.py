"""What the containers run, run here: the same commands with secrets as files, on real parts, and checks that tell the truth."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import psycopg
import pytest

from exchange.brokers.cluster import Cluster
from hub.settings import ROOT, Settings, load_settings, settings
from hub.stack import jars, processes
from hub.stack.postgres_home import find, reachable_home, run_as
from tests.conftest import TestStack
from tests.exchange.conftest import Bench
from warehouse import engine

pytestmark = pytest.mark.stack

DOCKER = ROOT / "docker"


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    for first in range(23_000, 31_000, count):
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no ports")


@lru_cache(maxsize=1)
def can_mount() -> bool:
    """Whether a process may have a view of the machine of its own."""
    words = ["unshare", "-m", "sh", "-c", "mount -o remount,bind,ro / && ! touch /opt/read-only"]
    return os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0


class Server:
    """The machine: secrets as files, settings as the compose file has them, services as processes."""

    def __init__(self, folder: Path, stack: TestStack, url: str, airflow_url: str) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        subprocess.run(["sh", str(DOCKER / "make-secrets.sh"), str(self.secrets)], check=True, capture_output=True)
        self._replace("hub-database-url", url)
        self._replace("airflow-database-url", airflow_url)
        self.port = free_ports(4)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "AIRFLOW"))}
        self.common = {**clean, "HUB_SECRETS": str(self.secrets), "HUB_LOG_FORMAT": "json"}
        # As in the image, where the jars lie beside the code: the user's cache is the machine's, and can't be written to.
        self.common["HUB_CACHE"] = str(jars.cache_folder(None, stack.var))
        self.kafka = {
            "HUB_VAR": str(folder / "kafka"),
            "HUB_BROKER_HOST": "localhost",
            "HUB_BROKER_PORT": str(self.port),
            "HUB_KAFKA_PASSWORD_FILE": str(self.secrets / "kafka-hub"),
        }
        self.hub = {
            "HUB_VAR": str(folder / "var"),
            "HUB_DATABASE_URL_FILE": str(self.secrets / "hub-database-url"),
            "HUB_KAFKA_BOOTSTRAP": f"localhost:{self.port}",
            "HUB_KAFKA_USERNAME": "hub",
            "HUB_KAFKA_PASSWORD_FILE": str(self.secrets / "kafka-hub"),
        }
        self.airflow = {
            **self.hub,
            "HUB_AIRFLOW_DATABASE_URL_FILE": str(self.secrets / "airflow-database-url"),
            "HUB_AIRFLOW_HOST": "localhost",
            "HUB_AIRFLOW_PORT": str(self.port + 3),
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def _replace(self, name: str, text: str) -> None:
        path = self.secrets / name
        path.unlink()
        path.write_text(text + "\n")
        path.chmod(0o400)

    def call(self, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.common, **env},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def start(self, env: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
        """A service; where this machine lets us, all that it sees is read-only but its run directory and a folder for
        what does not last."""
        apart = []
        if can_mount():
            kept = [Path(env["HUB_VAR"]), self.folder / "tmp"]
            for folder in kept:
                folder.mkdir(exist_ok=True)
            binds = "".join(f"mount --bind '{folder}' '{folder}'; " for folder in kept)
            apart = ["unshare", "-m", "sh", "-ec", f'{binds} mount -o remount,bind,ro /; exec "$@"', "sh"]
            env = {**env, "TMPDIR": str(self.folder / "tmp"), "HOME": str(self.folder / "tmp")}
        with (self.folder / f"{words[-1]}.log").open("ab") as out:
            command = [*apart, sys.executable, "-m", "hub", *words]
            environment = {**self.common, "PYTHONDONTWRITEBYTECODE": "1", **env}
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        self.running.append(process)
        return process

    def well(self, env: dict[str, str], part: str) -> bool:
        return self.call(env, "service", "check", part).returncode == 0

    def stop(self) -> None:
        for process in self.running:
            with_session = processes.identify(process.pid)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if with_session is not None:
                processes.sweep(processes.Kin("no such mark", with_session))


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.2)


@pytest.fixture
def server(stack: TestStack, make_database: Callable[[], str], tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, stack, make_database(), make_database().replace("+psycopg:", "+psycopg2:"))
    yield made
    made.stop()


@contextmanager
def here(server: Server, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield load_settings()
    engine.dispose()
    settings.cache_clear()


def test_broker_tables_and_relay_with_secrets_as_files(
    server: Server, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = server.call(server.kafka, "service", "check", "kafka")
    assert told.returncode == 3 and "HUB-STK-025" in told.stderr, "nothing runs yet"
    kafka = server.start(server.kafka, "service", "run", "kafka")
    step = server.call(server.hub, "service", "run", "warehouse")
    assert step.returncode == 0, step.stderr
    until(lambda: server.well(server.kafka, "kafka"))
    assert not server.well(server.hub, "relay"), "it is not started"
    relay = server.start(server.hub, "relay", "serve")
    until(lambda: server.well(server.hub, "relay"))
    with here(server, server.hub, monkeypatch) as now, Cluster(now) as cluster:
        bench = Bench(now, cluster, f"hub.test.t{unique}.v1", feed=unique)
        bench.make()
        bench.load(["K1", "K2", "K1"])
        until(lambda: bench.sql("select count(*) as n from hub.outbox where published_at is null")[0].n == 0)
        bench.agrees()
    # No secret is on a command line or in an environment that was given.
    secrets = {path.read_text().strip() for path in server.secrets.iterdir()}
    for process in (kafka, relay):
        given = Path(f"/proc/{process.pid}/environ").read_text() + Path(f"/proc/{process.pid}/cmdline").read_text()
        assert not any(secret in given for secret in secrets)
    # A wrong password, a broker that is gone and a relay that is gone are told.
    wrong = server.folder / "wrong"
    wrong.write_text("wrong\n")
    told = server.call({**server.kafka, "HUB_KAFKA_PASSWORD_FILE": str(wrong)}, "service", "check", "kafka")
    assert told.returncode == 3 and "wrong user or password" in told.stderr
    kafka.kill()
    kafka.wait()
    assert not server.well(server.kafka, "kafka")
    assert not server.well(server.hub, "relay"), "it listens, but no broker answers"
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(70) == 0
    again = server.start(server.kafka, "service", "run", "kafka")
    until(lambda: server.well(server.kafka, "kafka"))
    assert not server.well(server.hub, "relay")
    again.send_signal(signal.SIGTERM)
    assert again.wait(40) in (0, 143), "a broker that is told to stop stops cleanly"


@pytest.mark.airflow
def test_airflows_services(server: Server) -> None:
    """Two of the four: the others are started in the same way, and tests/stack runs them."""
    step = server.call(server.airflow, "service", "run", "airflow-db")
    assert step.returncode == 0, step.stderr[-2000:]
    assert server.call(server.airflow, "service", "run", "airflow-db", "--json").stdout.count("done") == 1
    for part in ("airflow-api", "airflow-triggerer"):
        assert not server.well(server.airflow, part)
    api = server.start(server.airflow, "service", "run", "airflow-api")
    server.start(server.airflow, "service", "run", "airflow-triggerer")
    until(lambda: server.well(server.airflow, "airflow-triggerer"))
    until(lambda: server.well(server.airflow, "airflow-api"))
    assert not server.well(server.airflow, "airflow-scheduler"), "one that is not started is not well"
    api.kill()
    api.wait()
    until(lambda: not server.well(server.airflow, "airflow-api"))
    assert server.well(server.airflow, "airflow-triggerer"), "it does not need the API server to be well"
    kept = (server.folder / "var" / "secrets" / "airflow-passwords.json").read_text()
    assert (server.secrets / "airflow-admin").read_text() in kept, "the operator's own password lets people in"


def test_only_parts_that_can_be_run_alone_are(server: Server) -> None:
    for part in ("postgres", "kafka-2", "nonsense"):
        told = server.call(server.hub, "service", "run", part)
        assert told.returncode == 3 and "HUB-STK-002" in told.stderr


def test_the_database_is_set_up_by_the_script_under_its_configuration(tmp_path: Path, server: Server) -> None:
    """PostgreSQL's own image runs the script once; here the same script and configuration on the same major version."""
    who, folder = run_as(None), Path(server.folder / "pg")
    folder.mkdir()
    home = reachable_home(find(None), who, _open(folder))
    data, port, log = folder / "data", free_ports(1), folder / "log"
    (folder / "password").write_text((server.secrets / "postgres-stack").read_text())
    (folder / "password").chmod(0o644)
    configuration = folder / "hub.conf"
    configuration.write_text((DOCKER / "postgres" / "hub.conf").read_text())
    who.own(folder)
    who_is = {"user": who.uid, "group": who.gid, "cwd": "/"}
    words = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    subprocess.run(
        [str(home / "bin" / "initdb"), "-D", str(data), "-U", "stack", f"--pwfile={folder / 'password'}", *words],
        check=True, capture_output=True, **who_is,
    )  # fmt: skip
    argv = [str(home / "bin" / "postgres"), "-D", str(data), "-c", f"config_file={configuration}"]
    argv += ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    argv += ["-c", "shared_buffers=32MB"]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, **who_is)
    secret = {role: (server.secrets / f"postgres-{role}").read_text() for role in ("stack", "hub", "airflow")}

    def conninfo(role: str, database: str, password: str | None = None) -> str:
        return f"host=127.0.0.1 port={port} user={role} dbname={database} password={password or secret[role]}"

    def answers() -> bool:
        try:
            psycopg.connect(conninfo("stack", "postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        until(answers)
        env = {"PATH": f"{find(None) / 'bin'}:/usr/bin:/bin", "PGHOST": "127.0.0.1", "PGPORT": str(port)}
        env |= {"PGPASSWORD": secret["stack"], "POSTGRES_USER": "stack", "HUB_INIT_SECRETS": str(server.secrets)}
        subprocess.run(["bash", str(DOCKER / "postgres" / "10-roles.sh")], env=env, check=True, capture_output=True)
        for role in ("hub", "airflow"):
            with psycopg.connect(conninfo(role, role), autocommit=True) as connection:
                connection.execute("create schema mine")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("create database more")
            other = "hub" if role == "airflow" else "airflow"
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(conninfo(role, other))
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(conninfo(role, role, "wrong"))
        # The compose file's own health check, word for word but for the port and the secrets' place.
        check = f"PGPASSWORD=$(cat {server.secrets}/postgres-hub) psql -h 127.0.0.1 -p {port} -U hub -d hub -Atqc 'select 1'"
        assert subprocess.run(["sh", "-c", check], env=env, capture_output=True, text=True, check=True).stdout == "1\n"
        with psycopg.connect(conninfo("stack", "postgres")) as connection:
            kept = connection.execute("select string_agg(rolpassword, ' ') from pg_authid").fetchone()
        assert kept and "SCRAM-SHA-256" in kept[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert not any(text in log.read_text(errors="replace") for text in secret.values())


def _open(folder: Path) -> Path:
    for above in (folder, *folder.parents):
        if str(above).startswith("/tmp/") and above.stat().st_uid == os.geteuid():
            above.chmod(above.stat().st_mode | 0o011)
    return folder
