"""SDMX-CSV 1.0 and 2.0 files in a drop folder, checked against the structure message that lies under the same root.

The rules of when a file is taken are those of `file_drop`. What the message says of itself and how it is judged stands
in `connectors.sdmx.message`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator

from connectors import file_drop
from connectors.base import Delivery
from connectors.errors import FileReplaced, OptionsInvalid
from connectors.files.delivery import FileDelivery
from connectors.files.root import Found, Root, pattern_problem
from connectors.names import expected
from connectors.places import Place
from connectors.readers.csv_pages import CsvForm
from connectors.readers.text import TextSource
from connectors.sdmx.errors import StructureUnreadable
from connectors.sdmx.message import Message, Opening, opening
from connectors.sdmx.structure import MAX_BYTES, Structure, read_structure
from contracts.model import FeedContract, SourceSpec
from contracts.page import RawPage
from hub.said import Said

_HEAD = 64 * 1024


class SdmxOptions(file_drop.FileOptions):
    """What a contract says of SDMX-CSV files; delimiter and header are the message's own."""

    format: Literal["auto", "csv"] = Field("auto", description="Only CSV.")
    structure: str | None = Field(
        None, description="Structure message under the place's root; default: the contract's `hub.structure`."
    )
    dsd: str | None = Field(None, description="AGENCY:ID(VERSION), where the message defines several structures.")

    @field_validator("structure")
    @classmethod
    def _under_root(cls, value: str | None) -> str | None:
        problem = pattern_problem(value) if value is not None else None
        if problem:
            raise ValueError(problem)
        return value


class Connector(file_drop.Connector):
    """SDMX-CSV messages dropped under a root."""

    Options = SdmxOptions

    def __init__(self, contract: FeedContract, source: SourceSpec, place: Place, *, page_rows: int) -> None:
        super().__init__(contract, source, place, page_rows=page_rows)
        assert isinstance(self.options, SdmxOptions)
        self._structure_file = self.options.structure or contract.structure
        self._dsd = self.options.dsd
        if self._structure_file is not None and pattern_problem(self._structure_file):
            problem = f"hub.structure: {pattern_problem(self._structure_file)}"
            raise OptionsInvalid(source=source.id, connector=source.connector, problems=problem)

    @cached_property
    def structure(self) -> tuple[Structure, str] | None:
        """The structure and the SHA-256 of its file; None where the contract names none. Raises StructureUnreadable.

        For a message given by hand it is still that of the source's own place, where the operator listed one.
        """
        name = self._structure_file
        if name is None:
            return None
        root = Root(self.home, self.source.connector) if self.home and self.home.root else self.root
        try:
            content = root.read(name, MAX_BYTES)
        except FileNotFoundError:
            reason = Said(f"it is not under the root of {root.place.id}", f"不在 {root.place.id} 的根目录下")
            raise StructureUnreadable(file=name, reason=reason) from None
        return read_structure(name, content, self._dsd), hashlib.sha256(content).hexdigest()

    def check(self) -> str:
        """Lists the root and reads the structure. Raises PlaceIncomplete, StructureUnreadable."""
        found = super().check()
        if self.structure is None:
            return f"{found}; no structure is named, so columns and codes are not checked"
        structure, _ = self.structure
        return f"{found}; structure {structure.id} with {len(structure.dimensions)} dimensions, {len(structure.codes)} code lists"

    def delivery(self, found: Found, cursor: dict[str, Any] | None = None) -> FileDelivery:
        """One message as a delivery."""
        made = super().delivery(found, cursor)
        made.transform(lambda pages, delivery: self._transformed(found, pages, delivery))
        return made

    def form(self, found: Found) -> CsvForm:
        """The header row is the first; the delimiter stands behind the first header cell."""
        quote = None if self.options.quote == "none" else self.options.quote
        return CsvForm(encoding=self.options.encoding, delimiter=self._opening(found).delimiter, quote=quote)

    def _opening(self, found: Found) -> Opening:
        try:
            start = self.root.read(found.raw, _HEAD)
        except FileNotFoundError:
            raise FileReplaced(file=found.name) from None
        head = _Once(start.rpartition(b"\n")[0] + b"\n")
        return opening(found.name, TextSource(head, found.name, self.options.encoding).read().decode("utf-8"))

    def _transformed(self, found: Found, pages: Iterator[RawPage], delivery: Delivery) -> Iterator[RawPage]:
        fields = expected(self.contract, self.source)
        known = {name for names in fields.values() for name in names}
        known |= {*self.contract.ignored, *self.source.ignored}
        structure = self.structure
        taken = {field: names for field, names in fields.items() if field not in self.contract.key}
        held = structure[0] if structure else None
        message = Message(delivery.name, self._opening(found), held, sorted(known), taken)
        delivery.facts["sdmx"] = message.facts
        if structure is not None:
            message.facts["structure"], message.facts["structure_sha256"] = structure[0].id, structure[1]
        yield from message.pages(pages)


class _Once:
    """Bytes that are read once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int, /) -> bytes:
        data, self._data = self._data, b""
        return data
