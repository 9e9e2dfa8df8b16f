"""How a batch is cut into parts: laid out once, kept with the batch, so that a resumed load cuts the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Slice(NamedTuple):
    """Good rows `start` … `start + rows` of a checked page; `first`: the page's quarantined rows go with it."""

    page: int
    start: int
    rows: int

    @property
    def first(self) -> bool:
        """Whether the page begins here."""
        return self.start == 0


Part = tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a batch."""

    parts: tuple[Part, ...]
    empty_table: bool  # nothing was in the table when the load began: every key is new, nothing is looked up
    missing: bool  # a snapshot: keys that no longer come are withdrawn in a part after the others

    @classmethod
    def made(cls, pages: Sequence[Mapping[str, int]], *, part_rows: int, empty_table: bool, missing: bool) -> Plan:
        """Cuts pages ({"page", "good", "bad"}) into parts of at most `part_rows` good rows; at least one part."""
        parts: list[Part] = []
        here: list[Slice] = []
        room = part_rows
        for page in pages:
            start, left = 0, page["good"]
            while True:
                take = min(left, room)
                here.append(Slice(page["page"], start, take))
                start, left, room = start + take, left - take, room - take
                if room == 0:
                    parts.append(tuple(here))
                    here, room = [], part_rows
                if not left:
                    break
        if here or not parts:
            parts.append(tuple(here))
        return cls(tuple(parts), empty_table, missing)

    @property
    def count(self) -> int:
        """Parts in all; a snapshot has one more, in which missing keys are withdrawn."""
        return len(self.parts) + self.missing

    def as_facts(self) -> dict[str, Any]:
        """For the batch's facts."""
        return {
            "parts": [list(map(list, part)) for part in self.parts],
            "empty": self.empty_table,
            "missing": self.missing,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Plan:
        """Back from the batch's facts."""
        parts = tuple(tuple(Slice(*piece) for piece in part) for part in facts["parts"])
        return cls(parts, bool(facts["empty"]), bool(facts["missing"]))
