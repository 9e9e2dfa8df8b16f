"""A PostgreSQL of its own for the tests of this folder, on loopback, stopped at the end."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from hub.stack.postgres_home import find, reachable_home, run_as


class Server:
    """A running cluster. `kill` and `start` let a test pull it down hard and bring it back."""

    def __init__(self, folder: Path) -> None:
        self.who = run_as(None)
        self.folder = folder
        self.who.own(folder)
        copies = folder / "programs"
        copies.mkdir()
        copies.chmod(0o755)
        self.bin = reachable_home(find(None), self.who, copies)
        self.data = folder / "data"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self.data), "-U", "hub", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def _run(self, program: str, *args: str) -> None:
        subprocess.run(
            [str(self.bin / "bin" / program), *args],
            check=True,
            capture_output=True,
            user=self.who.uid,
            group=self.who.gid,
            cwd="/",
        )

    def start(self) -> None:
        """Starts, or starts again after a kill: children of a killed postmaster may still hold its memory for a moment."""
        until = time.monotonic() + 60
        while True:
            self._start()
            try:
                self._wait(until)
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _start(self) -> None:
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "jit": "off",
            "max_connections": 60,
            "shared_buffers": "128MB",
            "max_wal_size": "2GB",
            "fsync": "off",
        }
        args = [str(self.bin / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            args += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                args, stdout=log, stderr=log, user=self.who.uid, group=self.who.gid, cwd="/"
            )

    def _wait(self, until: float) -> None:
        assert self.process
        while True:
            try:
                with psycopg.connect(self.conninfo("postgres"), connect_timeout=2):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the postmaster: its children notice and end by themselves."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=hub dbname={database}"

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://hub@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as conn:
            conn.execute(f'create database "{database}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as conn:
            conn.execute(f'drop database if exists "{database}" with (force)')


@contextmanager
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="hub-test-pg-", dir="/var/tmp"))
    folder.chmod(0o711)
    running = Server(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
