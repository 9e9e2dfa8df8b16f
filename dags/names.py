"""What the DAG of a feed is called."""

from __future__ import annotations

from hub.ids import FeedId

PREFIX = "feed_"


def dag_id_of(feed: str) -> str:
    """The DAG of a feed."""
    return f"{PREFIX}{feed}"


def feed_of(dag_id: str) -> FeedId | None:
    """The feed of a DAG, or None for a DAG of another kind."""
    return FeedId(dag_id.removeprefix(PREFIX)) if dag_id.startswith(PREFIX) else None
