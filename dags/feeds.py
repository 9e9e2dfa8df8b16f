"""A DAG for every contract on disk. A contract that can't be read has none; `broken_contracts` tells which and why.

When a task starts, Airflow parses this file again and names the DAG it wants: then only that one is built.
"""

from __future__ import annotations

import logging

from airflow.sdk import DAG, get_parsing_context

from contracts.catalogue import load, load_one
from dags.factory import build
from dags.names import feed_of

_LOG = logging.getLogger(__name__)


def wanted() -> dict[str, DAG]:
    """The DAGs of this parse, by id."""
    asked = get_parsing_context().dag_id
    if asked is not None:
        feed = feed_of(asked)
        alone = build(load_one(feed), described=False) if feed else None
        return {alone.dag_id: alone} if alone else {}
    dags = {}
    feeds = load().feeds
    for feed in feeds:
        try:
            dag = build(feeds[feed])
        except Exception as error:  # noqa: BLE001 - one contract must not take the others down
            _LOG.error("no DAG for %s: %s", feed, type(error).__name__)
            continue
        dags[dag.dag_id] = dag
    return dags


globals().update(wanted())
