"""Which parts there are, and which are started when some are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.settings import Settings
from hub.stack import ports
from hub.stack.airflow import AIRFLOW
from hub.stack.errors import PartUnknown
from hub.stack.kafka import BROKERS
from hub.stack.layout import Layout
from hub.stack.ours import Relay, Warehouse, Worker
from hub.stack.parts import Part, Plan
from hub.stack.postgres import Postgres

PARTS: tuple[type[Part], ...] = (Postgres, *BROKERS, Warehouse, Relay, Worker, *AIRFLOW)
GROUPS: dict[str, tuple[str, ...]] = {"airflow": tuple(part.name for part in AIRFLOW)}

MORE_BROKERS = frozenset(part.name for part in BROKERS[1:])
"""Started only where a cluster of several is asked for, or has been made."""


def known() -> dict[str, type[Part]]:
    """All parts by name, in the order in which they are shown."""
    return {part.name: part for part in PARTS}


def brokers() -> tuple[str, ...]:
    """Names of the brokers of a cluster of several, the first one first."""
    return tuple(part.name for part in BROKERS)


def choose(only: Iterable[str] | None = None, without: Iterable[str] = (), *, brokers: int = 1) -> frozenset[str]:
    """Names of the parts to start: `only` with what they need, or all, less `without` and what needs it. Raises PartUnknown.

    Where a broker is among them, so are as many as `brokers` says.
    """
    everything = known()
    chosen = set(everything) - MORE_BROKERS if only is None else _with_needs(_expand(only))
    if brokers > 1 and BROKERS[0].name in chosen:
        chosen |= {part.name for part in BROKERS[:brokers]}
    dropped = _expand(without)
    while more := {name for name in chosen - dropped if _wants(everything[name]) & dropped}:
        dropped |= more
    return frozenset(chosen - dropped)


def build(layout: Layout, stack_id: str, wanted: frozenset[str], previous: dict[str, int]) -> dict[str, Part]:
    """The parts of that name, on their previous ports where these are free."""
    everything = known()
    names = [port for name in everything if name in wanted for port in everything[name].port_names]
    plan = Plan(layout, operator_settings(layout), stack_id, wanted, ports.choose(names, previous))
    return {name: kind(plan) for name, kind in everything.items() if name in wanted}


def operator_settings(layout: Layout) -> Settings:
    """The settings as the operator gave them, without what an earlier stack wrote to `hub.env`."""
    overrides: dict[str, Any] = {"var": layout.var}
    return Settings(**overrides)


def _expand(names: Iterable[str]) -> set[str]:
    everything, found = known(), set()
    for name in names:
        members = GROUPS.get(name, (name,))
        if not set(members) <= set(everything):
            raise PartUnknown(part=name, known=", ".join([*everything, *GROUPS]))
        found |= set(members)
    return found


def _with_needs(names: set[str]) -> set[str]:
    everything, found = known(), set(names)
    while more := {need for name in found for need in _wants(everything[name])} - found:
        found |= more
    return found


def _wants(part: type[Part]) -> set[str]:
    return {*part.needs, *part.works_with}
