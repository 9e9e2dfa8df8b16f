"""One change between two versions of a contract, with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.diff.kinds import EFFECTS, KINDS, PARTIES, ChangeKind

_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `where` is a field, source, rule, role … or `contract`; `was` and `now` are short texts."""

    kind: str  # a name in contracts.diff.kinds
    where: str
    was: str = ""
    now: str = ""

    @property
    def about(self) -> ChangeKind:
        """The kind's entry in the registry."""
        return KINDS[self.kind]

    @property
    def id(self) -> str:
        """`<kind>:<where>`: how an exception names it."""
        return f"{self.kind}:{self.where}"

    @property
    def breaking(self) -> bool:
        """Whether it needs a new major version."""
        return self.about.effect == "breaks"

    def sentence(self, lang: str = "en") -> str:
        """What changed and why it matters, in `en` or `zh`."""
        nothing, colon, stop = ("无", ":", "。") if lang == "zh" else ("nothing", ": ", ". ")
        step = f"{colon}{self.was or nothing} → {self.now or nothing}" if self.was or self.now else ""
        return f"{self.where}{step}{stop}{self.about.zh if lang == 'zh' else self.about.en}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "change": self.id,
            "kind": self.kind,
            "where": self.where,
            "effect": self.about.effect,
            "effect_zh": EFFECTS[self.about.effect][1],
            "party": PARTIES[self.about.party][0],
            "party_zh": PARTIES[self.about.party][1],
            "was": self.was,
            "now": self.now,
            "why": self.about.en,
            "why_zh": self.about.zh,
        }


def told(value: Any) -> str:
    """A contract's value as a short text."""
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, Mapping):
        text = ", ".join(f"{name}={told(item)}" for name, item in value.items())
    elif isinstance(value, tuple | list):
        text = ", ".join(map(told, value))
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
