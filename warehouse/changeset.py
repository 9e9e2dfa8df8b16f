"""Change sets: the immutable, ordered files that an outbox entry points at (a claim check).

An Arrow IPC file. Columns, one row an event, in the order of the delivery's rows:
  key string (Kafka key: the subject) · event_id string ("<feed>:<record key>:<revision>", percent-escaped) ·
  record_key string · revision int32 · change dictionary<int8, string> (recorded corrected withdrawn) ·
  data large_binary (the event's JSON, the exact bytes to send)
Schema metadata (`ChangeSetFacts`): feed, contract_version, topic, batch, part, ce_type (what comes before
".<change>" in the CloudEvents type), time (RFC 3339, the same for every event of the batch).
Every record batch but the last holds exactly `RECORDS_PER_BATCH` events, so that event i stands in batch
i // RECORDS_PER_BATCH and a reader that goes on in the middle reads nothing before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.assembly import RowBytes
from warehouse.store import HashingFile, Store, ipc_options

RECORDS_PER_BATCH = 2_048

CHANGES = ("recorded", "corrected", "withdrawn")

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("event_id", pa.string()),
        ("record_key", pa.string()),
        ("revision", pa.int32()),
        ("change", pa.dictionary(pa.int8(), pa.string())),
        ("data", pa.large_binary()),
    ]
)

_PREFIX = b"hub."


@dataclass(frozen=True, slots=True)
class ChangeSetFacts:
    """What a change set is of. All text, as it stands in the file's metadata."""

    feed: str
    contract_version: str
    topic: str
    batch: str
    part: str
    ce_type: str  # e.g. "finance.payments"; the event's type is ce_type + "." + change
    time: str  # RFC 3339


def event_type(topic: str) -> str:
    """The CloudEvents type without its participle, from the topic's name: hub.<area>.<thing>[…].v<n> -> <area>.<thing>[…]."""
    return re.sub(r"\.v\d+$", "", topic.removeprefix("hub."))


def changes(words: pa.StringArray) -> pa.DictionaryArray:
    """The column `change`. Always the same dictionary: a file has one."""
    numbers = pc.index_in(words, value_set=pa.array(CHANGES)).cast(pa.int8())
    return pa.DictionaryArray.from_arrays(numbers, pa.array(CHANGES))


def event_ids(feed: str, record_keys: pa.Array, revisions: pa.Array) -> pa.Array:
    """Deterministic event ids; `%`, `:` and control characters of a record key are percent-escaped."""
    if pc.any(pc.match_substring_regex(record_keys, r"[%:\x00-\x20\x7f]")).as_py():
        record_keys = pa.array([_escaped(key) for key in record_keys.to_pylist()], pa.string())
    return pc.binary_join_element_wise(pa.scalar(feed), record_keys, revisions.cast(pa.string()), ":")


@dataclass(frozen=True, slots=True)
class Events:
    """Events to be written: their columns of SCHEMA without `data`, and the data, made when it is written."""

    facts: pa.Table
    data: RowBytes

    @classmethod
    def of(cls, table: pa.Table) -> Events:
        """From a table with the columns of SCHEMA."""
        data = table.column("data").combine_chunks()
        return cls(table.drop_columns("data"), RowBytes(table.num_rows).column(data))

    @classmethod
    def in_order(cls, parts: Sequence[Events], order: np.ndarray[Any, np.dtype[np.intp]]) -> Events:
        """Events of several makings as one, in the given order of all of them."""
        data = [piece.cast(pa.large_binary()) for part in parts for piece in part.data.slices(RECORDS_PER_BATCH)]
        whole = pa.chunked_array(data, pa.large_binary()).take(pa.array(order)).combine_chunks()
        facts = pa.concat_tables([part.facts for part in parts]).combine_chunks().take(pa.array(order))
        return cls(facts.combine_chunks(), RowBytes(len(order)).column(whole))


class ChangeSetWriter(AbstractContextManager["ChangeSetWriter"]):
    """Writes one change set. It appears in the store, whole and fsynced, when the block ends well.

    After the block: `sha256`, `bytes`, `records`.
    """

    def __init__(self, store: Store, path: str, facts: ChangeSetFacts) -> None:
        self.path = path
        self.records = 0
        self._place = store.writer(path)
        metadata = {_PREFIX + name.encode(): value.encode() for name, value in asdict(facts).items()}
        self._schema = SCHEMA.with_metadata(metadata)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    def __enter__(self) -> ChangeSetWriter:
        self._file: HashingFile = self._place.__enter__()
        self._ipc = pa.ipc.new_file(self._file, self._schema, options=ipc_options())
        return self

    def write(self, events: Events) -> None:
        """Appends events, in order."""
        start = 0
        while start < events.data.rows:
            count = RECORDS_PER_BATCH - self._waiting_rows
            facts = events.facts.slice(start, count).combine_chunks()
            data = events.data.slice(start, count).cast(pa.large_binary())
            some = facts.append_column("data", data).cast(SCHEMA)
            self._waiting.append(some)
            self._waiting_rows += some.num_rows
            start += some.num_rows
            if self._waiting_rows == RECORDS_PER_BATCH:
                self._flush()
        self.records += events.data.rows

    def _flush(self) -> None:
        if self._waiting_rows:
            rows = pa.concat_tables(self._waiting).combine_chunks()
            self._ipc.write_table(rows.replace_schema_metadata(self._schema.metadata))
        self._waiting, self._waiting_rows = [], 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self._ipc.close()
        self._place.__exit__(kind, error, trace)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file."""
        return self._file.sha256

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self._file.size


class ChangeSet:
    """A change set to read, from any event on."""

    def __init__(self, store: Store, path: str) -> None:
        self.path = path
        # Read, not mapped: a mapped file would count as this process's memory until it is closed.
        self._source = pa.OSFile(str(store.existing(path)))
        self._reader: Any = pa.ipc.open_file(self._source)
        metadata = self._reader.schema.metadata or {}
        self.facts = ChangeSetFacts(
            **{
                name.removeprefix(_PREFIX).decode(): value.decode()
                for name, value in metadata.items()
                if name.startswith(_PREFIX)
            }
        )
        count = self._reader.num_record_batches
        last = self._reader.get_batch(count - 1).num_rows if count else 0
        self.records = max(0, count - 1) * RECORDS_PER_BATCH + last

    def batches(self, start: int = 0) -> Iterator[pa.RecordBatch]:
        """Events from number `start` (0-based) on, in record batches of at most RECORDS_PER_BATCH."""
        first, offset = divmod(start, RECORDS_PER_BATCH)
        for number in range(first, self._reader.num_record_batches):
            batch = self._reader.get_batch(number)
            yield batch.slice(offset) if number == first and offset else batch

    def position_of(self, record_key: str) -> list[tuple[int, int, str]]:
        """(event number, revision, change) of every event of a record key."""
        found: list[tuple[int, int, str]] = []
        for number, batch in enumerate(self.batches()):
            hits = pc.indices_nonzero(pc.equal(batch.column("record_key"), record_key)).to_pylist()
            found += [
                (
                    number * RECORDS_PER_BATCH + hit,
                    batch.column("revision")[hit].as_py(),
                    batch.column("change")[hit].as_py(),
                )
                for hit in hits
            ]
        return found

    def close(self) -> None:
        """Gives the file back."""
        self._source.close()

    def __enter__(self) -> ChangeSet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _escaped(key: str) -> str:
    return re.sub(r"[%:\x00-\x20\x7f]", lambda match: f"%{ord(match[0]):02X}", key)
