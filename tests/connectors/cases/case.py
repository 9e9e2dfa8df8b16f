"""What each connector's case gives the standard suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.places import Place
from contracts.model import FeedContract

COLUMNS = ("id", "name", "updated_at")

NASTY = (
    "plain",
    "审计署,“引号”",
    'quote " and , comma',
    "two\nlines",
    "'; DROP TABLE things; --",
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil.example")',
    "[red]markup[/red] {fact}",
    "\u202eright to left\u202c",
    "𠀀𪚥 rare",
    "a" * 5_000,
)
"""Texts that must arrive as they are."""

Row = dict[str, str]


def rows_from(first: int, count: int) -> list[Row]:
    """Rows with an id, a nasty name and a time that grows by a minute."""
    return [
        {
            "id": str(number),
            "name": NASTY[number % len(NASTY)],
            "updated_at": f"2024-03-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z",
        }
        for number in range(first, first + count)
    ]


@dataclass
class Case:
    """A real source of one kind, filled and changed by the suite."""

    contract: FeedContract
    place: Place
    put: Callable[[list[Row]], None]  # adds rows to what the source holds
    ruin: Callable[[], None]  # makes the source fail from now on
    secret: str  # stands in the place's settings; must be seen nowhere
    wrong_place: Place  # a place of another kind
    spoil: Callable[[], None] | None = None  # adds a delivery that can't be read, where a source may hold several
    notes: dict[str, str] = field(default_factory=dict)
