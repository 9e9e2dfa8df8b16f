"""The marks that `hub feed new` left in a contract: guesses that nobody has confirmed yet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from contracts.sample.writing import MARK
from contracts.yaml_strict import MAX_BYTES

_LINE = re.compile(rf"^\s*# {MARK}: (.*)$")


class Mark(NamedTuple):
    """One guess: the line on which its mark stands, and what was guessed or is asked."""

    line: int
    note: str


def marks(path: Path) -> list[Mark]:
    """The marks that are left in a file, in its order; none where it can't be read or is longer than a contract may be."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return []
    lines = data.decode(errors="replace").split("\n") if len(data) <= MAX_BYTES else []
    found = ((number, _LINE.match(line)) for number, line in enumerate(lines, 1))
    return [Mark(number, match[1].strip()) for number, match in found if match is not None]
