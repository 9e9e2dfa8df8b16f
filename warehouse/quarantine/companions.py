"""The rows that a corrected one takes along: a group that is judged by its sum goes the way again as a whole.

Without them the corrected row would be judged alone, be quarantined again in the batch of its replay, and no replay
could bring it together with the rest of its group any more.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from contracts.checks.groups import companions, rules_of
from contracts.model import FeedContract
from hub.errors import AgencyError
from warehouse.batches import Batch
from warehouse.checking.checkers import checker_for
from warehouse.quarantine.replay_source import Chosen, QuarantineDelivery
from warehouse.tables import quarantine


def of_fixed(conn: sa.Connection, contract: FeedContract, parent: Batch, *, page_rows: int) -> tuple[int, ...]:
    """Numbers of a batch's open rows that stand in one group with a corrected row, as corrected.

    `conn` has no transaction open. None where the contract can't read the columns: the replay itself says so.
    """
    rules = rules_of(contract)
    if not rules:
        return ()
    query = sa.select(quarantine.c.row_no).where(Chosen(("fixed",)).of(parent.batch_id))
    with conn.begin():
        fixed = np.array(conn.scalars(query).all(), dtype=np.int64)
    source = contract.source(parent.source)
    checker = checker_for(contract, source)
    numbers, groups = [], []
    try:
        for page in QuarantineDelivery(conn, parent, source, Chosen(("fixed", "open")), page_rows=page_rows).pages():
            if page.table.num_columns:  # malformed rows stand in no group
                numbers.append(page.rows.to_numpy())
                groups.append(checker.groups(page))
    except AgencyError:
        return ()
    if not numbers:
        return ()
    rows = np.concatenate(numbers)
    chosen = np.isin(rows, fixed)
    found = companions(rules, pa.concat_tables(groups).combine_chunks(), chosen)
    return tuple(rows[found & ~chosen].tolist())
