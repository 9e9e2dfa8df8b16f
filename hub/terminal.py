"""What a terminal would obey instead of showing: written out, so that names and values from outside stay data."""

from __future__ import annotations

import re

# Control characters, and marks that turn the direction of what follows. Line ends and tabs are left to the caller.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text as a terminal may be given it: what it would obey is written out, `\\x1b`."""
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same on one line: a value that brings line ends with it can't pose as a line of ours."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")
