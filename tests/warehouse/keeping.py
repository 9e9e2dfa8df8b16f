"""Days of each layer, and upkeep on a day to come."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contracts.lint.promises import LAYERS
from contracts.model import FeedContract, Sla
from hub import clock
from hub.ids import BatchId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop
from warehouse import engine, way
from warehouse.upkeep import UpkeepOutcome, upkeep

LONG = dict.fromkeys(LAYERS, 10_000)


def kept(days: Mapping[str, int], **more: Any) -> FeedContract:
    return contract(sla=Sla(retention_days={**LONG, **days}), **more)


NOTHING = UpkeepOutcome(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def after(days: float, one: FeedContract, *others: FeedContract) -> UpkeepOutcome:
    with clock.at(datetime.now(UTC) + timedelta(days=days)):
        return upkeep([one, *others])


def run(hub: Hub, name: str, lines: list[list[str]], one: FeedContract | None = None) -> BatchId:
    drop(hub.drop, name, lines)
    return way.run_feed(one or contract())[0].batch_id


def publish() -> None:
    execute("update hub.outbox set published_at = now() where published_at is null")


def execute(statement: str, **values: object) -> None:
    with engine.transaction() as conn:
        conn.execute(sa.text(statement), values)


def age(path: Path, days: float = 2) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
