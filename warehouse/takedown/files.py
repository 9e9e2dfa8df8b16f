"""The files of a takedown: pages are written anew without the record, whole deliveries and pages of Data Docs that hold it go.

Each file keeps its path, is whole at any moment, and doing it twice gives the same file; the database is told its new hash after
it, so a takedown that ended half-way is simply done again.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from hub.ids import BatchId, FeedId
from hub.settings import settings
from warehouse.engine import lock_transaction
from warehouse.landing import pages as landing
from warehouse.store import Store, ipc_options
from warehouse.tables import landed_object

SHORTEST = 4
"""Characters of a value for which pages about a batch are searched; shorter ones stand everywhere."""


def values_of(place: Store, paths: Iterable[str], rows: set[int]) -> set[str]:
    """What stood in these rows of landed pages: only ever compared, never kept."""
    found: set[str] = set()
    for path in paths:
        raw = landing.read_rows(place, path, pa.array(sorted(rows), pa.int64()).to_numpy())
        for text in raw.column("_raw").to_pylist():
            found |= {value for value in json.loads(text).values() if value and len(value) >= SHORTEST}
    return found


def cut_landed(conn: sa.Connection, place: Store, batch_id: BatchId, rows: set[int]) -> int:
    """Writes a batch's pages and row hashes anew without these rows, and removes the delivery as it came. In a transaction.

    Returns how many files were written anew or removed.
    """
    columns = landed_object.c
    kept = columns.batch_id == batch_id, columns.purged_at.is_(None)
    count = 0
    for one in conn.execute(sa.select(landed_object).where(*kept).order_by(columns.kind, columns.ordinal)).all():
        if one.kind == "original":
            # The same bytes may be kept for other batches of the same delivery: none of them may hold the record.
            lock_transaction(conn, "original", str(one.path).rpartition("/")[2])
            place.delete(one.path)
            gone = columns.path == one.path, columns.purged_at.is_(None)
            conn.execute(sa.update(landed_object).where(*gone).values(purged_at=sa.func.now()))
            count += 1
        elif one.kind in ("rows", "hashes"):
            sha256, size, left, cut = _without(place, one.path, rows)
            mine = columns.batch_id == batch_id, columns.kind == one.kind, columns.ordinal == one.ordinal
            conn.execute(sa.update(landed_object).where(*mine).values(sha256=sha256, bytes=size, rows=left))
            count += cut
    return count


def _without(place: Store, path: str, rows: set[int]) -> tuple[str, int, int, bool]:
    """(SHA-256, bytes, rows, whether it was written anew) of a page or of row hashes without these rows."""
    with pa.OSFile(str(place.existing(path))) as source:
        table = pa.ipc.open_file(source).read_all()
    named = pc.is_in(table.column("_row"), pa.array(sorted(rows), pa.int64()))
    cut = bool(pc.any(named).as_py())
    if cut:
        table = table.filter(pc.invert(named)).combine_chunks()
        with place.writer(path) as file, pa.ipc.new_file(file, table.schema, options=ipc_options()) as ipc:
            ipc.write_table(table)
    data = place.read(path)
    return hashlib.sha256(data).hexdigest(), len(data), table.num_rows, cut


def drop_documents(feed: FeedId, batch_id: BatchId, values: set[str]) -> bool:
    """Removes a batch's page of Data Docs where a value of the record stands in it; whether it did."""
    page = settings().data_docs_dir / feed / f"{batch_id}.html"
    try:
        text = page.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    if any(value in text or html.escape(value) in text for value in values):
        page.unlink(missing_ok=True)
        return True
    return False
