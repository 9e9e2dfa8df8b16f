"""What a command may call a contract: a file, a feed on disk, a version that the hub used, a feed at a git revision."""

from __future__ import annotations

import importlib
from pathlib import Path

from contracts import catalogue, reader
from contracts.diff import base
from contracts.diff.errors import ContractRefUnknown
from contracts.model import FeedContract
from hub.ids import FeedId
from hub.said import Said


def contract_of(name: str, root: Path) -> FeedContract:
    """The contract that a name stands for: FILE, ID, ID@VERSION or REVISION:ID.

    Raises ContractRefUnknown, ContractInvalid (a file or feed of today), FeedUnknown, BaseUnknown, DatabaseUnavailable.
    """
    path = Path(name)
    if path.is_file():
        return reader.read(path, root=root_of(path, root))
    if "@" in name:
        feed, _, version = name.partition("@")
        # The registry of versions stands above contracts in the house; it is asked by name where it is wanted.
        found = importlib.import_module("warehouse.feeds.versions").of_version(feed, version)
        if found is None:
            reason = Said("the hub never used that version of it", "枢纽未使用过该版本")
            raise ContractRefUnknown(name=name[:100], reason=reason)
        return found  # type: ignore[no-any-return]
    if ":" in name:
        revision, _, feed = name.rpartition(":")
        with base.unpacked(root, revision) as there:
            contract = there.contract(feed)
        if contract is None:
            raise ContractRefUnknown(
                name=name[:100], reason=Said("the revision has no such feed", "该修订中没有此数据源")
            )
        return contract
    if "/" in name or name.endswith(".yaml"):
        raise ContractRefUnknown(name=name[:100], reason=Said("there is no such file", "没有该文件"))
    return catalogue.load_one(FeedId(name))


def root_of(path: Path, root: Path) -> Path:
    """The contracts folder a file lies in: another checkout's file is read beside its own neighbours."""
    own = path.resolve().parent.parent.parent
    return own if path.resolve().parent.parent.name == "feeds" and (own / "codes").is_dir() else root
