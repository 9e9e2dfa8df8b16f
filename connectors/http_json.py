"""An HTTP API that gives JSON records, page by page.

Only the place's own scheme, host and port are reached; redirects are not followed. With a cursor, a pull asks for what
is new since the saved value less the overlap (`cursor_param`). A 304 to the first page means that nothing is new; since
an entity tag speaks for one response only, it is kept where the pull was one response, or the contract says that the
first page's tag covers the whole set (`etag_covers: set`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from connectors import base, options
from connectors.base import Delivery, Window
from connectors.cursors import Watermark, overlap_of, refuse_ahead, start_of
from connectors.errors import FileNotTaken, HttpUnavailable, ResponseInvalid
from connectors.files.root import Root
from connectors.files.root import shown as name_shown
from connectors.http.address import address_of, path_problem, shown
from connectors.http.client import Answer, Bounds, PlaceClient
from connectors.http.given import GivenResponse
from connectors.http.paging import Paging, Param, Step, Walk, at_path
from connectors.http.records import Number, Shape, parsed
from connectors.names import expected, names_of
from connectors.places import Place
from connectors.readers.paging import Pager
from contracts.header_form import header_form
from contracts.model import FeedContract, SourceSpec
from contracts.page import RawPage
from hub.said import Said, zh

Text = Annotated[str, Field(max_length=1_000)]


class HttpOptions(options.Options):
    """What a contract says of an API."""

    path: str = Field(max_length=1_000, description="Path under the place's base_url.")
    params: dict[Param, Text] = Field(default_factory=dict, description="Query parameters of every pull.")
    records: str = Field("", max_length=200, description="Dotted path of the list of records; empty: the document.")
    paging: Paging = Field(
        default_factory=lambda: Paging.model_validate({}), description="How further pages are asked for."
    )
    total: str | None = Field(None, max_length=200, description="Dotted path of the number of all records.")
    cursor_param: Param | None = Field(None, description="Query parameter that takes the cursor's value.")
    until_param: Param | None = Field(None, description="Query parameter that takes a backfill's end.")
    etag_covers: Literal["response", "set"] = Field("response", description="What the first page's tag speaks for.")
    timeout_seconds: float = Field(30, gt=0, le=600, description="Seconds between two pieces of a response.")
    total_seconds: float = Field(300, gt=0, le=3_600, description="Seconds for one response.")
    max_bytes: int = Field(64 * 1024 * 1024, ge=1_024, le=1024**3, description="Bytes of one response, unpacked.")
    attempts: int = Field(5, ge=1, le=20, description="How often one request is tried.")
    format: Literal["json"] = Field("json", description="Only to say it.")

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        problem = path_problem(value)
        if problem:
            raise ValueError(problem)
        return value


class Connector(base.Connector):
    """An HTTP API."""

    Options = HttpOptions

    def __init__(self, contract: FeedContract, source: SourceSpec, place: Place, *, page_rows: int) -> None:
        super().__init__(contract, source, place, page_rows=page_rows)
        self.options = options.read(HttpOptions, source)
        self.url = address_of(place, source.connector, self.options.path)
        self.overlap = overlap_of(source.id, contract.cursor_overlap)
        self.shape = Shape(expected(contract, source), (*contract.ignored, *source.ignored))

    def check(self) -> str:
        """Asks for the first page. Raises what a pull would raise."""
        with self.client() as client:
            walk = Walk(self.place, self.options.paging, Step(self.url, self.options.params))
            step = walk.first()
            answer = client.get(step.url, step.params, {})
            _, records = self.document(answer)
        return f"{shown(self.url)} answers {answer.status}, {len(records)} records on the first page"

    def deliveries(self, window: Window) -> Iterator[Delivery]:
        """One delivery where there are records; for a feed of snapshots also where there are none."""
        delivery = _Pull(self, window)
        try:
            worth = delivery.start()
        except BaseException:
            delivery.close()
            raise
        if worth:
            yield delivery
        else:
            delivery.close()

    def client(self) -> PlaceClient:
        """A client of the place, within the contract's bounds."""
        said = self.options
        return PlaceClient(self.place, Bounds(said.max_bytes, said.timeout_seconds, said.total_seconds, said.attempts))

    def document(self, answer: Answer) -> tuple[Any, list[Any]]:
        """(document, its records). Raises ResponseInvalid."""
        url = shown(answer.url)
        kind, _, rest = answer.headers.get("content-type", "").lower().partition(";")
        charset = rest.partition("charset=")[2].strip(' "')
        if not (kind.strip() == "application/json" or kind.strip().endswith("+json")) or charset not in ("", "utf-8"):
            raise ResponseInvalid(
                url=url,
                reason=Said(
                    f"its content type is {kind[:80] or 'not stated'} {charset[:40]}",
                    f"内容类型为 {kind[:80] or '未注明'} {charset[:40]}",
                ).strip(),
            )
        document = parsed(url, answer.body)
        return document, _records(self.options, url, document)

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
        """A response saved in a file, as if the source had just given it. Raises FileNotTaken."""
        said = options.read(HttpOptions, source)
        root = Root(place, source.connector)
        try:
            found = root.look(name)
        except FileNotFoundError:
            reason = Said(f"{name_shown(name)} is not there", f"{name_shown(name)} 不存在")
            raise FileNotTaken(connector=source.connector, source=source.id, reason=reason) from None
        return GivenResponse(
            source,
            root,
            found,
            records=lambda called, body: _records(said, called, parsed(called, body)),
            shape=Shape(expected(contract, source), (*contract.ignored, *source.ignored)),
            page_rows=page_rows,
            bound=said.max_bytes,
        )

    def question(self, window: Window) -> dict[str, str]:
        """The query of a pull's first page. Raises CursorUnusable."""
        said, params = self.options, dict(self.options.params)
        if window.backfill:
            for name, limit in ((said.cursor_param, window.interval_start), (said.until_param, window.interval_end)):
                if name is not None and limit is not None:
                    params[name] = limit.isoformat().replace("+00:00", "Z")
        elif said.cursor_param and self.contract.cursor and (window.cursor or {}).get("value"):
            saved = str((window.cursor or {})["value"])
            refuse_ahead(self.source.id, self.contract.field(self.contract.cursor), saved)
            params[said.cursor_param] = start_of(self.source.id, saved, self.overlap)
        return params


