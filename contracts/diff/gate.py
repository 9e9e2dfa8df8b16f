"""The gate before a merge: every contract against the base revision. A breaking change needs a new major version or a
dated exception; everything else passes and is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from contracts import reader
from contracts.diff import exceptions
from contracts.diff.base import Base
from contracts.diff.change import Change
from contracts.diff.comparing import compare
from contracts.diff.exceptions import Exempt
from contracts.diff.lists import Lists, lists_of, used
from contracts.diff.versions import covers, needed, step
from contracts.model import SUFFIX, FeedContract


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate says of one contract."""

    feed: str
    old: str  # version, "" where there was none
    new: str
    changes: tuple[Change, ...]
    exempt: tuple[Change, ...] = ()
    refused: tuple[Change, ...] = ()  # breaking ones that nothing lets through
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether nothing is refused."""
        return not self.refused


@dataclass(slots=True)
class GateReport:
    """What the gate says of all contracts."""

    base: str
    judged: list[Judged] = field(default_factory=list)

    @property
    def refused(self) -> list[Judged]:
        """The contracts that don't pass."""
        return [one for one in self.judged if not one.passes]


def judge(
    old: FeedContract,
    new: FeedContract,
    exempt: Sequence[Exempt] = (),
    *,
    today: date,
    removed: bool = False,
    lists: tuple[Lists, Lists] | None = None,
) -> Judged:
    """One contract, and the code lists beside it, against the version before. A major version rises only with a topic of its own: lint sees to that."""
    changes = (Change("feed_removed", str(old.id)),) if removed else tuple(compare(old, new, lists))
    breaking = [change for change in changes if change.breaking]
    given, due = step(old.version, new.version), needed(changes)
    note = ""
    if not removed and not covers(given, due):
        note = f"the version should rise: {due} (it went from {old.version} to {new.version})"
    through = {change.id for change in breaking for one in exempt if one.holds(change, new.version, today)}
    # A version that fell is never a new major one, and a feed that went has none.
    major = given == "major"
    refused = [] if major else [change for change in breaking if change.id not in through]
    return Judged(
        str(new.id),
        old.version,
        new.version,
        changes,
        tuple(change for change in breaking if change.id in through),
        tuple(refused),
        note,
    )


def run(root: Path, base: Base, *, today: date) -> GateReport:
    """Every contract under `root` against the base. Raises ExceptionInvalid, BaseUnknown.

    A contract that can't be read now is the lint's to tell, not the gate's: it is passed over here.
    """
    report = GateReport(base.revision)
    now = {path.name.removesuffix(SUFFIX): path for path in sorted(root.glob(f"feeds/*/*{SUFFIX}"))}
    report.judged += _changed(root, base, now, today)
    for feed, path in base.files().items():
        if feed not in now:
            old = base.contract(feed)
            assert old is not None
            if old.status == "retired":
                report.judged.append(Judged(feed, old.version, "", (), note="removed after it was retired"))
                continue
            beside = root / exceptions.beside(path).relative_to(base.root)
            exempt = exceptions.read(beside, today)
            report.judged.append(judge(old, old, exempt, today=today, removed=True))
    return report


def _changed(root: Path, base: Base, now: dict[str, Path], today: date) -> Iterator[Judged]:
    before = base.files()
    for feed, path in now.items():
        reading = reader.examine(path, root=root)
        if reading.contract is None:
            continue
        new = reading.contract
        exempt = exceptions.read(exceptions.beside(path), today)
        if feed not in before:
            yield Judged(feed, "", new.version, (), note="new")
            continue
        same = before[feed].read_bytes() == path.read_bytes()
        if same and not any(_list_changed(root, base, name) for name in used(new)):
            continue
        old = base.contract(feed)
        assert old is not None
        judged = judge(old, new, exempt, today=today, lists=(lists_of(old, base.root), lists_of(new, root)))
        if judged.changes or not same:
            yield judged


def _list_changed(root: Path, base: Base, name: str) -> bool:
    was, now = (folder / "codes" / f"{name}.csv" for folder in (base.root, root))
    return was.is_file() and now.is_file() and was.read_bytes() != now.read_bytes()
