"""A sample of administrative divisions. Source: GB/T 2260; tests hold it against the hub's own list of codes."""

from __future__ import annotations

_IN_USE = [
    "110101",
    "110105",
    "110108",
    "120104",
    "130102",
    "140105",
    "150102",
    "210102",
    "210202",
    "220102",
    "230102",
    "310104",
    "310115",
    "320102",
    "320505",
    "330106",
    "330206",
    "340103",
    "350102",
    "350203",
    "360102",
    "370102",
    "370202",
    "371502",
    "410105",
    "420106",
    "420502",
    "430104",
    "440106",
    "440305",
    "450103",
    "460106",
    "500103",
    "510104",
    "510107",
    "520103",
    "530102",
    "540102",
    "610113",
    "620102",
    "630103",
    "640104",
    "650102",
]

RETIRED = ("110103", "110104", "310103", "320503")
"""Divisions merged away: codes of bodies registered there stay valid for ever."""

NEVER = ("119900", "479900", "889999")
"""Six digits that no revision of the list ever held."""


def in_use() -> list[str]:
    """Codes of county-level divisions of today."""
    return list(_IN_USE)
