"""The JSON of a feed's events, encoded column by column: the exact bytes that go on the topic.

{"feed","contract","key","revision","change","batch","row","record_hash","record":{…}}. In a record every published
field stands, null where it has no value; decimals are strings, integers numbers, dates ISO 8601, instants RFC 3339
in UTC with Z. A withdrawal has no record. `moved_to` and `moved_from` link the two events of a record whose subject
changed. A reference event has no record either, but `ask`: the path at which a reader with the right asks for it.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FeedContract
from contracts.normalise.assembly import Fragment, RowBytes
from hub.ids import BatchId
from warehouse.arrow.columns import flat, json_escaped, json_quoted
from warehouse.arrow.fields import Column, Fields

_BARE = ("integer", "boolean")


class EventEncoder:
    """Encodes the events of one batch."""

    def __init__(self, contract: FeedContract, batch_id: BatchId) -> None:
        self._contract = contract
        head = {"feed": contract.id, "contract": contract.version}
        self._head = json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"key":"'
        self._batch = f'","batch":{json.dumps(batch_id)},"row":'
        self._ask = f'","ask":"{_records(contract)}'

    def encode(self, events: pa.Table, record: Fields | None) -> RowBytes:
        """One JSON document a row.

        `events`: record_key string, revision int32, change string, row int64 or null, hash string (hex), and where
        any row has one moved_to, moved_from (string or null). `record`: the rows' fields; None for withdrawals.
        """
        row = flat(events.column("row")).cast(pa.string())
        made = RowBytes(events.num_rows).word(self._head.encode())
        made.column(json_escaped(flat(events.column("record_key")))).word(b'","revision":')
        made.column(flat(events.column("revision")).cast(pa.string())).word(b',"change":"')
        made.column(flat(events.column("change")).cast(pa.string())).word(self._batch.encode())
        made.column(row.fill_null("null") if row.null_count else row).word(b',"record_hash":"')
        made.column(flat(events.column("hash")))
        if self._contract.publish == "reference":
            keys = [quote(key, safe="") for key in flat(events.column("record_key")).to_pylist()]
            made.word(self._ask.encode()).column(pa.array(keys, pa.string()))
        made.word(b'"')
        for name in ("moved_to", "moved_from"):
            if name in events.column_names and events.column(name).null_count < events.num_rows:
                made.column(_optional(name, flat(events.column(name))))
        if record is not None and self._contract.publish == "full":
            self._record(made, record)
        return made.word(b"}")

    def _record(self, made: RowBytes, record: Fields) -> None:
        published = [column.spec.name for column in record.columns if column.spec.published]
        fragments = [
            _member(column, first=column.spec.name == published[0]) if column.spec.published else None
            for column in record.columns
        ]
        made.word(b',"record":{').columns(record.groups, fragments).word(b"}")


def ask(contract: FeedContract, key: str) -> str:
    """The path at which a reader with the right asks for a record of a feed that publishes references."""
    return f"{_records(contract)}{quote(key, safe='')}"


def _records(contract: FeedContract) -> str:
    return f"/v1/feeds/{quote(contract.id)}/records/"


def _member(column: Column, *, first: bool) -> Fragment:
    """A field as a member of the record."""
    spec, texts = column.spec, column.texts
    name = (("" if first else ",") + json.dumps(spec.name) + ":").encode()
    if column.codes is not None:
        texts = pa.concat_arrays([texts, pa.nulls(1, texts.type)])
    if spec.type in _BARE:
        return Fragment((texts.fill_null("null"),), before=name)
    if texts.null_count:
        return Fragment((json_quoted(texts),), before=name)
    # No null: the quotation marks go with the names, which saves a pass.
    return Fragment((json_escaped(texts) if spec.type == "string" else texts,), before=name + b'"', after=b'"')


def _optional(name: str, column: pa.StringArray) -> pa.StringArray:
    member = pc.binary_join_element_wise(pa.scalar(f',"{name}":"'), json_escaped(column), pa.scalar('"'), "")
    return member.fill_null("")
