"""A response given by hand: a JSON document in a file, as a delivery of the HTTP source that would have answered it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from connectors.errors import FileTooLarge
from connectors.files.delivery import FileDelivery
from connectors.files.root import Found, Root
from connectors.files.tee import TeeFile
from connectors.http.records import Shape
from connectors.readers.csv_pages import CsvForm
from connectors.readers.paging import Pager
from contracts.model import SourceSpec
from contracts.page import RawPage

Records = Callable[[str, bytes], list[Any]]
"""(what to call it, its bytes) -> the document's records."""


class GivenResponse(FileDelivery):
    """One document. It moves no cursor: what a person gives says nothing of how far the source was read."""

    def __init__(
        self,
        source: SourceSpec,
        root: Root,
        found: Found,
        *,
        records: Records,
        shape: Shape,
        page_rows: int,
        bound: int,
    ) -> None:
        super().__init__(source, root, found, CsvForm, fields={}, page_rows=page_rows)
        self._records, self._shape, self._rows, self._most = records, shape, page_rows, bound

    def _read(self, tee: TeeFile) -> Iterator[RawPage]:
        if tee.found.size > self._most:
            raise FileTooLarge(file=self.name, size=tee.found.size, bound=self._most, setting="max_bytes")
        self.one_frame = True
        body = b"".join(iter(lambda: tee.read(1 << 20), b""))
        # What stands beside the records nobody looks at: their rows are kept, the document is not.
        self.around.unseen.append("what stands beside the records")
        table, places, malformed = self._shape.table(self.name, self._records(self.name, body))
        pager = Pager(self.name, self._rows)
        yield from pager.add(table, order=places, source_rows=places, malformed=malformed)
        yield from pager.finish()
