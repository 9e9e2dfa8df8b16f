"""What changed between two contents of one contract: a version is a promise of one content, and receipts name it."""

from __future__ import annotations

from dataclasses import fields

from contracts.model import FeedContract

_OF_THE_FILE = ("sha256", "path")  # a comment or a blank line changes the file and nothing that is promised


def changed(before: FeedContract, after: FeedContract) -> tuple[str, ...]:
    """The attributes in which two contracts differ, but for what belongs to the file alone; empty where none does."""
    names = (entry.name for entry in fields(FeedContract) if entry.name not in _OF_THE_FILE)
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))
