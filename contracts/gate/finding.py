"""Personal numbers in one text: where they stand, and the text without them."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.gate.registry import DETECTORS
from contracts.gate.suspects import FINDERS
from contracts.identifiers import citizen

Span = tuple[int, int, str]
"""Begin, end and detector."""


def spans(text: str, detect: Sequence[str]) -> list[Span]:
    """What the detectors find in a text, the earlier and longer first; finds of two detectors may overlap."""
    found: list[Span] = []
    for name in detect:
        places = citizen.citizen_numbers(text, _ever_valid) if name == "citizen_number" else FINDERS[name](text)
        found += [(begin, end, name) for begin, end in places]
    found.sort(key=lambda span: (span[0], -span[1]))
    return found


def masked(text: str, found: Sequence[Span]) -> str:
    """The text with every span replaced; overlapping spans become one replacement."""
    parts, done = [], 0
    for begin, end, name in found:
        if begin >= done:
            parts += [text[done:begin], DETECTORS[name][2]]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _ever_valid(division: str) -> bool:
    from contracts.rules.divisions import ever_valid  # noqa: PLC0415 - the list is read when a number is first met

    return division in ever_valid()
