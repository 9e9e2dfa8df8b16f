"""What stands around a contract: its place on disk, the other feeds, the code lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.errors import ContractProblem
from contracts.model import SUFFIX
from contracts.view import View
from contracts.yaml_strict import MAX_BYTES, Path_, parse


@dataclass(slots=True)
class Around:
    """The surroundings of one contract file under the contracts folder `root`."""

    root: Path
    stem: str  # file name without .odcs.yaml
    folder: str  # name of the folder it lies in
    _fields: dict[str, Mapping[str, str] | None] = field(default_factory=dict)

    def fields_of(self, feed: str) -> Mapping[str, str] | None:
        """Field -> logical type of another contract, or None where there is no such contract."""
        if feed not in self._fields:
            self._fields[feed] = self._read(feed)
        return self._fields[feed]

    @property
    def asked(self) -> tuple[str, ...]:
        """The other feeds that were asked about, there or not."""
        return tuple(sorted(self._fields))

    def feeds(self) -> list[str]:
        """The ids of all contracts on disk."""
        names = (path.name.removesuffix(SUFFIX) for path in self.root.glob(f"feeds/*/*{SUFFIX}"))
        return sorted(name for name in names if name.isascii())  # an id is; another name is no feed

    def code_lists(self) -> list[str]:
        """The names of all code lists on disk."""
        return sorted(path.stem for path in (self.root / "codes").glob("*.csv"))

    def _read(self, feed: str) -> Mapping[str, str] | None:
        if feed not in self.feeds():
            return None
        for path in self.root.glob(f"feeds/*/{feed}{SUFFIX}"):
            if path.is_file() and path.stat().st_size <= MAX_BYTES:
                found = parse(path.read_bytes(), file=path.name).get(("schema", 0, "properties"))
                entries = found if isinstance(found, list) else []
                return {
                    str(entry.get("name")): str(entry.get("logicalType"))
                    for entry in entries
                    if isinstance(entry, dict)
                }
        return None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where lint looks: a path of a contract, its surroundings, and how to call the thing in messages."""

    view: View
    around: Around
    path: Path_
    label: str

    def note(self, problem: type[ContractProblem], /, *inner: str, **facts: Any) -> None:
        """Notes a problem here, or at a key below."""
        self.view.document.problem(problem, (*self.path, *inner), where=self.label, **facts)
