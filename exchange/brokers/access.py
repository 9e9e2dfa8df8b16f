"""Who may read what: SCRAM users and ACLs on the brokers.

A reader gets topics by name and consumer groups by a prefix of its own, nothing else; the authorizer denies the rest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from exchange.brokers.cluster import Cluster
from exchange.errors import BrokerFailed, KafkaRequestRefused, ReaderNameInvalid
from hub.said import Said
from hub.settings import Settings

ROUNDS = 8_192
"""PBKDF2 rounds of a SCRAM verifier."""

VISIBLE_SECONDS = 10.0

_LITERAL = ACLResourcePatternType.LITERAL
_EVERYTHING = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)


_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
_OWN = {"hub", "broker", "controller", "admin", "anonymous"}


@dataclass(frozen=True, slots=True)
class Right:
    """That a user may read a topic, and the groups in which it may."""

    user: str
    topic: str
    groups: tuple[str, ...]
    password: bool  # whether the user can log in at all


def check_name(user: str, now: Settings) -> None:
    """Whether a reader may be called so. Raises ReaderNameInvalid.

    No dot: groups start with the name and a dot, so that no reader's name is the start of another one's groups.
    """
    if user in _OWN or user == now.kafka_username or not _NAME.fullmatch(user):
        raise ReaderNameInvalid(user=user)


def grant_reader(cluster: Cluster, user: str, password: str | None, topics: Iterable[str], group_prefix: str) -> None:
    """Makes the user (or sets its password) and lets it read the topics in groups that start with `group_prefix`.

    None leaves the password of a known user as it is. Returns when the brokers know both. Raises KafkaRequestRefused,
    BrokerFailed, BrokerUnreachable.
    """
    if password is not None:
        mechanism = cluster.settings.kafka_sasl_mechanism
        _alter_user(cluster, user, UserScramCredentialUpsertion(user, mechanism, password, iterations=ROUNDS))
    wanted = [acl for name in topics for acl in _topic_acls(user, name)]
    wanted.append(_acl(user, ACLOperation.READ, ResourceType.GROUP, group_prefix, ACLResourcePatternType.PREFIXED))
    with cluster.asked(Said(f"grant {user} its topics", f"授予 {user} 主题权限")) as admin:
        failed = admin.create_acls(wanted)["failed"]
    if failed:
        raise KafkaRequestRefused(
            action=Said(f"grant {user} its topics", f"授予 {user} 主题权限"), reason=str(failed[0])
        )
    _await_visible(cluster, user, wanted)


def revoke_topics(cluster: Cluster, user: str, topics: Iterable[str]) -> None:
    """Takes the right to read these topics away; the user, its password and its other topics stay."""
    with cluster.asked(Said(f"revoke the rights of {user}", f"收回 {user} 的权限")) as admin:
        admin.delete_acls([_about(user, ResourcePatternFilter(ResourceType.TOPIC, name, _LITERAL)) for name in topics])


def revoke_reader(cluster: Cluster, user: str) -> None:
    """Takes all rights and the password of a user away; a user that is not there is no error."""
    with cluster.asked(Said(f"revoke the rights of {user}", f"收回 {user} 的权限")) as admin:
        admin.delete_acls([_about(user, _EVERYTHING)])
    if has_password(cluster, user):
        _alter_user(cluster, user, UserScramCredentialDeletion(user, cluster.settings.kafka_sasl_mechanism))


def has_password(cluster: Cluster, user: str) -> bool:
    """Whether the brokers know the user."""
    with cluster.asked(Said(f"tell the user {user}", f"查询用户 {user}")) as admin:
        return bool(admin.describe_user_scram_credentials([user]).get(user, {}).get("credential_infos"))


def readers(cluster: Cluster, topic: str | None = None) -> list[Right]:
    """Who may read which topic, by topic and user; the hub's own users, who may do anything, are not among them."""
    with cluster.asked(Said("tell who may read", "查询读取权限")) as admin:
        found = list(admin.describe_acls(_about(None, _EVERYTHING))[0])
        # Asked for the users that have rights: the brokers know others, of whom nothing is to be told.
        users = sorted({acl.principal.removeprefix("User:") for acl in found})
        known = admin.describe_user_scram_credentials(users) if users else {}
    groups: dict[str, list[str]] = {}
    reads: list[tuple[str, str]] = []
    for acl in found:
        user, resource = acl.principal.removeprefix("User:"), acl.resource_pattern
        starts = "*" if resource.pattern_type == ACLResourcePatternType.PREFIXED else ""
        if acl.operation not in (ACLOperation.READ, ACLOperation.ALL):
            continue
        if resource.resource_type == ResourceType.GROUP:
            groups.setdefault(user, []).append(resource.resource_name + starts)
        elif resource.resource_type == ResourceType.TOPIC and topic in (None, resource.resource_name):
            reads.append((resource.resource_name + starts, user))
    return [
        Right(user, name, tuple(sorted(groups.get(user, ()))), bool(known.get(user, {}).get("credential_infos")))
        for name, user in sorted(reads)
    ]


def rights(cluster: Cluster, user: str) -> list[dict[str, str]]:
    """What a user may do: resource, name, pattern, operation."""
    return [
        {
            "resource": acl.resource_pattern.resource_type.name.lower(),
            "name": acl.resource_pattern.resource_name,
            "pattern": acl.resource_pattern.pattern_type.name.lower(),
            "operation": acl.operation.name.lower(),
        }
        for acl in _acls(cluster, user)
    ]


def _alter_user(cluster: Cluster, user: str, alteration: Any) -> None:
    with cluster.asked(Said(f"set the password of {user}", f"设置 {user} 的口令")) as admin:
        problem = admin.alter_user_scram_credentials([alteration])[user]
    if problem:
        raise KafkaRequestRefused(action=Said(f"set the password of {user}", f"设置 {user} 的口令"), reason=problem)


def _topic_acls(user: str, name: str) -> list[Any]:
    return [
        _acl(user, operation, ResourceType.TOPIC, name, ACLResourcePatternType.LITERAL)
        for operation in (ACLOperation.READ, ACLOperation.DESCRIBE)
    ]


def _acl(user: str, operation: Any, kind: Any, name: str, pattern: Any) -> Any:
    return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name, pattern))


def _acls(cluster: Cluster, user: str) -> list[Any]:
    with cluster.asked(Said(f"tell the rights of {user}", f"查询 {user} 的权限")) as admin:
        return list(admin.describe_acls(_about(user, _EVERYTHING))[0])


def _about(user: str | None, what: Any) -> Any:
    who = None if user is None else f"User:{user}"
    return ACLFilter(who, None, ACLOperation.ANY, ACLPermissionType.ANY, what)


def _await_visible(cluster: Cluster, user: str, wanted: list[Any]) -> None:
    until = time.monotonic() + VISIBLE_SECONDS
    while time.monotonic() < until:
        if has_password(cluster, user) and set(wanted) <= set(_acls(cluster, user)):
            return
        time.sleep(0.05)
    raise BrokerFailed(
        action=Said(f"take over the rights of {user}", f"生效 {user} 的权限"),
        reason=Said(f"not visible after {VISIBLE_SECONDS:.0f} s", f"{VISIBLE_SECONDS:.0f} 秒后仍不可见"),
    )
