"""Cron expressions of five fields, checked without importing a scheduler."""

from __future__ import annotations

import re

_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    ("day of week", 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,3}))?", re.ASCII)


def cron_problem(expression: str) -> str:
    """Why an expression is no cron schedule, or empty."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        return f"{len(parts)} fields where 5 are due"
    for text, (name, least, most, words) in zip(parts, _FIELDS, strict=True):
        for part in text.split(","):
            problem = _part_problem(part, name, least, most, words)
            if problem:
                return problem
    return ""


def _part_problem(part: str, name: str, least: int, most: int, words: tuple[str, ...]) -> str:
    match = _PART.fullmatch(part)
    if match is None:
        return f"{name}: {part[:20]!r} can't be read"
    bounds = []
    for text in (match[1], match[2]):
        if text is None:
            continue
        if text.upper() in words:
            bounds.append(words.index(text.upper()) + least)
        elif text.isdigit() and least <= int(text) <= most:
            bounds.append(int(text))
        else:
            return f"{name}: {text[:20]!r} is not between {least} and {most}"
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return f"{name}: {part} runs backwards"
    if match[3] is not None and not 1 <= int(match[3]) <= most:
        return f"{name}: a step of {match[3]} makes no sense"
    return ""
