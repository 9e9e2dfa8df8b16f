"""A feed's current state as Parquet, with the topic positions from which a reader goes on.

    the topic's ends  →  one moment of the database, read whole  →  files

In this order, and no lock is needed: an event is sent after the commit that made it, so whatever lies before the ends was
committed before the database is read, and is in the state. What lies after them is in the state already (it was sent, or
committed, meanwhile) or not: a reader tells the two by revision. So nothing is missed while loads and the relay run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from contracts.model import FeedContract
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.errors import SnapshotTargetTaken
from exchange.relay import status
from hub import clock
from hub.errors import HubError
from hub.said import Said
from hub.settings import Settings
from warehouse.engine import engine, translated
from warehouse.feeds import current
from warehouse.outbox import lane_of

RECORDS = "records.parquet"
ABOUT = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a topic ended before the database was read: the first offset to read of each partition."""

    cluster: str
    topic: str
    topic_uuid: str | None  # None: not made yet, so it is read from its start
    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was written."""

    folder: str
    feed: str
    contract: str
    publish: str
    taken_at: str  # RFC 3339
    positions: Positions
    records: int  # that hold
    withdrawn: int  # rows that only say that a record was withdrawn
    emptied: int  # part of records: content past its retention
    sha256: str  # of the Parquet file

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; what stands in snapshot.json, and the folder."""
        made = asdict(self)
        made["positions"]["offsets"] = {str(number): offset for number, offset in self.positions.offsets.items()}
        return made


def take(contract: FeedContract, to: Path, now: Settings) -> Snapshot:
    """Writes RECORDS and ABOUT to the folder `to`, which appears whole, readable by its owner alone, or not at all.

    Raises SnapshotTargetTaken, NothingLoaded, TableMismatch; what stopped the feed's lane, where it stands still: the
    database may then be behind its topic. BrokerUnreachable, DatabaseUnavailable.
    """
    if to.exists():
        raise SnapshotTargetTaken(folder=to, reason=Said("it exists", "已存在"))
    if not to.absolute().parent.is_dir():
        raise SnapshotTargetTaken(folder=to, reason=Said("its parent folder does not exist", "上级文件夹不存在"))
    taken_at = clock.now()
    with Cluster(now) as cluster:
        _sound(contract, cluster)
        # First of all: see above. Nothing of the database is read between here and the moment that is kept.
        where = positions(contract, cluster)
    beside = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.absolute().parent))
    try:
        records, withdrawn, emptied = _state(contract, beside / RECORDS)
        made = Snapshot(
            str(to),
            contract.id,
            contract.version,
            contract.publish,
            taken_at.isoformat(),
            where,
            records,
            withdrawn,
            emptied,
            _sha256(beside / RECORDS),
        )
        about = {name: value for name, value in made.as_dict().items() if name != "folder"}
        _write(beside / ABOUT, json.dumps(about, ensure_ascii=False, indent=2).encode())
        _sync(beside)
        beside.rename(to)
        _sync(to.absolute().parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return made


def positions(contract: FeedContract, cluster: Cluster) -> Positions:
    """The ends of the feed's topic as a read_committed reader sees them."""
    name = contract.topic.name
    found = cluster.topics([name]).get(name)
    if found is None:
        return Positions(cluster.cluster_id(), name, None, dict.fromkeys(range(contract.topic.partitions), 0))
    with open_reader(cluster.settings, "hub.snapshot") as reader:
        ends = {number: reader.ends(name, number)[1] for number in reader.partitions(name)}
    return Positions(cluster.cluster_id(), name, found.uuid, ends)


def _sound(contract: FeedContract, cluster: Cluster) -> None:
    """Raises what an operator must settle first: a database restored from a backup is behind what its topic holds."""
    with translated(), engine().connect() as conn:
        try:
            lane = lane_of(conn, contract.topic.name)
        except KeyError:
            return
    for one in status.lanes(cluster):
        if one.lane == lane and isinstance(one.error, HubError):
            raise one.error


def _state(contract: FeedContract, to: Path) -> tuple[int, int, int]:
    """Writes the state as it is in one moment from here on; returns records, withdrawn, emptied."""
    rows = withdrawn = emptied = 0
    with (
        translated(),
        engine().connect().execution_options(isolation_level="REPEATABLE READ") as conn,
        conn.begin(),
    ):
        conn.execute(sa.text("set transaction read only"))
        with to.open("xb") as file:
            to.chmod(0o600)
            with pq.ParquetWriter(file, current.schema(contract), compression="zstd") as writer:
                for page in current.pages(conn, contract):
                    writer.write_table(page)
                    rows += page.num_rows
                    withdrawn += pc.sum(page.column("hub_withdrawn")).as_py() or 0
                    emptied += pc.sum(page.column("hub_emptied")).as_py() or 0
            file.flush()
            os.fsync(file.fileno())
    return rows - withdrawn, withdrawn, emptied


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        path.chmod(0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
