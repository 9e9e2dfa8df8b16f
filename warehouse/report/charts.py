"""Charts as inline SVG: bars that stack, cells of a table in colour, a line with its limit. No script, no font, no address."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 56
CELL, NAMES = 20, 260


@dataclass(frozen=True, slots=True)
class Series:
    """What a part of a bar stands for; `css` is its class."""

    css: str
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its class, how strong (0–1), what it says when it is pointed at."""

    css: str
    strength: float
    title: str


def stacked(labels: Sequence[str], series: Sequence[Series], values: Sequence[Sequence[float]], unit: str) -> str:
    """A bar for each label, its parts in the order of `series`; `values[bar][part]`."""
    top = _nice(max((sum(bar) for bar in values), default=0))
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    parts = [_scale(top, unit), _ticks(labels, wide)]
    for number, bar in enumerate(values):
        at, base = LEFT + number * wide, float(HEIGHT - BOTTOM)
        for one, value in zip(series, bar, strict=True):
            if value <= 0:
                continue
            high = value / top * (HEIGHT - TOP - BOTTOM)
            base -= high
            said = f"{labels[number]} · {one.label}: {number_of(value)} {unit}".strip()
            gap = min(2.0, wide * 0.15)
            parts.append(
                f'<rect class="{one.css}" x="{at + gap / 2:.1f}" y="{base:.2f}" width="{wide - gap:.1f}" height="{high:.2f}">'
                f"<title>{html.escape(said)}</title></rect>"
            )
    return _svg("".join(parts), HEIGHT) + legend(series)


def cells(labels: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> str:
    """A row of cells for each name."""
    wide = (WIDTH - NAMES - RIGHT) / max(1, len(labels))
    tall = TOP + len(rows) * CELL + 44
    parts = [_ticks(labels, wide, left=NAMES, y=TOP + len(rows) * CELL)]
    for number, (name, found) in enumerate(rows):
        y = TOP + number * CELL
        shown = name if len(name) <= 34 else f"{name[:33]}…"
        parts.append(
            f'<text class="name" x="{NAMES - 8}" y="{y + 14}" text-anchor="end">{html.escape(shown)}<title>{html.escape(name)}</title></text>'
        )
        for at, cell in enumerate(found):
            opacity = "" if cell.strength >= 1 else f' fill-opacity="{0.25 + 0.75 * max(0.0, cell.strength):.2f}"'
            parts.append(
                f'<rect class="{cell.css}"{opacity} x="{NAMES + at * wide + 0.5:.1f}" y="{y + 1}" width="{max(1.0, wide - 1):.1f}"'
                f' height="{CELL - 2}"><title>{html.escape(f"{labels[at]} · {name}: {cell.title}")}</title></rect>'
            )
    return _svg("".join(parts), tall)


def line(
    points: Sequence[tuple[float, float]], labels: Sequence[tuple[float, str]], limit: float | None, unit: str
) -> str:
    """A line through points (x from 0 to 1), with a dashed limit; `labels` stand under their x."""
    top = _nice(max([y for _, y in points] + [limit or 0]))
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> str:
        return f"{LEFT + x * across:.1f},{HEIGHT - BOTTOM - y / top * up:.2f}"

    drawn = " ".join(place(x, y) for x, y in points)
    parts = [_scale(top, unit), f'<polyline class="age" points="{drawn}"/>']
    if limit is not None:
        start, end = place(0, limit).split(","), place(1, limit).split(",")
        parts.append(f'<line class="limit" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>')
    for x, text in labels:
        parts.append(
            f'<text class="tick" x="{LEFT + x * across:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{html.escape(text)}</text>'
        )
    return _svg("".join(parts), HEIGHT)


def legend(series: Sequence[Series]) -> str:
    """What the colours mean."""
    items = "".join(
        f'<span><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{one.css}" width="10" height="10"/></svg>{html.escape(one.label)}</span>'
        for one in series
    )
    return f'<p class="legend">{items}</p>'


def number_of(value: float) -> str:
    """A figure for people."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def css(colours: Mapping[str, str]) -> str:
    """The style of the classes."""
    return " ".join(f".{name} {{ fill: {colour}; }}" for name, colour in colours.items())


def _svg(inner: str, tall: float) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {tall:g}" role="img">{inner}</svg>'


def _scale(top: float, unit: str) -> str:
    parts = []
    for quarter in range(5):
        y = HEIGHT - BOTTOM - quarter / 4 * (HEIGHT - TOP - BOTTOM)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number_of(top * quarter / 4)}</text>'
        )
    parts.append(f'<text class="tick" x="{LEFT}" y="{HEIGHT - 4}">{html.escape(unit)}</text>')
    return "".join(parts)


def _ticks(labels: Sequence[str], wide: float, left: float = LEFT, y: float = HEIGHT - BOTTOM) -> str:
    every = max(1, math.ceil(90 / wide)) if labels else 1
    return "".join(
        f'<text class="tick" x="{left + (number + 0.5) * wide:.1f}" y="{y + 18:.1f}" text-anchor="middle">{html.escape(text)}</text>'
        for number, text in enumerate(labels)
        if number % every == 0
    )


def _nice(value: float) -> float:
    """The next number up that four marks divide well."""
    if value <= 0:
        return 4.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value)
