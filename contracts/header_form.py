"""The form in which two spellings of one header are equal: case, white space, width and invisible signs don't matter.

One form for all who compare headers: lint, connectors, gate and checks.
"""

from __future__ import annotations

import re

_NOISE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]+")
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def header_form(header: str) -> str:
    """The header's form; "" where it has no visible sign."""
    return _NOISE.sub("", header.translate(_HALF_WIDTH)).casefold()
