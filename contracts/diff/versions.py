"""Version numbers: what a change needs, and whether the new number gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from contracts.diff.change import Change

Step = Literal["major", "minor", "patch", "none"]

_ORDER: tuple[Step, ...] = ("none", "patch", "minor", "major")


def parsed(version: str) -> tuple[int, int, int]:
    """The three numbers of a version; lint has seen to it that there are three."""
    major, minor, patch = version.split(".")
    return int(major), int(minor), int(patch)


def step(old: str, new: str) -> Step:
    """By how much the version rose; `none` where it is the same or fell."""
    before, after = parsed(old), parsed(new)
    if after <= before:
        return "none"
    if after[0] > before[0]:
        return "major"
    return "minor" if after[1] > before[1] else "patch"


def needed(changes: Sequence[Change]) -> Step:
    """The least step that these changes ask for."""
    effects = {change.about.effect for change in changes}
    if "breaks" in effects:
        return "major"
    if effects & {"tightens", "loosens", "adds"}:
        return "minor"
    return "patch" if effects else "none"


def covers(given: Step, due: Step) -> bool:
    """Whether a step is enough."""
    return _ORDER.index(given) >= _ORDER.index(due)
