"""Checks and duplicates for one batch: the checker of its source, and the keys seen so far."""

from __future__ import annotations

from contracts import codes
from contracts.checks import Checker
from contracts.model import FeedContract, SourceSpec
from hub import clock
from warehouse.checking.references import FeedReferences


def checker_for(contract: FeedContract, source: SourceSpec) -> Checker:
    """The checker of a source. Raises RuleNotRunnable, HeaderClaimedTwice."""
    return Checker(contract, source, codes=codes.load, references=FeedReferences(), today=clock.today())