class _Pull(Delivery):
    """One pull of an API."""

    def __init__(self, connector: Connector, window: Window) -> None:
        super().__init__(name=f"GET {connector.options.path}", source=connector.source)
        self._connector, self._window = connector, window
        self._client = connector.client()
        self._saved = dict(window.cursor or {})
        contract = connector.contract
        self._watermark = (
            Watermark(connector.source.id, contract.field(contract.cursor)) if contract.cursor is not None else None
        )
        self._responses = 1

    def start(self) -> bool:
        """Reads the first page; whether there is anything to deliver."""
        connector, params = self._connector, self._connector.question(self._window)
        self._walk = Walk(connector.place, connector.options.paging, Step(connector.url, params))
        self._step = self._walk.first()
        self._question = _hashed(self._step)
        self._answer = self._client.get(self._step.url, self._step.params, self._conditions())
        if self._answer.status == 304:
            return False
        self._first_headers = self._answer.headers
        self._document, self._records = connector.document(self._answer)
        while not self._records and self._turn():
            pass  # an empty page may have a next one
        return bool(self._records) or connector.contract.completeness == "snapshot"

    def pages(self) -> Iterator[RawPage]:
        """Pages in the API's order; `raw` of a response's first page is its body. Raises what reading raises."""
        connector = self._connector
        digest, size, count = hashlib.sha256(), 0, 0
        ordinal, row = 0, 1
        more = bool(self._records)
        while more:
            answer, records = self._answer, self._records
            if records:
                digest.update(answer.body)
                size += len(answer.body)
                count += len(records)
                pager = Pager(f"{self.name} #{self._responses}", connector.page_rows, ordinal=ordinal, row=row)
                table, places, malformed = connector.shape.table(shown(answer.url), records)
                self._note_cursor(table)
                yield from pager.add(table, order=places, source_rows=places, malformed=malformed, raw=answer.body)
                yield from pager.finish()
                ordinal, row = pager.ordinal, pager.row
            more = self._turn()
        self._hold_total(self._document, count)
        self.sha256, self.size = digest.hexdigest(), size
        self.facts["responses"] = self._responses
        if not self._window.backfill:
            self.cursor_after = self._cursor_after(self._first_headers, single=self._responses == 1)

    def close(self) -> None:
        """Closes the connections. May be called twice."""
        self._client.close()

    def _turn(self) -> bool:
        """Reads the next page, where there is one."""
        following = self._walk.following(self._step, self._answer, self._document, len(self._records))
        if following is None:
            return False
        self._step, self._responses = following, self._responses + 1
        self._answer = self._client.get(following.url, following.params, {})
        if self._answer.status != 200:
            raise ResponseInvalid(
                url=shown(self._answer.url),
                reason=Said("304 to a question without conditions", "对不带条件的请求返回了 304"),
            )
        self._document, self._records = self._connector.document(self._answer)
        return True

    def _conditions(self) -> dict[str, str]:
        """If-None-Match and If-Modified-Since, where the same question was answered before."""
        if self._window.backfill or self._saved.get("question") != self._question:
            return {}
        names = {"etag": "If-None-Match", "last_modified": "If-Modified-Since"}
        return {header: str(self._saved[name]) for name, header in names.items() if self._saved.get(name)}

    def _note_cursor(self, table: Any) -> None:
        contract = self._connector.contract
        if self._watermark is None or contract.cursor is None or contract.cursor in self._connector.source.constants:
            return
        field = contract.field(contract.cursor)
        known = {header_form(name) for name in names_of(self._connector.source, field)}
        for name in table.column_names:
            if header_form(name) in known:
                self._watermark.note(table.column(name).to_pylist())

    def _cursor_after(self, headers: Mapping[str, str], *, single: bool) -> dict[str, Any] | None:
        cursor: dict[str, Any] = {}
        top = self._watermark.after(self._saved.get("value")) if self._watermark is not None else None
        if top is not None:
            cursor["value"] = top
        said = self._connector.options
        if said.etag_covers == "set" or (single and said.paging.style not in ("page", "offset")):
            found = {"etag": headers.get("etag"), "last_modified": headers.get("last-modified")}
            tags = {name: value for name, value in found.items() if value and len(value) <= 500}
            if tags:
                cursor |= {**tags, "question": self._question}
        return cursor or None

    def _hold_total(self, document: Any, count: int) -> None:
        path = self._connector.options.total
        if path is None:
            return
        total = at_path(document, path)
        if not isinstance(total, Number) or not total.isdigit():
            raise ResponseInvalid(
                url=shown(self._connector.url), reason=Said(f"`{path}` is no number of records", f"`{path}` 不是记录数")
            )
        if int(total) != count:
            reason = Said(
                f"it gave {count} records and speaks of {total}: they changed meanwhile",
                f"返回了 {count} 条记录，却声明有 {total} 条：数据在此期间发生了变化",
            )
            raise HttpUnavailable(url=shown(self._connector.url), reason=reason)


def _records(said: HttpOptions, url: str, document: Any) -> list[Any]:
    """The records of a document. Raises ResponseInvalid."""
    records = at_path(document, said.records)
    if not isinstance(records, list):
        where = f"`{said.records}`" if said.records else Said("the document", "文档")
        raise ResponseInvalid(url=url, reason=Said(f"{where} is no list of records", f"{zh(where)} 不是记录列表"))
    return records


def _hashed(step: Step) -> str:
    """What stands for the first request in the cursor: a hash, for its values may be personal."""
    asked = json.dumps([step.url, sorted(step.params.items())], ensure_ascii=False)
    return hashlib.sha256(asked.encode("utf-8")).hexdigest()
