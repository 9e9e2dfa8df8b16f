"""The gate: what is refused, masked or dropped before anything is stored.

`KINDS` says what a contract may demand; importing this package loads no pyarrow until `Gate` is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.gate.registry import DETECTORS, KINDS

if TYPE_CHECKING:
    from contracts.gate.inspect import Gate

__all__ = ["DETECTORS", "KINDS", "Gate"]


def __getattr__(name: str) -> Any:
    # Lint and DAG files read KINDS only; pyarrow would cost them a third of a second.
    if name == "Gate":
        from contracts.gate.inspect import Gate  # noqa: PLC0415

        return Gate
    raise AttributeError(name)
