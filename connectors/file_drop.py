"""Files that an agency drops into a folder: CSV and TSV in any declared encoding, XLSX, Parquet. Each file is one delivery.

A file is taken once it rests: untouched for `stable_seconds`, or followed by its marker; where a manifest is required,
followed by that too. One that is older than the file is that of the file before. Temporary names and links are passed
over. Files are taken oldest first. A file is not given again when it was taken before (moved or listed again), when it
was only touched, or when it says what the delivery before it said; the same bytes under a new name or time, after
something else came, are a new delivery, and so is a copy that came after something else while its original still lies
there. The cursor remembers the SHA-256 of files seen and what the file system says of them (connectors/files/seen.py),
so that they aren't hashed again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from connectors import base, options
from connectors.base import Delivery, Taken, Window, appearance
from connectors.errors import FileNotTaken, FileOutsideRoot
from connectors.files.delivery import FileDelivery
from connectors.files.root import Found, Root, pattern_problem, shown
from connectors.files.seen import Seen
from connectors.files.tee import sha256_of
from connectors.names import expected
from connectors.places import Place
from connectors.readers.csv_pages import CsvForm
from connectors.readers.text import ENCODINGS
from connectors.readers.xlsx_pages import WorkbookForm
from contracts.model import FeedContract, SourceSpec
from hub.errors import HubException
from hub.said import Said

_WORKBOOKS = {".xlsx", ".xlsm"}
_TABBED = {".tsv", ".tab"}
_COLUMNAR = {".parquet", ".pq"}


class WrittenOptions(options.Options):
    """What a contract says of how files are written, however they come."""

    encoding: str = Field("utf-8", description=f"Of CSV and TSV: {', '.join(ENCODINGS)}.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(",", description="Of CSV.")
    quote: Literal['"', "'", "none"] = Field('"', description="Quotation mark of CSV and TSV.")
    header_row: Annotated[int, Field(ge=1, le=1000)] | Literal["search"] = Field(
        1, description="Row of the header, or `search`: the row with most of the fields' names."
    )
    columns: tuple[str, ...] = Field((), description="Column names of CSV files without a header.")
    sheets: str | tuple[str, ...] = Field("*", description="Names or globs of a workbook's sheets.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value.lower() in {"gbk", "gb2312", "cp936"}:
            raise ValueError(
                Said(
                    f"declare gb18030: it reads all that {value} writes, and the characters added since",
                    f"请声明 gb18030：它能读取 {value} 的全部内容及后来增补的字符",
                )
            )
        if value not in ENCODINGS:
            raise ValueError(Said(f"one of {', '.join(ENCODINGS)} is due", f"应为 {'、'.join(ENCODINGS)} 之一"))
        return value

    @model_validator(mode="after")
    def _signs(self) -> Self:
        if self.delimiter in {"\n", "\r", "\x00", self.quote}:
            raise ValueError(
                Said("delimiter and quote can't be line breaks or alike", "分隔符与引号不得为换行，也不得相同")
            )
        return self

    def csv(self, *, tabbed: bool, encoding: str | None = None) -> CsvForm:
        """How delimited text is written; `encoding` is what a sender said of it."""
        return CsvForm(
            encoding=encoding or self.encoding,
            delimiter="\t" if tabbed else self.delimiter,
            quote=None if self.quote == "none" else self.quote,
            header_row=self.header_row,
            columns=self.columns,
        )

    def workbook(self) -> WorkbookForm:
        """Which sheets of a workbook are read."""
        sheets = (self.sheets,) if isinstance(self.sheets, str) else self.sheets
        return WorkbookForm(sheets=sheets, header_row=self.header_row)


class FileOptions(WrittenOptions):
    """What a contract says of dropped files."""

    glob: str = Field(description="Files under the place's root, e.g. `payments/*.csv`; `**` goes into folders.")
    format: Literal["auto", "csv", "tsv", "xlsx", "parquet"] = Field(
        "auto", description="auto: by the file name's ending."
    )
    stable_seconds: float = Field(5, ge=0, le=86_400, description="Seconds a file must lie untouched.")
    marker: str | None = Field(
        None, description="Ending of a file, written after its namesake, that says it is complete: .done"
    )
    manifest: Literal["none", "optional", "required"] = Field(
        "optional", description="Whether a JSON manifest lies beside each file."
    )
    manifest_suffix: str = Field(".manifest.json", description="Ending of the manifest's name.")

    @field_validator("glob")
    @classmethod
    def _inside(cls, value: str) -> str:
        problem = pattern_problem(value)
        if problem:
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _endings(self) -> Self:
        for ending in (self.marker, self.manifest_suffix):
            if ending is not None and (not ending.startswith(".") or "/" in ending):
                raise ValueError(Said("an ending begins with a dot and has no /", "后缀须以点开头且不含 /"))
        return self


class Connector(base.Connector):
    """Files dropped under a root."""

    Options: ClassVar[type[FileOptions]] = FileOptions
    home: Place | None = None  # the source's own place, where a file was given by hand

    def __init__(self, contract: FeedContract, source: SourceSpec, place: Place, *, page_rows: int) -> None:
        super().__init__(contract, source, place, page_rows=page_rows)
        self.options = options.read(self.Options, source)
        self.root = Root(place, source.connector)

    def check(self) -> str:
        """Lists the root. Raises PlaceIncomplete, OptionsInvalid."""
        files = self._files()
        waiting = sum(self._rests(found) for found in files)
        return f"{len(files)} files match {self.options.glob} under {self.root.path}, {waiting} of them at rest"

    def deliveries(self, window: Window) -> Iterator[Delivery]:
        """Files at rest, oldest first; in a backfill those last written within the interval, known or not."""
        files, pending = self._whole()
        seen = Seen((window.cursor or {}).get("files", {}), files, window.key_of)
        cursor = {"files": seen.entries}
        # One question for all that lies there; what the visit itself changes is asked one by one.
        known = frozenset() if window.backfill else window.taken.among(seen.takers())
        for found in files:
            if not self._rests(found):
                pending.add(found.name)
            elif _within(window, found) and (window.backfill or not self._known(found, window.taken, known, seen)):
                yield self.delivery(found, cursor=None if window.backfill else cursor)
        # An empty folder may be one that is not mounted.
        self.pending = frozenset(pending) if files else None

    def delivery(self, found: Found, cursor: dict[str, Any] | None = None) -> FileDelivery:
        """One file as a delivery."""
        manifest: str | None = found.raw + self.options.manifest_suffix
        if self.options.manifest == "none" or (
            self.options.manifest == "optional" and not self.root.exists(found.raw + self.options.manifest_suffix)
        ):
            manifest = None
        return FileDelivery(
            self.source,
            self.root,
            found,
            lambda: self.form(found),
            fields=expected(self.contract, self.source),
            page_rows=self.page_rows,
            manifest=manifest,
            cursor=cursor,
        )

    def form(self, found: Found) -> CsvForm | WorkbookForm | Literal["parquet"]:
        """How a file is written."""
        said = self.options
        ending = PurePosixPath(found.name).suffix.lower()
        if said.format == "xlsx" or (said.format == "auto" and ending in _WORKBOOKS):
            return said.workbook()
        if said.format == "parquet" or (said.format == "auto" and ending in _COLUMNAR):
            return "parquet"
        return said.csv(tabbed=said.format == "tsv" or (said.format == "auto" and ending in _TABBED))

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
        """A file given by hand: it needs to match no glob and to rest for no time. Raises FileNotTaken."""
        connector = cls(contract, source, place, page_rows=page_rows)
        connector.home = home
        try:
            return connector.delivery(connector.root.look(name))
        except FileNotFoundError:
            raise FileNotTaken(
                connector=source.connector,
                source=source.id,
                reason=Said(f"{shown(name)} is not there", f"{shown(name)} 不存在"),
            ) from None

    def _whole(self) -> tuple[list[Found], set[str]]:
        """The files, with none missing that came before one of them, and the names of those that must wait.

        A folder is not read at one moment: of two files that come meanwhile the later may be seen and the earlier not, and
        would then be taken after it. Where files rest for some time both are too young; elsewhere a second look has all
        that came before what the first saw.
        """
        files = self._files()
        if not files or (self.options.marker is None and self.options.stable_seconds >= 1):
            return files, set()
        newest, again = files[-1].order, self._files()
        return [found for found in again if found.order <= newest], {one.name for one in again if one.order > newest}

    def _files(self) -> list[Found]:
        endings = tuple(filter(None, (self.options.marker, self.options.manifest_suffix)))
        return [found for found in self.root.find(self.options.glob) if not found.name.endswith(endings)]

    def _rests(self, found: Found) -> bool:
        if self.options.manifest == "required" and not self._followed(found, self.options.manifest_suffix):
            return False
        if self.options.marker is not None:
            return self._followed(found, self.options.marker)
        # ctime too: a copy that keeps the original's mtime looks old while it is still being written.
        touched = max(found.mtime_ns, found.ctime_ns) / 1e9
        return time.time() - touched >= self.options.stable_seconds

    def _followed(self, found: Found, ending: str) -> bool:
        """Whether the file that says something of another came with it: an older one speaks of what lay there before."""
        try:
            return self.root.look(found.raw + ending).mtime_ns >= found.mtime_ns
        except (FileNotFoundError, FileOutsideRoot):
            return False

    def _known(self, found: Found, taken: Taken, known: AbstractSet[str], seen: Seen) -> bool:
        """Whether a file says nothing new."""

        def was_taken(as_what: str) -> bool:
            return as_what in known or bool(taken.among([as_what]))

        entry = seen.of(found)
        if entry is not None and entry.untouched(found):
            return was_taken(entry.taken_as)
        digest = None if taken.empty() else self._digest(found)
        if digest is None or (entry is not None and entry.sha256 != digest):
            return False  # what is called so says something else now, though it may be what it said long ago
        taken_as = appearance(digest, found.mtime_ns)
        if entry is not None:
            taken_as = entry.taken_as  # touched: it says what it said
        else:
            latest = taken.latest()
            said_last = latest is not None and latest.startswith(f"{digest}@")
            if was_taken(taken_as):
                if not said_last and seen.copied(found, taken_as):
                    return False
            elif said_last and latest is not None:
                taken_as = latest
        if not was_taken(taken_as):
            return False
        seen.note(found, digest, taken_as)
        return True

    def _digest(self, found: Found) -> str | None:
        try:
            return sha256_of(self.root, found)
        except HubException:
            return None  # reading it will say so


def _within(window: Window, found: Found) -> bool:
    written = found.mtime_ns / 1e9
    if window.interval_start is not None and written < window.interval_start.timestamp():
        return False
    return window.interval_end is None or written < window.interval_end.timestamp()
