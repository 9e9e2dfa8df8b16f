"""Dated exceptions: a breaking change that a role answers for, until a day.

They stand beside the contract, in `contracts/feeds/<domain>/<feed>.exceptions.toml`:

    [[exception]]
    change = "field_unpublished:remark"      # as `hub contract diff` writes it
    version = "1.3.0"                        # the version that brings it
    reason = "remarks turned out to name people; readers were told on 2 March"
    owner = "audit_steward"                  # a role, never a person
    expires = 2026-12-31                     # a day, at most a year ahead

An exception holds through its last day. What it let through by then is merged, so nobody is stopped afterwards.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from contracts.diff.change import Change
from contracts.diff.errors import ExceptionInvalid
from contracts.diff.kinds import KINDS
from contracts.model import SUFFIX
from hub.said import Said, by_system

ENDING = ".exceptions.toml"
MAX_BYTES = 256 * 1024
LONGEST = timedelta(days=366)
SHORTEST_REASON = 8
"""Characters: a sentence in Chinese is short."""

_KEYS = {"change": str, "version": str, "reason": str, "owner": str, "expires": date}
_ROLE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Exempt:
    """One exception."""

    change: str
    version: str
    reason: str
    owner: str
    expires: date

    def holds(self, change: Change, version: str, today: date) -> bool:
        """Whether it lets this change through, in this version, today."""
        return (self.change, self.version) == (change.id, version) and today <= self.expires


def beside(contract: Path) -> Path:
    """Where the exceptions of a contract's file stand."""
    return contract.with_name(contract.name.removesuffix(SUFFIX) + ENDING)


def read(path: Path, today: date) -> list[Exempt]:
    """The exceptions in a file; none where there is no file. Raises ExceptionInvalid."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ExceptionInvalid(file=path.name, reason=by_system(error)) from None
    if len(data) > MAX_BYTES:
        raise ExceptionInvalid(
            file=path.name, reason=Said(f"it has more than {MAX_BYTES} bytes", f"超过 {MAX_BYTES} 字节")
        )
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExceptionInvalid(file=path.name, reason=str(error)[:200]) from None
    entries = document.get("exception", [])
    if set(document) - {"exception"} or not isinstance(entries, list):
        raise ExceptionInvalid(
            file=path.name, reason=Said("it holds something else than [[exception]]", "含有 [[exception]] 之外的内容")
        )
    return [_exempt(path.name, number, entry, today) for number, entry in enumerate(entries, 1)]


def _exempt(file: str, number: int, entry: Any, today: date) -> Exempt:
    problem = _problem(entry, today)
    if problem:
        raise ExceptionInvalid(
            file=file, reason=Said(f"exception {number}: {problem}", f"第 {number} 项：{problem.zh}")
        )
    return Exempt(**entry)


def _problem(entry: Any, today: date) -> Said | None:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        names = ", ".join(_KEYS)
        return Said(f"it states {names}, each once and nothing else", f"须且仅须写明 {names}")
    for name, kind in _KEYS.items():
        value = entry[name]
        # A time of day is a date to Python, too.
        if type(value) is not kind or (isinstance(value, str) and not value.strip()):
            return Said(
                f"{name} is no {'day' if kind is date else 'text'}", f"{name} 不是{'日期' if kind is date else '文本'}"
            )
    known = KINDS.get(entry["change"].partition(":")[0])
    checks = (
        (
            known is not None and known.effect == "breaks",
            Said(f"{entry['change'][:80]} is no breaking change", f"{entry['change'][:80]} 不是破坏性变更"),
        ),
        (len(entry["reason"].strip()) >= SHORTEST_REASON, Said("the reason says too little", "理由过于简略")),
        (
            _ROLE.fullmatch(entry["owner"]),
            Said(
                "owner is a role in snake_case, such as audit_steward, not a person",
                "owner 须为小写下划线的角色名，如 audit_steward，不得为个人",
            ),
        ),
        (entry["expires"] <= today + LONGEST, Said("expires lies more than a year ahead", "expires 超过一年")),
    )
    return next((reason for good, reason in checks if not good), None)
