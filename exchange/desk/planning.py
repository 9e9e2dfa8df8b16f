"""What a changed contract means for its topic and for those who read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from contracts.catalogue import Catalogue
from contracts.model import FeedContract, FieldSpec
from exchange.brokers import access, topics
from exchange.brokers.cluster import Cluster
from hub.errors import HubException

_JSON = {"string": "string", "integer": "integer", "decimal": "string (decimal)", "date": "string (date)", "timestamp": "string (date-time)", "boolean": "boolean"}  # fmt: skip


@dataclass(slots=True)
class TopicPlan:
    """What becomes of the topic."""

    topic: str
    action: str  # make | configure | none | refuse
    partitions: int
    config: dict[str, list[str | None]] = field(default_factory=dict)  # setting -> was, now
    left: str | None = None  # a topic that gets no more events
    why: str = ""


@dataclass(slots=True)
class Readers:
    """Who reads what changes."""

    roles: list[str]  # by the contract
    users: list[dict[str, Any]] = field(default_factory=list)  # by the brokers: user, groups
    feeds: list[str] = field(default_factory=list)  # whose rules look up its records
    unknown: dict[str, Any] | None = None  # the brokers could not be asked


def topic_plan(conn: sa.Connection, contract: FeedContract, old: FeedContract | None) -> TopicPlan:
    """The topic as it is noted against what the contract wants. In a transaction; changes nothing."""
    spec = contract.topic
    left = old.topic.name if old is not None and old.topic.name != spec.name else None
    noted = topics.noted(conn, name=spec.name)
    if not noted or noted[0].uuid is None:
        config: dict[str, list[str | None]] = {name: [None, value] for name, value in spec.config.items()}
        return TopicPlan(spec.name, "make", spec.partitions, config, left)
    row = noted[0]
    if row.partitions != spec.partitions:
        why = f"it has {row.partitions} partitions, which never change within a major version"
        return TopicPlan(spec.name, "refuse", row.partitions, {}, left, why)
    names = dict.fromkeys((*row.config, *spec.config))
    changed = {
        name: [row.config.get(name), spec.config.get(name)]
        for name in names
        if row.config.get(name) != spec.config.get(name)
    }
    return TopicPlan(spec.name, "configure" if changed else "none", spec.partitions, changed, left)


def schema_changes(old: FeedContract | None, new: FeedContract) -> list[dict[str, str]]:
    """Members of the published record that come, go or change: field, was, now."""
    before, after = ({} if old is None else members(old)), members(new)
    return [
        {"field": name, "was": before.get(name, ""), "now": after.get(name, "")}
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def members(contract: FeedContract) -> Mapping[str, str]:
    """Field -> what a reader of the topic finds under it; empty for a feed that is published by reference."""
    if contract.publish == "reference":
        return {}
    return {spec.name: _member(spec) for spec in contract.fields if spec.published}


def readers(contract: FeedContract, old: FeedContract | None, known: Catalogue) -> Readers:
    """The roles, the brokers' users of the topic (of the one before too), and the feeds that refer to this one."""
    found = Readers(list(contract.topic.readers), feeds=referring(contract, known))
    names = dict.fromkeys([contract.topic.name, *([old.topic.name] if old else [])])
    try:
        with Cluster() as cluster:
            rights = [right for name in names for right in access.readers(cluster, name)]
    except HubException as error:
        found.unknown = error.as_dict()
        return found
    found.users = [{"topic": right.topic, "user": right.user, "groups": list(right.groups)} for right in rights]
    return found


def referring(contract: FeedContract, known: Catalogue) -> list[str]:
    """The feeds whose rules ask whether this one holds a value."""
    return sorted(
        feed.id
        for feed in known.feeds.values()
        if feed.id != contract.id
        and any(rule.kind == "reference_feed" and rule.args.get("feed") == contract.id for rule in feed.row_rules)
    )


def _member(spec: FieldSpec) -> str:
    return _JSON[spec.type] + ("" if spec.required else " or null")
