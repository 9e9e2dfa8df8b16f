"""One thing that `hub doctor` looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from hub.errors import HubException
from hub.said import Said, zh

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found and, where it is not well, what to do."""

    area: str
    name: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"found": str(self.found), "remedy": str(self.remedy), "remedy_zh": str(zh(self.remedy))}


def remedy_of(error: HubException) -> Said:
    """An error's remedy, in both languages."""
    return Said(error.remedy(), error.remedy("zh"))
