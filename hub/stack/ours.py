"""The parts that are our own code: the warehouse's tables, the relay and the worker. Each is there when its module is on disk."""

from __future__ import annotations

import socket
import sys

import psycopg

from hub.settings import ROOT
from hub.stack.parts import Part
from hub.stack.postgres import Postgres, plain_url
from hub.stack.processes import Launch


class Warehouse(Part):
    """Brings the hub's tables to the current version before anything reads them."""

    name = "warehouse"
    title = "warehouse tables"
    needs = ("postgres",)
    oneshot = True
    patience = 120.0

    def absent(self) -> str | None:
        """Nothing to do in an installation without the module."""
        return None if (ROOT / "warehouse" / "migrate.py").exists() else "no warehouse/migrate.py"

    def launch(self) -> Launch:
        """The migrations, as the hub's own role."""
        return Launch([sys.executable, "-m", "warehouse.migrate"], self.plan.our_env(self.name), ROOT)


class Relay(Part):
    """Carries what is committed in PostgreSQL to Kafka; started again at once when it ends unasked.

    A transaction that a killed relay left open blocks read_committed readers until its successor fences it.
    """

    name = "relay"
    title = "relay"
    needs = ("warehouse", "kafka")
    restarts = True
    probe_every = 0.2
    stop_order = 0
    grace = 10.0

    def absent(self) -> str | None:
        """Nothing to start in an installation without the command."""
        return None if (ROOT / "exchange" / "commands" / "relay.py").exists() else "no exchange/commands/relay.py"

    def launch(self) -> Launch:
        """`hub relay serve`."""
        return Launch([sys.executable, "-m", "hub", "relay", "serve"], self.plan.our_env(self.name), ROOT)

    def ready(self) -> bool:
        """Whether it listens."""
        return _is_seen(self)


class Worker(Part):
    """Takes frequent feeds as they come due; started again at once when it ends unasked.

    Without Airflow nobody can switch a feed on or off, so it serves all of them.
    """

    name = "worker"
    title = "worker"
    needs = ("warehouse",)
    restarts = True
    probe_every = 0.2
    stop_order = 0
    grace = 15.0

    def absent(self) -> str | None:
        """Nothing to start in an installation without the command."""
        path = ROOT / "warehouse" / "commands" / "worker.py"
        return None if path.exists() else "no warehouse/commands/worker.py"

    def launch(self) -> Launch:
        """`hub worker serve`."""
        alone = [] if "airflow-scheduler" in self.plan.wanted or self.plan.id == "service" else ["--all"]
        return Launch([sys.executable, "-m", "hub", "worker", "serve", *alone], self.plan.our_env(self.name), ROOT)

    def ready(self) -> bool:
        """Whether it has its session in PostgreSQL."""
        return _is_seen(self)


def _is_seen(part: Part) -> bool:
    """Whether the part's own process has a session in PostgreSQL: its id stands in the session's name."""
    given = part.plan.operator.database_url
    url = given.get_secret_value() if given else Postgres(part.plan).url("hub")
    try:
        with psycopg.connect(plain_url(url), connect_timeout=3) as connection:
            name = f"hub {part.name} {part.pid}@{socket.gethostname()}"
            query = "select 1 from pg_stat_activity where application_name = %s"
            return connection.execute(query, (name[:63],)).fetchone() is not None
    except psycopg.Error:
        return False
