"""The envelope of an event: CloudEvents 1.0 in Kafka binary binding (content mode "binary").

The event's data is the message's value, its attributes are headers, its Kafka key is the subject that the
contract declares (in Chinese feeds the supervisee's USCC):

| header          | holds                                                                                    |
|-----------------|------------------------------------------------------------------------------------------|
| ce_specversion  | 1.0                                                                                      |
| ce_type         | `<area>.<thing>.<recorded|corrected|withdrawn>`                                          |
| ce_id           | `<feed>:<record key>:<revision>`, percent-escaped; the same event has the same id for ever |
| ce_source       | `/feeds/<feed>`                                                                          |
| ce_subject      | the record's key                                                                         |
| ce_time         | when the hub opened the delivery it came with, RFC 3339                                   |
| ce_dataschema   | `/contracts/<feed>/<version>`                                                            |
| content-type    | application/json                                                                         |

Revision and batch stand in ce_id and in the data; a header of their own would cost the relay 5 % of its time each.
A gap in a record key's revisions means an event that could not be sent.

Sources: CloudEvents 1.0.2, Kafka Protocol Binding for CloudEvents 1.0.2 §3.2 (header names, UTF-8 values).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from exchange.errors import EventMalformed
from hub.said import Said
from warehouse.changeset import CHANGES, ChangeSetFacts

SPEC = ("ce_specversion", b"1.0")
JSON = ("content-type", b"application/json")
REQUIRED = ("ce_specversion", "ce_type", "ce_id", "ce_source")

Header = tuple[str, bytes]
Headers = list[Header]

_BINARY = pa.binary()


class ChangeSetEnvelopes:
    """Makes the headers of a change set's events, a record batch at a time.

    What is the same for every event is one tuple, shared by all; only id and subject are made per event.
    """

    def __init__(self, facts: ChangeSetFacts) -> None:
        self._types = [("ce_type", f"{facts.ce_type}.{change}".encode()) for change in CHANGES]
        self._source = ("ce_source", f"/feeds/{facts.feed}".encode())
        self._time = ("ce_time", facts.time.encode())
        self._schema = ("ce_dataschema", f"/contracts/{facts.feed}/{facts.contract_version}".encode())

    def headers(self, events: pa.RecordBatch) -> list[Headers]:
        """One header list for each row of `events` (columns event_id, record_key, change), in order."""
        source, time, schema = self._source, self._time, self._schema
        ids = texts(events.column("event_id"))
        subjects = texts(events.column("record_key"))
        changes = dict(zip(CHANGES, self._types, strict=True))
        types, kinds = _few(events.column("change"), changes.__getitem__)
        return [
            [SPEC, types[kind], ("ce_id", id_), source, ("ce_subject", subject), time, schema, JSON]
            for id_, subject, kind in zip(ids, subjects, kinds, strict=True)
        ]


def texts(column: pa.Array) -> list[bytes]:
    """A string or binary column as Python bytes; strings as their UTF-8 (five times quicker than as str)."""
    if pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type):
        column = column.cast(pa.large_binary())
    else:
        column = column.cast(_BINARY)
    return column.to_pylist()  # type: ignore[no-any-return]


def event_headers(
    *, event_type: str, event_id: str, source: str, time: str, subject: str | None = None, **extensions: str
) -> Headers:
    """Headers of a single event; `extensions` are further attributes such as dataschema."""
    made = [SPEC, ("ce_type", event_type.encode()), ("ce_id", event_id.encode()), ("ce_source", source.encode())]
    if subject is not None:
        made.append(("ce_subject", subject.encode()))
    made.append(("ce_time", time.encode()))
    made += [(f"ce_{name}", value.encode()) for name, value in extensions.items()]
    return [*made, JSON]


def stored_headers(headers: Mapping[str, str]) -> Headers:
    """Headers of an event kept in the outbox (header name -> text), completed with what every event has."""
    made = {"ce_specversion": "1.0", "content-type": "application/json", **headers}
    return [(name, value.encode()) for name, value in made.items()]


@dataclass(frozen=True, slots=True)
class Event:
    """An event as a reader sees it."""

    type: str
    id: str
    source: str
    subject: str | None
    time: str | None
    dataschema: str | None
    extensions: Mapping[str, str]
    key: str | None
    data: Any
    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def revision(self) -> int | None:
        """The record's revision, the last part of the id, when the event is of a record."""
        text = self.id.rpartition(":")[2]
        return int(text) if self.source.startswith("/feeds/") and text.isdigit() else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form, attributes by their CloudEvents names."""
        made: dict[str, Any] = {"specversion": "1.0", "type": self.type, "id": self.id, "source": self.source}
        made |= {"subject": self.subject, "time": self.time, "dataschema": self.dataschema, **self.extensions}
        return made | {
            "key": self.key,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "data": self.data,
        }


def parse(
    *,
    topic: str,
    partition: int,
    offset: int,
    timestamp_ms: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]] | None,
) -> Event:
    """Reads a message as an event. Raises EventMalformed, which never quotes the message's content."""
    place = f"{topic}[{partition}]@{offset}"
    try:
        attributes = {name: (raw or b"").decode() for name, raw in headers or ()}
        data = None if value is None else json.loads(value)
        text_key = None if key is None else key.decode()
    except ValueError as error:
        raise EventMalformed(
            place=place,
            reason=Said(
                f"it is not UTF-8 and JSON ({type(error).__name__})", f"不是 UTF-8 的 JSON（{type(error).__name__}）"
            ),
        ) from None
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise EventMalformed(place=place, reason=Said(f"it lacks {', '.join(missing)}", f"缺少 {'、'.join(missing)}"))
    if attributes["ce_specversion"] != "1.0":
        raise EventMalformed(place=place, reason=Said("its specversion is not 1.0", "specversion 不是 1.0"))
    known = {"ce_specversion", "ce_type", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_dataschema"}
    return Event(
        type=attributes["ce_type"],
        id=attributes["ce_id"],
        source=attributes["ce_source"],
        subject=attributes.get("ce_subject"),
        time=attributes.get("ce_time"),
        dataschema=attributes.get("ce_dataschema"),
        extensions={n[3:]: v for n, v in attributes.items() if n.startswith("ce_") and n not in known},
        key=text_key,
        data=data,
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
    )


def _few(column: pa.Array, make: Any) -> tuple[Sequence[Header], list[int]]:
    """A column of few distinct texts as (header of each distinct one, index of each row)."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    return [make(text) for text in encoded.dictionary.to_pylist()], encoded.indices.to_pylist()
