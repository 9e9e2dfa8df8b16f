"""What a run found and how long it took: filled by `demo.run` and `demo.travel`, written by `demo.report`, shown by `demo.summary`.

Of the hub's packages nothing is imported here: they take seconds, and load while the parts boot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from demo.agencies.places import Folder
from demo.request import Request

if TYPE_CHECKING:
    from demo.outcome import FeedLine
    from demo.proof import Claim
    from demo.repair import Repair
    from demo.selection import NotRun
    from demo.subscriber import Reading
    from warehouse.batches import Batch
    from warehouse.quarantine.view import QuarantinedRow


@dataclass
class Result:
    """What became of the feeds."""

    lines: list[FeedLine] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    repaired: Repair | None = None
    examples: list[tuple[QuarantinedRow, list[dict[str, str]]]] = field(default_factory=list)


@dataclass
class Facts:
    """All facts of one run."""

    request: Request
    folder: Folder
    result: Result | None = None  # None before the feeds are carried
    where: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
