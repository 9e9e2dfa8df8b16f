"""Canonical JSON: the same facts give the same bytes for ever, so that a hash or signature over them holds.

Source: RFC 8785 (JCS) for the subset used here: objects, arrays, strings, integers, booleans, null. Floats are
refused, since their text form is the one part of JCS that is easily got wrong; amounts are strings.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_bytes(value: Any) -> bytes:
    """UTF-8 JSON with keys sorted by UTF-16 code units and no white space.

    Raises TypeError on a float or on a type JSON doesn't have.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def sha256_hex(data: bytes) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, float):
        raise TypeError("a canonical document holds no float: write amounts as strings")
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise TypeError("a canonical document's keys are strings")
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value
