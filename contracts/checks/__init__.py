"""The checks: a page's columns aligned with the contract, normalised, cast and judged row by row, without row loops.

    contracts.checks.Checker(contract, source, ...).check(page) -> CheckedPage
    contracts.checks.duplicates.DuplicateFinder                 -> repeats and contradictions within a batch
    contracts.checks.arrow_schema(contract)                     -> pa.Schema
    contracts.checks.explain(contract, rule_id, lang)           -> Explanation

Importing this package loads no pyarrow until one of these is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.checks.checker import Checker
    from contracts.checks.explaining import Explanation, explain
    from contracts.checks.schema import arrow_schema

__all__ = ["Checker", "Explanation", "arrow_schema", "explain"]

_HOMES = {"Checker": "checker", "Explanation": "explaining", "explain": "explaining", "arrow_schema": "schema"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"contracts.checks.{_HOMES[name]}"), name)
    raise AttributeError(name)
