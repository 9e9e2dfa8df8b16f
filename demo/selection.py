"""Which feeds a run rings: those whose places the demonstration itself lists. Whoever adds a contract gets a demonstration as before.

A feed from elsewhere has no agency here that would answer, and a contract that can't be read has no DAG: both are
told, in one line each, and the others run.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from contracts.catalogue import BrokenContract, Catalogue
from contracts.model import FeedContract
from hub.ids import FeedId


@dataclass(frozen=True)
class NotRun:
    """A feed that was left out, and why."""

    feed: FeedId
    why: str
    broken: bool = False


@dataclass(frozen=True)
class Selection:
    """The feeds to ring, and those to tell of."""

    feeds: list[FeedContract]
    not_run: list[NotRun]

    @property
    def told(self) -> list[str]:
        """The feeds that are left out, a line for each reason."""
        elsewhere = ", ".join(f"{one.feed} ({one.why})" for one in self.not_run if not one.broken)
        lines = [f"not run here: {elsewhere}"] if elsewhere else []
        return lines + [f"broken, not run: {one.feed}: {one.why}" for one in self.not_run if one.broken]


def choose(known: Catalogue, places: Collection[str]) -> Selection:
    """Of all contracts on disk those whose sources are all at `places`."""
    feeds, not_run = [], []
    for feed in known.feeds.values():
        lacking = sorted({source.place for source in feed.sources} - set(places))
        if lacking:
            not_run.append(NotRun(feed.id, f"no place {', '.join(lacking)}"))
        else:
            feeds.append(feed)
    return Selection(feeds, not_run + [NotRun(one.id, _first(one), broken=True) for one in known.broken])


def _first(one: BrokenContract) -> str:
    return f"{one.problems[0]}; `hub contract lint` says all" if one.problems else one.error.sentence()
