"""What was asked for: ROWS, SEED and KEEP of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

from demo.errors import RequestInvalid
from hub.said import Said

LEAST_ROWS = 1_000


@dataclass(frozen=True)
class Request:
    """What was asked for, from the environment."""

    rows: int
    seed: int
    keep: bool

    @classmethod
    def of_environment(cls) -> Request:
        """ROWS, SEED, KEEP. Raises RequestInvalid."""
        return cls(_number("ROWS", 20_000, LEAST_ROWS, 50_000_000), _number("SEED", 1, 0, 9_999), _yes("KEEP"))


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise RequestInvalid(
            name=name,
            value=text[:40],
            reason=Said(f"a whole number from {least:,} to {most:,} is due", f"应为 {least:,} 至 {most:,} 的整数"),
        )
    return int(text)


def _yes(name: str) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text not in ("", "0", "1", "no", "yes", "false", "true"):
        raise RequestInvalid(name=name, value=text[:40], reason=Said("1 or 0 is due", "应为 1 或 0"))
    return text in ("1", "yes", "true")
