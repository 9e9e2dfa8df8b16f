"""A sentence that should not have been sent, the feed that brings it, and where it lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from contracts.model import FeedContract, Sla, TopicSpec
from exchange.desk import dead_cases
from exchange.relay.serve import drain
from tests.warehouse.feeds import BY, contract
from warehouse import engine
from warehouse.tables import dead_letter

SENTENCE = "这句话本不应当送来 it-should-never-have-been-sent"


def feed(unique: str) -> FeedContract:
    return contract(topic=TopicSpec(f"hub.sample.t{unique}.v1", partitions=2), sla=Sla())


def relayed(one: FeedContract) -> None:
    (done,) = drain([one.topic.name], timeout=30)
    assert done.error is None


def sent_again(event_id: str, key: str, *, seq: int = 1, record: int = 0) -> None:
    """The event as a dead letter that a named person sends again: from then on it stands in the outbox itself."""
    with engine.transaction() as conn:
        (lane, topic), *_ = conn.exec_driver_sql("select lane, topic from hub.outbox order by lane, seq").all()
        values = {"event_id": event_id, "lane": lane, "seq": seq, "record": record, "topic": topic, "record_key": key}
        conn.execute(
            sa.insert(dead_letter).values(**values, code="MSG_SIZE_TOO_LARGE", reason="-", noted_at=sa.func.now())
        )
    assert dead_cases.replay([event_id], **BY) == [event_id]


def in_files(root: Path) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.is_file() and SENTENCE.encode() in path.read_bytes()]


def in_database(url: str) -> list[str]:
    """Tables with a row in which the sentence stands, bytes columns too."""
    hits = []
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain) as conn:
        names = conn.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema in ('hub', 'core', 'history') and table_type = 'BASE TABLE'"
        ).fetchall()
        for schema, table in names:
            records = conn.execute(f'select * from "{schema}"."{table}"').fetchall()
            if any(SENTENCE.encode() in _bytes(value) for record in records for value in record):
                hits.append(f"{schema}.{table}")
    return sorted(set(hits))


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)).encode()
