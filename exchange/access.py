"""Who may read what: SCRAM users and ACLs on the brokers.

A reader gets topics by name and consumer groups by a prefix of its own, nothing else; the authorizer denies the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
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

from exchange.cluster import Cluster
from exchange.errors import BrokerFailed, KafkaRequestRefused

ROUNDS = 8_192
"""PBKDF2 rounds of a SCRAM verifier."""

VISIBLE_SECONDS = 10.0


def grant_reader(cluster: Cluster, user: str, password: str, topics: Iterable[str], group_prefix: str) -> None:
    """Makes the user (or sets its password) and lets it read the topics in groups that start with `group_prefix`.

    Returns when the brokers know both. Raises KafkaRequestRefused, BrokerFailed, BrokerUnreachable.
    """
    credential = UserScramCredentialUpsertion(user, cluster.settings.kafka_sasl_mechanism, password, iterations=ROUNDS)
    _alter_user(cluster, user, credential)
    wanted = [acl for name in topics for acl in _topic_acls(user, name)]
    wanted.append(_acl(user, ACLOperation.READ, ResourceType.GROUP, group_prefix, ACLResourcePatternType.PREFIXED))
    with cluster.asked(f"grant {user} its topics") as admin:
        failed = admin.create_acls(wanted)["failed"]
    if failed:
        raise KafkaRequestRefused(action=f"grant {user} its topics", reason=str(failed[0]))
    _await_visible(cluster, user, wanted)


def revoke_reader(cluster: Cluster, user: str) -> None:
    """Takes all rights and the password of a user away; a user that is not there is no error."""
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    mine = ACLFilter(f"User:{user}", None, ACLOperation.ANY, ACLPermissionType.ANY, everything)
    with cluster.asked(f"revoke the rights of {user}") as admin:
        admin.delete_acls([mine])
        known = admin.describe_user_scram_credentials([user])
    if known.get(user, {}).get("credential_infos"):
        _alter_user(cluster, user, UserScramCredentialDeletion(user, cluster.settings.kafka_sasl_mechanism))


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
    with cluster.asked(f"set the password of {user}") as admin:
        problem = admin.alter_user_scram_credentials([alteration])[user]
    if problem:
        raise KafkaRequestRefused(action=f"set the password of {user}", reason=problem)


def _topic_acls(user: str, name: str) -> list[Any]:
    return [
        _acl(user, operation, ResourceType.TOPIC, name, ACLResourcePatternType.LITERAL)
        for operation in (ACLOperation.READ, ACLOperation.DESCRIBE)
    ]


def _acl(user: str, operation: Any, kind: Any, name: str, pattern: Any) -> Any:
    return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name, pattern))


def _acls(cluster: Cluster, user: str) -> list[Any]:
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    mine = ACLFilter(f"User:{user}", None, ACLOperation.ANY, ACLPermissionType.ANY, everything)
    with cluster.asked(f"tell the rights of {user}") as admin:
        return list(admin.describe_acls(mine)[0])


def _await_visible(cluster: Cluster, user: str, wanted: list[Any]) -> None:
    until = time.monotonic() + VISIBLE_SECONDS
    while time.monotonic() < until:
        with cluster.asked(f"tell the user {user}") as admin:
            known = admin.describe_user_scram_credentials([user]).get(user, {}).get("credential_infos")
        if known and set(wanted) <= set(_acls(cluster, user)):
            return
        time.sleep(0.05)
    raise BrokerFailed(action=f"take over the rights of {user}", reason=f"not visible after {VISIBLE_SECONDS:.0f} s")
