"""The parts that are our own code: the warehouse's tables and the relay. Each is there when its module is on disk."""

from __future__ import annotations

import sys

from hub.settings import ROOT
from hub.stack.parts import Part
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
    stop_order = 0
    grace = 10.0

    def absent(self) -> str | None:
        """Nothing to start in an installation without the command."""
        return None if (ROOT / "exchange" / "commands" / "relay.py").exists() else "no exchange/commands/relay.py"

    def launch(self) -> Launch:
        """`hub relay serve`."""
        return Launch([sys.executable, "-m", "hub", "relay", "serve"], self.plan.our_env(self.name), ROOT)
