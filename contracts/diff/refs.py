"""What a command may call a contract: a file, a feed on disk, a version that the hub used, a feed at a git revision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contracts import catalogue, reader
from contracts.diff import base
from contracts.diff.errors import ContractRefUnknown
from contracts.diff.lists import Lists, lists_of
from contracts.model import FeedContract
from hub.ids import FeedId
from hub.said import Said

Used = Callable[[str, str], FeedContract | None]
"""Looks up a version of a feed that the hub used, None where it never used it. Whoever keeps the versions gives it."""


def contract_of(name: str, root: Path, used: Used) -> tuple[FeedContract, Lists]:
    """The contract that a name stands for: FILE, ID, ID@VERSION or REVISION:ID; and the code lists beside it.

    Of a version that the hub used no lists are on record: there they are those of today.

    Raises ContractRefUnknown, ContractInvalid (a file or feed of today), FeedUnknown, BaseUnknown, DatabaseUnavailable.
    """
    path = Path(name)
    if path.is_file():
        own = root_of(path, root)
        return _beside(reader.read(path, root=own), own)
    if "@" in name:
        feed, _, version = name.partition("@")
        found = used(feed, version)
        if found is None:
            reason = Said("the hub never used that version of it", "枢纽未使用过该版本")
            raise ContractRefUnknown(name=name[:100], reason=reason)
        return _beside(found, root)
    if ":" in name:
        revision, _, feed = name.rpartition(":")
        with base.unpacked(root, revision) as there:
            contract = there.contract(feed)
            if contract is None:
                raise ContractRefUnknown(
                    name=name[:100], reason=Said("the revision has no such feed", "该修订中没有此数据源")
                )
            return _beside(contract, there.root)
    if "/" in name or name.endswith(".yaml"):
        raise ContractRefUnknown(name=name[:100], reason=Said("there is no such file", "没有该文件"))
    return _beside(catalogue.load_one(FeedId(name)), root)


def _beside(contract: FeedContract, root: Path) -> tuple[FeedContract, Lists]:
    return contract, lists_of(contract, root)


def root_of(path: Path, root: Path) -> Path:
    """The contracts folder a file lies in: another checkout's file is read beside its own neighbours."""
    own = path.resolve().parent.parent.parent
    return own if path.resolve().parent.parent.name == "feeds" and (own / "codes").is_dir() else root
