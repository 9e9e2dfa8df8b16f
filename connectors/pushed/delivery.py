"""A pushed body as a delivery: read in the form that its sender names, where the contract takes that form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from io import BufferedReader
from typing import Any, get_args

from connectors import options
from connectors.base import Delivery
from connectors.errors import FileTooLarge
from connectors.names import expected
from connectors.push import Form, PushOptions
from connectors.pushed.body import Body, opened
from connectors.pushed.errors import CharsetNotTaken, FormNotTaken
from connectors.pushed.unpacking import Unpacked, packing
from connectors.readers.csv_pages import csv_pages
from connectors.readers.ndjson_pages import ndjson_pages
from connectors.readers.parquet_pages import parquet_pages
from connectors.readers.text import ENCODINGS, Readable
from connectors.readers.xlsx_pages import xlsx_pages
from contracts.model import FeedContract, SourceSpec
from contracts.page import RawPage
from hub.settings import settings

MEDIA_TYPES: Mapping[str, Form] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.apache.parquet": "parquet",
}
"""Media type -> form; the first one of a form is the one to be named."""
NAMES: Mapping[Form, str] = {
    form: next(name for name, one in MEDIA_TYPES.items() if one == form) for form in get_args(Form)
}
MAX_NAME = 200
_CHARSETS = {name.replace("-", "").replace("_", ""): name for name in ENCODINGS}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender says of a body."""

    media_type: str  # as it came, with parameters
    name: str | None = None
    encoding: str | None = None  # Content-Encoding
    facts: Mapping[str, Any] = field(default_factory=dict)


def delivery(contract: FeedContract, source: SourceSpec, body: Body, sent: Sent, *, page_rows: int) -> PushedDelivery:
    """The body as a delivery. Raises FormNotTaken, CharsetNotTaken, PackingNotTaken; its pages raise what their reader raises."""
    said = options.read(PushOptions, source)
    form = form_of(sent.media_type, said)
    return PushedDelivery(contract, source, body, sent, said=said, form=form, page_rows=page_rows)


def form_of(media_type: str, said: PushOptions) -> tuple[Form, str | None]:
    """The form that a media type names, and the encoding of its characters where it names one. Raises FormNotTaken, CharsetNotTaken."""
    parsed = Message()
    parsed["content-type"] = media_type[:200].replace("\r", " ").replace("\n", " ")
    form = MEDIA_TYPES.get(parsed.get_content_type()) if media_type.strip() else None
    if form is None or form not in said.forms:
        accepted = ", ".join(NAMES[one] for one in said.forms)
        raise FormNotTaken(media_type=shown(media_type, 60) or "-", accepted=accepted)
    charset = parsed.get_param("charset")
    if not isinstance(charset, str):
        return form, None
    known = _CHARSETS.get(charset.strip().lower().replace("-", "").replace("_", ""))
    taken = {"ndjson": ("utf-8",), "csv": ENCODINGS, "tsv": ENCODINGS}.get(form, ())
    if known is None or known not in taken:
        raise CharsetNotTaken(charset=shown(charset, 40), form=form, accepted=", ".join(taken) or "-")
    return form, known


def shown(text: str, most: int) -> str:
    """A sender's text as a bounded line without characters that nobody sees."""
    visible = "".join(sign if unicodedata.category(sign)[0] != "C" else " " for sign in text)
    return " ".join(visible.split())[:most]


class PushedDelivery(Delivery):
    """One body."""

    def __init__(
        self,
        contract: FeedContract,
        source: SourceSpec,
        body: Body,
        sent: Sent,
        *,
        said: PushOptions,
        form: tuple[Form, str | None],
        page_rows: int,
    ) -> None:
        name = (
            shown((sent.name or "").replace("\\", "/").rpartition("/")[2], MAX_NAME).lstrip(". ") or f"{form[0]} body"
        )
        super().__init__(name=name, source=source, sha256=body.sha256, size=body.size, facts=dict(sent.facts))
        self.one_frame = form[0] in ("csv", "tsv", "parquet")
        self._body, self._sent, self._said, (self._form, self._charset) = body, sent, said, form
        self._packing = packing(sent.encoding)
        self._fields, self._page_rows = expected(contract, source), page_rows

    @property
    def as_it_came(self) -> bool:
        """It is kept as it came, packed or not."""
        return True

    def pages(self) -> Iterator[RawPage]:
        """Pages of the body."""
        raw: Readable = opened(self._body)
        if self._packing is not None:
            raw = Unpacked(raw, self._packing, self.name, self.around)
        match self._form:
            case "ndjson":
                return ndjson_pages(raw, self.name, self._fields, self._page_rows)
            case "xlsx":
                whole, form = self._whole(raw), self._said.workbook()
                return xlsx_pages(whole, self.name, form, self._fields, self._page_rows, around=self.around)
            case "parquet":
                return parquet_pages(self._whole(raw), self.name, self._page_rows, around=self.around)
            case _:
                written = self._said.csv(tabbed=self._form == "tsv", encoding=self._charset)
                return csv_pages(raw, self.name, written, self._fields, self._page_rows, around=self.around)

    def opened(self) -> BufferedReader:
        """The body from its beginning."""
        return opened(self._body)

    def close(self) -> None:
        """Nothing: whoever made the body gives its room back."""

    def _whole(self, raw: Readable) -> bytes:
        """All of it in memory. Raises FileTooLarge."""
        bound, parts, size = settings().max_xlsx_bytes, [], 0
        while block := raw.read(1 << 20):
            size += len(block)
            if size > bound:
                raise FileTooLarge(file=self.name, size=size, bound=bound, setting="HUB_MAX_XLSX_BYTES")
            parts.append(block)
        return b"".join(parts)
