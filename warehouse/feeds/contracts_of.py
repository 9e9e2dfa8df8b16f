"""The contract under which a batch is worked on: the version it was checked under, as the registry keeps it."""

from __future__ import annotations

import sqlalchemy as sa

from contracts.model import FeedContract
from warehouse.batches import Batch
from warehouse.errors import BatchContractGone
from warehouse.feeds import registry


def contract_of(conn: sa.Connection, batch: Batch) -> FeedContract:
    """The contract version named in the batch's row. Raises BatchContractGone where it can't be read any more."""
    try:
        with conn.begin():
            return registry.recorded(conn, batch.feed, batch.contract_sha256)
    except (KeyError, TypeError, ValueError) as error:
        raise BatchContractGone(
            batch=batch.batch_id,
            feed=batch.feed,
            version=batch.contract_version,
            reason=f"{type(error).__name__}: {error}",
        ) from error
