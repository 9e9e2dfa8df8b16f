"""`hub topic lag`: how far behind its readers are."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.brokers import topics
from exchange.brokers.cluster import Cluster
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.commands.subscribers.documents import unknown
from exchange.subscribers import lag as lags
from hub.output import AsJson, emit_rows
from warehouse.engine import connection


def lag(
    topic: Annotated[str | None, typer.Argument(help="Only this topic.")] = None,
    *,
    group: Annotated[str | None, typer.Option(help="Only this consumer group.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows how far behind each consumer group is: offsets, the age of the oldest unread event, what it lost."""
    with connection() as conn:
        known = [row.name for row in topics.noted(conn)]
    with Cluster() as cluster:
        there = set(cluster.topics()) & {*known, DEAD_LETTERS_TOPIC}
        if topic is not None and topic not in there:
            raise unknown(topic, there)
        found = lags.lags(cluster, there if topic is None else [topic], group)
    columns = ("topic", "group", "state", "behind", "seconds", "lost")
    emit_rows([one.as_dict() for one in found], [(name, name) for name in columns], as_json=as_json)
