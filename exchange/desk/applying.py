"""A changed contract into use: its additive statements, its topic, its version on record, by a named person."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.diff.change import Change
from contracts.diff.exceptions import Exempt
from contracts.diff.gate import judge
from contracts.model import FeedContract
from exchange.brokers import topics
from exchange.brokers.cluster import Cluster
from hub import clock
from hub.said import Said, by_line
from warehouse import acts, way
from warehouse.engine import transaction
from warehouse.feeds import versions
from warehouse.planning.errors import ApplyRefused
from warehouse.planning.tables import planned


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done."""

    old: str  # version, "" for the first
    new: str
    changes: tuple[Change, ...]
    statements: tuple[str, ...]
    topic: str
    finished: int  # batches that others had left on the way


def apply(contract: FeedContract, exempt: list[Exempt], *, operator: str, reason: str) -> Applied:
    """Takes a contract into use. Doing it twice changes nothing.

    The lock of the feed is held, and what is on its way is finished first, under the version that it was checked by.
    Raises OperatorMissing, ApplyRefused (a breaking change without a new major version or exception), TableMismatch,
    TopicPartitionsFixed, LaneNotDrained, and what the brokers raise.
    """
    by = acts.named("apply", operator, reason)
    with transaction() as conn:
        old = versions.latest(conn, contract.id)
        tables = planned(conn, contract)
    changes: tuple[Change, ...] = ()
    if old is not None:
        verdict = judge(old, contract, exempt, today=clock.today())
        changes = verdict.changes
        if not verdict.passes:
            told = [Said(change.sentence(), change.sentence("zh")) for change in verdict.refused]
            facts = {"feed": contract.id, "old": old.version, "new": contract.version}
            raise ApplyRefused(**facts, changes=by_line(told))
    if tables.mismatch is not None:
        raise tables.mismatch
    with way.opened(contract) as feed:
        finished = len(feed.finished)
    with Cluster() as cluster:
        topics.ensure_own(cluster)
        with transaction() as conn:
            topics.settle(conn, cluster, topics.noted(conn, name=contract.topic.name))
            named = [change.id for change in changes]
            record = {"version": contract.version, "sha256": contract.sha256, "changes": named}
            acts.note(conn, "apply", contract.id, by, record)
    return Applied(
        old.version if old else "", contract.version, changes, tables.statements, contract.topic.name, finished
    )
