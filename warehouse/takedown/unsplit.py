"""Rows that could not be split into columns: which taken-down record's key stands in their text.

Nobody knows the key of such a row. Its text may be a taken-down record's all the same, so one in which every part of the key
stands, as a word of its own and however it is spaced, is taken for it. That may be another record's row, too: it leaves a
trace either way, and its sender can send it again, whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from contracts.model import FeedContract

_PLAIN = ("string", "integer")
"""Types of a key's part that stand in a row as they stand in its key; a day or an amount has many forms."""

_PART = re.compile(r"(?<!\\)\|")


class KeyInText:
    """Looks for the keys of a feed's records in texts. Safe to use from several threads."""

    def __init__(self, contract: FeedContract, keys: Iterable[str]) -> None:
        types = {spec.name: spec.type for spec in contract.fields}
        plain = [types[name] in _PLAIN for name in contract.key]
        self._keys = [(key, words) for key in keys if (words := _words(key, plain))]

    def of(self, text: str) -> str | None:
        """The first of the keys that stands in a text; None where none does."""
        if not self._keys or not text:
            return None
        folded = _folded(text)
        squeezed = "".join(folded.split())
        for key, words in self._keys:
            if all(word in squeezed and pattern.search(folded) for word, pattern in words):
                return key
        return None


def _words(key: str, plain: list[bool]) -> list[tuple[str, re.Pattern[str]]]:
    parts = [part.replace("\\|", "|") for part in _PART.split(key)]
    if len(parts) != len(plain):
        return []  # a key of another contract
    words = ["".join(_folded(part).split()) for part, known in zip(parts, plain, strict=True) if known]
    return [(word, _pattern(word)) for word in words if word]


def _pattern(word: str) -> re.Pattern[str]:
    """The word with any blanks in it, not within a longer run of digits and letters of our own alphabet."""
    inside = r"\s*".join(re.escape(sign) for sign in word)
    before = r"(?<![0-9a-z])" if re.match(r"[0-9a-z]", word[0]) else ""
    after = r"(?![0-9a-z])" if re.match(r"[0-9a-z]", word[-1]) else ""
    return re.compile(f"{before}{inside}{after}")


def _folded(text: str) -> str:
    """Half-width, in lower case: contracts normalise keys in either way."""
    return unicodedata.normalize("NFKC", text).casefold()
