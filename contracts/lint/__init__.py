"""The house lint: what ODCS allows and the hub does not, every problem at its line.

Each module looks at one side; `CHECKS` is the whole of it. A check takes the view and what is around the contract,
notes problems and raises nothing, whatever the document holds.
"""

from __future__ import annotations

from collections.abc import Callable

from contracts.lint import fields, identity, names, promises, properties, rules, secrets, sources, topics
from contracts.lint.around import Around
from contracts.view import View

CHECKS: tuple[Callable[[View, Around], None], ...] = (
    properties.check,
    names.check,
    fields.check,
    fields.refused,
    identity.check,
    rules.check,
    rules.gate,
    sources.check,
    topics.check,
    promises.check,
    secrets.check,
)


def house(view: View, around: Around) -> None:
    """Notes every problem in `view.document`."""
    for check in CHECKS:
        check(view, around)


__all__ = ["CHECKS", "Around", "house"]
