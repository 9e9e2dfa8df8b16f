"""From a contract file to the model: strict YAML, the official JSON Schema, the house lint, then the model.

All problems of a file come at once, by line; `read` raises them together as ContractInvalid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts import errors, lint, schema_check, yaml_strict
from contracts.building import build, source
from contracts.errors import ContractInvalid, ContractProblem
from contracts.lint.around import Around
from contracts.model import SUFFIX, FeedContract, SourceSpec
from contracts.view import View
from hub.said import Said

ExtraCheck = Callable[[SourceSpec], Iterable[str]]
"""A further check of a source: yields what is wrong, such as with a connector's options."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a file gave: the contract, or the problems that stand in the way."""

    file: str
    sha256: str
    contract: FeedContract | None
    problems: tuple[ContractProblem, ...]
    notices: tuple[ContractProblem, ...] = ()  # what is worth knowing and stands in nothing's way
    refers_to: tuple[str, ...] = ()  # other feeds whose fields were looked up


def read(path: Path, *, root: Path, extra_checks: Iterable[ExtraCheck] = ()) -> FeedContract:
    """The contract in a file under the contracts folder `root`. Raises ContractInvalid with every problem."""
    reading = examine(path, root=root, extra_checks=extra_checks)
    if reading.contract is None:
        raise ContractInvalid(file=reading.file, problems=list(reading.problems))
    return reading.contract


def examine(path: Path, *, root: Path, extra_checks: Iterable[ExtraCheck] = ()) -> Reading:
    """Reads a file and says everything that is wrong with it. Raises nothing for what the file holds."""
    file = _relative(path, root)
    data, document = yaml_strict.read_bytes(path, file=file)
    sha256 = hashlib.sha256(data).hexdigest()
    if document.problems:
        return Reading(file, sha256, None, tuple(document.problems))
    try:
        return _examined(path, root, extra_checks, file, data)
    except Exception as error:  # noqa: BLE001 - whoever wrote the contract, no other feed may suffer from it
        return Reading(file, sha256, None, (errors.ContractUnexamined.of(file, error),))


def _examined(path: Path, root: Path, extra_checks: Iterable[ExtraCheck], file: str, data: bytes) -> Reading:
    sha256 = hashlib.sha256(data).hexdigest()
    document = yaml_strict.parse(data, file=file)
    view = View(document)
    contract: FeedContract | None = None
    around = Around(root, printable(path.name.removesuffix(SUFFIX)), printable(path.parent.name))
    if document.complete:
        schema_check.check(document)
        if isinstance(document.data, dict):
            lint.house(view, around)
            for check in extra_checks:
                _further(view, check)
        if not any(problem.blocks for problem in document.problems):
            contract = build(view, sha256=sha256, path=file)
    found = sorted(document.problems, key=lambda problem: problem.place)
    problems = tuple(problem for problem in found if problem.blocks)
    notices = tuple(problem for problem in found if not problem.blocks)
    return Reading(file, sha256, None if problems else contract, problems, notices, around.asked)


def _further(view: View, check: ExtraCheck) -> None:
    """Asks of every source that can be made out, whatever else is wrong with the contract."""
    for path, entry in view.mappings(("servers",)):
        own = view.hub(path)
        if isinstance(entry.get("server"), str) and isinstance(own.get("connector"), str):
            place = view.hub_path(path, "options") if "options" in own else path
            for reason in check(source(view, path, entry)):
                name = entry["server"]
                where = Said(f"the source {name}", f"来源 {name}")
                view.document.problem(errors.ConnectorOption, place, where=where, reason=reason)


def _relative(path: Path, root: Path) -> str:
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError, RuntimeError):  # outside, or a loop of links
        name = path.as_posix()
    return printable(name)


def printable(name: str) -> str:
    """A file's name as text: bytes of it that are no UTF-8 are written out."""
    return name.encode("utf-8", "backslashreplace").decode()
