"""The topics that the hub needs for itself, beside those of contracts."""

from __future__ import annotations

from collections.abc import Mapping

POSITIONS_TOPIC = "hub.relay.positions.v1"
"""A real topic with one partition and no messages: the groups' offsets hang on it."""

DEAD_LETTERS_TOPIC = "hub.dead.letters.v1"
"""References to events that the brokers refuse."""

OWN: Mapping[str, tuple[int, Mapping[str, str]]] = {
    POSITIONS_TOPIC: (1, {}),
    DEAD_LETTERS_TOPIC: (1, {"retention.ms": "-1"}),
}
"""Partitions and settings of each. Positions live in the groups' offsets, so that topic stays empty."""
