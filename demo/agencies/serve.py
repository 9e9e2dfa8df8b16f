"""The agencies' process: prepares the four systems side by side, answers for the inspection office, ends with the stack.

Run as `python -m demo.agencies.serve --var DIR --rows N --seed S`. What it is doing stands in `agencies.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import uvicorn
from psycopg import conninfo as dsn
from sqlalchemy.engine import make_url

from demo.agencies import audit, finance, inspection, places, statistics
from demo.agencies.places import Folder
from demo.generate import findings, problems
from demo.generate.ledger import Ledger
from demo.generate.payments import payments
from hub.settings import load_settings
from hub.stack import admin_conninfo, processes, status
from hub.stack.layout import Layout, write_private

FINDINGS, PROBLEMS = 1_500, 800
WAIT_SECONDS = 120.0
HOST = "127.0.0.1"


class Agencies:
    """The four systems, and the state file that tells how far they are."""

    def __init__(self, var: Path, rows: int, seed: int, port: int) -> None:
        self.var, self.rows, self.seed, self.port = var, rows, seed, port
        self.folder = Folder(var / "demo")
        self._lock = threading.Lock()
        me = processes.identify(os.getpid())
        self._state: dict[str, Any] = {
            "pid": os.getpid(),
            "born": me.born if me else 0.0,
            "rows": rows,
            "seed": seed,
            "port": port,
            "ready": {},
        }
        self._left = 4

    def start(self) -> list[dict[str, Any]]:
        """Makes what needs no server, starts what does in threads; returns the inspection office's records."""
        self.folder.make()
        for old in self.folder.ledgers.glob("*.json"):
            old.unlink()
        records, ledger = problems.problems(PROBLEMS, self.seed)
        self._enter("inspection office", [ledger], f"http://{HOST}:{self.port}/v1/problems, OAuth2")
        self._aside("finance bureau", self._finance)
        self._aside("statistics bureau", self._statistics)
        self._aside("audit office", self._audit)
        return records

    def _finance(self) -> tuple[list[Ledger], str]:
        return finance.drop(self.folder.finance, self.rows, self.seed), f"{self.folder.finance}, GB18030 and XLSX"

    def _statistics(self) -> tuple[list[Ledger], str]:
        return statistics.publish(self.folder.statistics, self.seed), f"{self.folder.statistics}, SDMX-CSV 1.0 and 2.0"

    def _audit(self) -> tuple[list[Ledger], str]:
        known = payments(min(self.rows, 2_000), self.seed, defects=False)[0]["Id"].to_pylist()
        table, ledger = findings.findings(FINDINGS, self.seed, payments=known)
        sheet = audit.Sheet(findings.FEED, table, "update_time", findings.TYPES)
        server = self._server()
        audit.publish(server, sheet, self.folder.secret("audit-office"))
        at = dsn.conninfo_to_dict(server(audit.DATABASE))
        self._write_places({"host": str(at["host"]), "port": str(at["port"])})
        return [ledger], f"PostgreSQL {at['host']}:{at['port']}/{audit.DATABASE}, schema {audit.SCHEMA}"

    def _write_places(self, server: dict[str, str]) -> None:
        for name in ("audit-office", "inspection-office"):
            self.folder.secret(name)
        here = load_settings(var=self.var).shared_data / "real"
        places.write(
            self.folder,
            database={**server, "dbname": audit.DATABASE, "user": audit.READER},
            api=f"http://{HOST}:{self.port}",
            published=here if here.is_dir() else self.folder.unpublished,
        )

    def _server(self) -> Callable[[str], str]:
        """Connection strings of a role that may make databases, once the server answers. Raises TimeoutError."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            part = status(self.var).parts.get("postgres")
            if part is not None and part.state == "ready" and not part.external:
                return lambda database: admin_conninfo(self.var, database)
            given = load_settings(var=self.var).database_url
            if given is not None and (part is None or part.external):
                url = make_url(given.get_secret_value()).set(drivername="postgresql")
                return lambda database: url.set(database=database).render_as_string(hide_password=False)
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL did not come up")

    def _aside(self, name: str, prepare: Callable[[], tuple[list[Ledger], str]]) -> None:
        def work() -> None:
            try:
                ledgers, where = prepare()
            except (OSError, psycopg.Error, ValueError, TimeoutError) as error:
                self._fail(name, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            else:
                self._enter(name, ledgers, where)

        threading.Thread(target=work, name=name, daemon=True).start()

    def _enter(self, name: str, ledgers: list[Ledger], where: str) -> None:
        for number, ledger in enumerate(ledgers, start=1):
            ledger.write(self.folder.ledgers / f"{ledger.feed}.{number}.json")
        with self._lock:
            self._state["ready"][name] = where
            self._save()

    def _fail(self, name: str, reason: str) -> None:
        with self._lock:
            self._state.setdefault("failed", {})[name] = reason
            self._save()

    def _save(self) -> None:
        write_private(self.folder.state, json.dumps(self._state, ensure_ascii=False, indent=1))


def main(arguments: list[str] | None = None) -> int:
    """Serves until told to stop, or until the stack that it belongs to is gone."""
    parser = argparse.ArgumentParser(prog="demo.agencies.serve")
    parser.add_argument("--var", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args(arguments)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, given.port))
    agencies = Agencies(given.var, given.rows, given.seed, listener.getsockname()[1])
    records = agencies.start()
    clients = inspection.Clients(places.CLIENT, agencies.folder.secret("inspection-office"))
    api = inspection.application(records, clients, updated="updateTime")
    server = uvicorn.Server(uvicorn.Config(api, log_level="warning", access_log=False))
    threading.Thread(target=_end_with_stack, args=(given.var, server), daemon=True).start()
    server.run(sockets=[listener])
    return 0


def _end_with_stack(var: Path, server: uvicorn.Server) -> None:
    """Whoever stops the stack stops the agencies too, however the demonstration itself ended."""
    seen, end = False, time.monotonic() + WAIT_SECONDS
    while seen or time.monotonic() < end:
        running = _running(var)
        if seen and not running:
            break
        seen = seen or running
        time.sleep(1)
    server.should_exit = True


def _running(var: Path) -> bool:
    return Layout.of(var).state_file.exists() and status(var).running


if __name__ == "__main__":
    sys.exit(main())
