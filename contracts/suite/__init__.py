"""Batch rules: what the batch as a whole breaks or keeps, judged by a Great Expectations suite over its metrics.

    contracts.suite.judge(contract, metrics, ...)        -> list of BatchVerdict
    contracts.suite.facts(metrics), .from_facts(dict)    -> metrics to JSON and back, to compare with the next batch

`KINDS` says what a contract may demand; Great Expectations is imported inside `judge` only (it costs seconds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.suite.registry import KINDS

if TYPE_CHECKING:
    from contracts.suite.judging import judge
    from contracts.suite.remembered import facts, from_facts

__all__ = ["KINDS", "facts", "from_facts", "judge"]

_HOMES = {"judge": "judging", "facts": "remembered", "from_facts": "remembered"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"contracts.suite.{_HOMES[name]}"), name)
    raise AttributeError(name)
