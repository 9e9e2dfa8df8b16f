"""Traces of what was not let in: HMAC-SHA-256 under the hub's key, since a bare hash of an ID number can be guessed."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from hub.canonical import canonical_bytes


class Tracer:
    """Makes traces under one key. What is traced (row, malformed row, value, name) is part of what is hashed."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _hex(self, what: str, content: object) -> str:
        return hmac.digest(self._key, canonical_bytes([what, content]), "sha256").hex()

    def row(self, headers: Sequence[str], values: Sequence[str | None]) -> str:
        """Of a raw row: its headers and values in the order of delivery."""
        return self._hex("row", [list(pair) for pair in zip(headers, values, strict=True)])

    def malformed(self, text: str) -> str:
        """Of a row that could not be split."""
        return self._hex("malformed", text)

    def value(self, value: str) -> str:
        """Of one value."""
        return self._hex("value", value)

    def column(self, values: Sequence[str | None]) -> str:
        """Of a column of a page that was dropped as a whole."""
        return self._hex("column", list(values))

    def name(self, name: str) -> str:
        """Of a file's, sheet's or column's name."""
        return self._hex("name", name)
