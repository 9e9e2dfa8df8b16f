"""What every connector is: a class `Connector` in a module of its own, found by its file stem.

A source gives deliveries; a delivery is what lands as one batch (a dropped file, one pull of a table or API)
and gives pages of bounded size. Connectors read; they never write to a source and never see the warehouse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, ClassVar, Protocol

from connectors.errors import FileNotTaken
from connectors.options import Options, problems
from connectors.places import Place
from contracts.model import FeedContract, SourceSpec
from contracts.page import Around, RawPage
from hub.said import Said


class Taken(Protocol):
    """What was taken of a source before. Asked when it is needed: what a visit gives changes the answers."""

    def empty(self) -> bool:
        """Whether nothing was ever taken."""

    def among(self, appearances: Iterable[str]) -> AbstractSet[str]:
        """Which of these appearances were taken."""

    def latest(self) -> str | None:
        """Appearance of the delivery that the source brought last; None also while one waits that may be older."""


class Nothing:
    """Of a source that was never visited."""

    def empty(self) -> bool:
        """It is."""
        return True

    def among(self, _: Iterable[str]) -> AbstractSet[str]:
        """None of them."""
        return frozenset()

    def latest(self) -> str | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Window:
    """What to read. A backfill sets the interval and never moves a cursor."""

    cursor: Mapping[str, Any] | None = None  # as the source left it with its last loaded batch
    interval_start: datetime | None = None
    interval_end: datetime | None = None
    taken: Taken = field(default_factory=Nothing)  # what was taken before, for sources that keep files
    key_of: Callable[[str], str] = (
        str  # under which key a name stands in the saved cursor: not every name may be stored
    )

    @property
    def backfill(self) -> bool:
        """Whether an interval is asked for instead of what is new."""
        return self.interval_start is not None


def appearance(sha256: str, written_ns: int) -> str:
    """What tells a file that lies at its source from the same bytes sent anew: its hash and when it was written.

    A file that is moved or listed again is the same delivery. The same bytes written later say
    something again: a feed that goes from A to B and back to A must end at A.
    """
    return f"{sha256}@{written_ns}"


@dataclass(slots=True)
class Delivery(ABC):
    """One delivery. Pages can be read once; `cursor_after`, `sha256` and `size` are set when they are exhausted."""

    name: str  # what a person recognises: file name, "GET /v1/observations", table name
    source: SourceSpec
    original: Path | None = None  # the file exactly as it came, where there is one
    sha256: str | None = None  # of the bytes as they came (file), or over the pages' bytes in order
    size: int | None = None  # bytes as they came
    cursor_after: dict[str, Any] | None = None  # to be saved with the rows; None: leave the cursor
    appearance: str | None = None  # of a file: see `appearance`; set with `sha256`
    around: Around = field(default_factory=Around)  # of a file; grows while the pages are read
    gone: bool = False  # its file was taken away before it was opened: nothing lies there
    one_frame: bool = False  # every page has the unit and the columns of the first; set by the time that one is there
    facts: dict[str, Any] = field(default_factory=dict)  # sender, manifest, ETag …: for the landing manifest

    @abstractmethod
    def pages(self) -> Iterator[RawPage]:
        """Yields pages of at most `page_rows` rows. Raises AgencyError where the delivery can't be read at all."""

    @abstractmethod
    def close(self) -> None:
        """Gives back files and connections. May be called twice."""

    def identity(self) -> tuple[str | None, str | None]:
        """SHA-256 and appearance, also of a delivery that was not read to its end; None where they can't be told."""
        return self.sha256, self.appearance

    @property
    def passed_over(self) -> dict[str, Any] | None:
        """The source's cursor by the time of this delivery: what it knows of what it did not give, to be saved where this one is refused. What
        the cursor says of this one counts for nothing, for it was not taken. None: nothing needs to be saved."""
        return None

    @property
    def as_it_came(self) -> bool:
        """Whether there are bytes as they came, which `opened` gives."""
        return self.original is not None

    def opened(self) -> BufferedReader:
        """The original, opened anew. Raises FileNotFoundError where there is none, and as its source does."""
        raise FileNotFoundError(self.name)


class Connector(ABC):
    """A kind of source. Built for one source of one contract."""

    Options: ClassVar[type[Options]] = Options  # what a contract may say: `hub.options` and the server's own keys
    pending: frozenset[str] | None = None
    """After a visit the names of files that lie there and don't rest yet; None where nobody can tell what is gone."""

    def __init__(self, contract: FeedContract, source: SourceSpec, place: Place, *, page_rows: int) -> None:
        self.contract = contract
        self.source = source
        self.place = place
        self.page_rows = page_rows

    @classmethod
    def option_problems(cls, options: Mapping[str, Any]) -> list[str]:
        """What is wrong with a contract's options for this connector, for lint; empty when nothing is."""
        return problems(cls.Options, options)

    @abstractmethod
    def check(self) -> str:
        """Reaches the source and says in a sentence what was found. Raises a HubException."""

    @abstractmethod
    def deliveries(self, window: Window) -> Iterator[Delivery]:
        """What waits at the source, oldest first."""

    @classmethod
    def file_delivery(
        cls,
        contract: FeedContract,
        source: SourceSpec,
        place: Place,
        name: str,
        *,
        page_rows: int,
        home: Place | None = None,
    ) -> Delivery:
        """A file given by hand (`place.root` is its folder) as a delivery; `home` is the source's own place, if listed.

        Raises FileNotTaken where the connector reads no files.
        """
        raise FileNotTaken(
            connector=source.connector, source=source.id, reason=Said("it reads no files", "它不读取文件")
        )
