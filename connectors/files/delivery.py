"""A dropped file as a delivery: its manifest held against it, its pages by the reader of its form."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

from connectors.base import Delivery, appearance
from connectors.errors import FileReplaced, FileTooLarge, ManifestInvalid, ManifestMismatch
from connectors.files.root import Found, Root, shown
from connectors.files.seen import Entry
from connectors.files.tee import TeeFile, sha256_of
from connectors.readers.csv_pages import CsvForm, csv_pages
from connectors.readers.parquet_pages import parquet_pages
from connectors.readers.xlsx_pages import WorkbookForm, xlsx_pages
from contracts.model import SourceSpec
from contracts.page import RawPage
from hub.errors import AgencyError, HubException
from hub.said import Said
from hub.settings import settings

MAX_MANIFEST_BYTES = 256 * 1024
_MANIFEST_KEYS = {"file": str, "sha256": str, "rows": int, "sender": str}


Form = CsvForm | WorkbookForm | Literal["parquet"]
Transform = Callable[[Iterator[RawPage], Delivery], Iterator[RawPage]]


class FileDelivery(Delivery):
    """One file."""

    def __init__(
        self,
        source: SourceSpec,
        root: Root,
        found: Found,
        form: Callable[[], Form],
        *,
        fields: dict[str, tuple[str, ...]],
        page_rows: int,
        manifest: str | None = None,  # its raw name
        cursor: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name=found.name, source=source, original=Path(root.path, found.raw))
        self.found = found
        self._form = form  # asked when the pages are read: a file that has none must not hide those after it
        self._root, self._fields, self._page_rows = root, fields, page_rows
        self._manifest, self._cursor = manifest, cursor
        self._transform: Transform | None = None
        self._tee: TeeFile | None = None
        self._read_as: tuple[str, str] | None = None  # SHA-256 and appearance of what was opened

    def transform(self, transform: Transform) -> None:
        """Has the reader's pages turned into the delivery's by `transform`."""
        self._transform = transform

    @property
    def passed_over(self) -> dict[str, Any] | None:
        """The files of this visit that say nothing new, and those that were taken."""
        return None if self._cursor is None else {"files": dict(self._cursor["files"])}

    def pages(self) -> Iterator[RawPage]:
        """Pages of the file. Raises FileReplaced, ManifestMismatch, and what its reader raises."""
        manifest = self._read_manifest()
        try:
            tee = self._tee = TeeFile(self._root, self.found)
        except FileReplaced:
            self.gone = True
            raise
        rows = 0
        try:
            pages = self._read(tee)
            for page in self._transform(pages, self) if self._transform else pages:
                rows += page.rows_in
                yield page
            self.sha256, self.size = tee.finish()
            self.appearance = appearance(self.sha256, tee.found.mtime_ns)
            self._read_as = self.sha256, self.appearance
        except (AgencyError, GeneratorExit):  # what can be refused; a file that is read again is not hashed for nothing
            self._note(tee)
            raise
        finally:
            tee.close()
        self._hold(manifest, "rows", rows)
        self._hold(manifest, "sha256", self.sha256)  # again: the bytes that were read
        if self._cursor is not None:
            entry = list(Entry.made(tee.found, self.sha256, self.appearance))
            # One mapping for all deliveries of a visit: a later one carries the earlier ones along.
            self._cursor["files"][self.name] = entry
            self.cursor_after = {"files": dict(self._cursor["files"])}

    def identity(self) -> tuple[str | None, str | None]:
        """SHA-256 and appearance of what was opened to be read, else of the file that lies there now; (None, None) where none
        does, or only a link.

        What was opened may have been cleared away or replaced by now, and it is what is refused.
        """
        if self._read_as is None and self._tee is not None:  # its pages stand still: nobody takes more of them
            self._note(self._tee)
        if self._read_as is not None:
            return self._read_as
        try:
            with self.opened() as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                return digest, appearance(digest, os.fstat(file.fileno()).st_mtime_ns)
        except (OSError, HubException):
            return None, None

    def _note(self, tee: TeeFile) -> None:
        digest = tee.digest()
        if digest is not None:
            self._read_as = digest, appearance(digest, tee.found.mtime_ns)

    def opened(self) -> BufferedReader:
        """The file, reached anew without following a link. Raises FileNotFoundError, FileOutsideRoot."""
        return os.fdopen(self._root.open(self.found.raw), "rb")

    def close(self) -> None:
        """Gives the file back. May be called twice."""
        if self._tee is not None:
            self._tee.close()

    def _read(self, tee: TeeFile) -> Iterator[RawPage]:
        form = self._form()
        self.one_frame = not isinstance(form, WorkbookForm)
        if isinstance(form, CsvForm):
            return csv_pages(tee, self.name, form, self._fields, self._page_rows, around=self.around)
        bound = settings().max_xlsx_bytes
        if tee.found.size > bound:
            raise FileTooLarge(file=self.name, size=tee.found.size, bound=bound, setting="HUB_MAX_XLSX_BYTES")
        parts = iter(lambda: tee.read(1 << 20), b"")
        if form == "parquet":
            return parquet_pages(b"".join(parts), self.name, self._page_rows, around=self.around)
        return xlsx_pages(b"".join(parts), self.name, form, self._fields, self._page_rows, around=self.around)

    def _read_manifest(self) -> dict[str, Any]:
        """The manifest's facts, its file name and SHA-256 already held against the file; {} where there is none."""
        if self._manifest is None:
            return {}
        try:
            content = self._root.read(self._manifest, MAX_MANIFEST_BYTES)
            manifest: object = json.loads(content) if len(content) <= MAX_MANIFEST_BYTES else "too large"
        except (OSError, ValueError, RecursionError):
            manifest = "no JSON"
        reason = _manifest_problem(manifest)
        if reason:
            raise ManifestInvalid(manifest=shown(self._manifest), file=self.name, reason=reason)
        assert isinstance(manifest, dict)  # or there was a reason
        facts: dict[str, Any] = dict(manifest)
        self._hold(facts, "file", self.name.rpartition("/")[2])
        if "sha256" in facts:
            facts["sha256"] = facts["sha256"].lower()
            self._hold(facts, "sha256", sha256_of(self._root, self.found))
        self.facts["manifest"] = facts
        return facts

    def _hold(self, manifest: dict[str, Any], what: str, found: Any) -> None:
        if what in manifest and manifest[what] != found:
            raise ManifestMismatch(
                file=self.name,
                manifest=shown(self._manifest or ""),
                what=what,
                found=found,
                stated=str(manifest[what])[:200],
            )


def _manifest_problem(manifest: Any) -> str | None:
    if not isinstance(manifest, dict):
        return Said("it is no JSON object of modest size", "不是大小适中的 JSON 对象")
    unknown = sorted(set(manifest) - set(_MANIFEST_KEYS))
    if unknown:
        return Said(
            f"unknown keys {', '.join(key[:40] for key in unknown[:8])}",
            f"未知的键 {'、'.join(key[:40] for key in unknown[:8])}",
        )
    for key, kind in _MANIFEST_KEYS.items():
        if key in manifest and (not isinstance(manifest[key], kind) or isinstance(manifest[key], bool)):
            return Said(f"{key} is no {kind.__name__}", f"{key} 不是 {kind.__name__}")
    return None
