"""Charts as inline SVG: bars that stack, cells of a table in colour, a line with its limit. No script, no font, no address."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 56
CELL, NAMES = 34, 340
SLOT = 90.0
"""The widest that a bar or a cell with its label gets: one batch is no wall."""
LEAST = 3.0
"""The least height of a part of a bar: two of a thousand are seen, too."""
TICK = 40
"""Half the width of the label of a bar."""
_WIDE, _NARROW = 12.0, 7.3  # of a Chinese sign and of a letter in the charts' size, in the widest of their fonts


@dataclass(frozen=True, slots=True)
class Series:
    """What a part of a bar stands for; `css` is its class."""

    css: str
    label: str


@dataclass(frozen=True, slots=True)
class Name:
    """What a row of cells is of: two lines, and all that is told when it is pointed at."""

    zh: str
    en: str
    title: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its class, how strong (0–1), what it says when it is pointed at."""

    css: str
    strength: float
    title: str


def stacked(
    labels: Sequence[str], series: Sequence[Series], values: Sequence[Sequence[float]], unit: str, raised: str
) -> str:
    """A bar for each label, its parts in the order of `series`; `values[bar][part]`.

    `raised` is said below (HTML) where a part is drawn higher than it is, so that it is seen.
    """
    top = _nice(max((sum(bar) for bar in values), default=0))
    wide = min(SLOT, (WIDTH - LEFT - RIGHT) / max(1, len(labels)))
    parts = [_scale(top, unit), _ticks(labels, wide)]
    any_raised = False
    for number, bar in enumerate(values):
        at, base = LEFT + number * wide, float(HEIGHT - BOTTOM)
        heights = _heights(bar, top)
        for one, value, high in zip(series, bar, heights, strict=True):
            if value <= 0:
                continue
            any_raised = any_raised or high > _high(value, top)
            base -= high
            said = f"{labels[number]} · {one.label}: {number_of(value)} {unit}".strip()
            gap = min(2.0, wide * 0.15)
            parts.append(
                f'<rect class="{one.css}" x="{at + gap / 2:.1f}" y="{base:.2f}" width="{wide - gap:.1f}" height="{high:.2f}">'
                f"<title>{html.escape(said)}</title></rect>"
            )
    return _svg("".join(parts), HEIGHT) + legend(series) + (raised if any_raised else "")


def _high(value: float, top: float) -> float:
    return value / top * (HEIGHT - TOP - BOTTOM)


def _heights(bar: Sequence[float], top: float) -> list[float]:
    """The heights of a bar's parts: none that is there is lower than can be seen, and the highest gives what the others got."""
    heights = [max(LEAST, _high(value, top)) if value > 0 else 0.0 for value in bar]
    extra = sum(heights) - _high(sum(value for value in bar if value > 0), top)
    highest = max(range(len(heights)), key=heights.__getitem__)
    heights[highest] -= min(extra, max(0.0, heights[highest] - LEAST))
    return heights


def cells(labels: Sequence[str], rows: Sequence[tuple[Name, Sequence[Cell]]]) -> str:
    """A row of cells for each name."""
    wide = min(SLOT, (WIDTH - NAMES - RIGHT) / max(1, len(labels)))
    tall = TOP + len(rows) * CELL + 44
    parts = [_ticks(labels, wide, left=NAMES, y=TOP + len(rows) * CELL)]
    for number, (name, found) in enumerate(rows):
        y = TOP + number * CELL
        x = NAMES - 8
        for below, text in ((14, name.zh), (28, name.en)) if name.zh and name.en else ((21, name.zh or name.en),):
            parts.append(
                f'<text class="name" x="{x}" y="{y + below}" text-anchor="end">{html.escape(_cut(text, x - 8))}'
                f"<title>{html.escape(name.title)}</title></text>"
            )
        for at, cell in enumerate(found):
            opacity = "" if cell.strength >= 1 else f' fill-opacity="{0.25 + 0.75 * max(0.0, cell.strength):.2f}"'
            parts.append(
                f'<rect class="{cell.css}"{opacity} x="{NAMES + at * wide + 0.5:.1f}" y="{y + 1}" width="{max(1.0, wide - 1):.1f}"'
                f' height="{CELL - 2}"><title>{html.escape(f"{labels[at]} · {name.title}: {cell.title}")}</title></rect>'
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


def _cut(text: str, room: float) -> str:
    """As much of a text as fits, with a mark where something is left out."""
    widths = [_WIDE if east_asian_width(letter) in "WF" else _NARROW for letter in text]
    if sum(widths) <= room:
        return text
    used, kept = _WIDE, 0
    while used + widths[kept] <= room:
        used += widths[kept]
        kept += 1
    return f"{text[:kept]}…"


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
        if number % every == 0 and left + (number + 0.5) * wide + TICK <= WIDTH
    )


def _nice(value: float) -> float:
    """The next number up that four marks divide well."""
    if value <= 0:
        return 4.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= value)
