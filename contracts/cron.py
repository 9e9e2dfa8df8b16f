"""Cron expressions of five fields, checked without importing a scheduler."""

from __future__ import annotations

import re

from hub.said import Said, zh

_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    (Said("minute", "分"), 0, 59, ()),
    (Said("hour", "时"), 0, 23, ()),
    (Said("day of month", "日"), 1, 31, ()),
    (Said("month", "月"), 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    (Said("day of week", "周"), 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,3}))?", re.ASCII)


def cron_problem(expression: str) -> str:
    """Why an expression is no cron schedule, or empty."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        return Said(f"{len(parts)} fields where 5 are due", f"有 {len(parts)} 段，应为 5 段")
    for text, (name, least, most, words) in zip(parts, _FIELDS, strict=True):
        for part in text.split(","):
            problem = _part_problem(part, name, least, most, words)
            if problem:
                return problem
    return ""


def _part_problem(part: str, name: str, least: int, most: int, words: tuple[str, ...]) -> str:
    match = _PART.fullmatch(part)
    if match is None:
        return Said(f"{name}: {part[:20]!r} can't be read", f"{zh(name)}：无法识别 {part[:20]!r}")
    bounds = []
    for text in (match[1], match[2]):
        if text is None:
            continue
        if text.upper() in words:
            bounds.append(words.index(text.upper()) + least)
        elif text.isdigit() and least <= int(text) <= most:
            bounds.append(int(text))
        else:
            return Said(
                f"{name}: {text[:20]!r} is not between {least} and {most}",
                f"{zh(name)}：{text[:20]!r} 不在 {least} 与 {most} 之间",
            )
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return Said(f"{name}: {part} runs backwards", f"{zh(name)}：{part} 前后颠倒")
    if match[3] is not None and not 1 <= int(match[3]) <= most:
        return Said(f"{name}: a step of {match[3]} makes no sense", f"{zh(name)}：步长 {match[3]} 无意义")
    return ""
