"""A record whose content retention took, and that its source says again as it was: it gets its content back.

That is no news: the content is that of the revision which consumers have, so the revision stays, nothing is published,
and the row counts as unchanged. Its days count anew from this load.
"""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from warehouse.arrow.copying import copy_in_binary
from warehouse.engine import driver
from warehouse.feeds.tables import CORE
from warehouse.loading.encode import contents

_TABLE = "page_contents"


def refill(conn: sa.Connection, contract: FeedContract, rows: pa.Table) -> None:
    """Gives emptied rows of the feed's table the content of these rows, whose hashes are theirs. In a transaction."""
    names = [spec.name for spec in contract.fields]
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in [*names, "hub_key"])
    place = {"core": sql.Identifier(CORE, contract.id), "given": sql.Identifier(_TABLE)}
    make = sql.SQL("create temporary table {given} on commit drop as select {columns} from {core} with no data")
    fill = sql.SQL("update {core} c set {filled}, hub_loaded_at = now() from {given} g where c.hub_key = g.hub_key")
    filled = sql.SQL(", ").join(sql.SQL("{0} = g.{0}").format(sql.Identifier(name)) for name in names)
    with driver(conn).cursor() as cursor:
        cursor.execute(sql.SQL("drop table if exists pg_temp.{given}").format(**place))  # of the page before
        cursor.execute(make.format(columns=columns, **place))
        copy_in_binary(conn, _TABLE, [*names, "hub_key"], contents(contract, rows))
        cursor.execute(fill.format(filled=filled, **place))
