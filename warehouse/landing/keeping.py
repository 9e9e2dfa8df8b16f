"""What lands beside the rows: the delivery's bytes as they came, where nothing of them had to be taken out, and the manifest."""

from __future__ import annotations

from typing import Any

from connectors.base import Delivery
from contracts.gate import Gate
from hub.errors import AgencyError
from warehouse.errors import StoreCorrupt
from warehouse.landing import traces
from warehouse.landing.passing import Sum
from warehouse.store import Store

Kept = tuple[str, str, int]
"""Path in the store, SHA-256, bytes."""


def keep_original(place: Store, gate: Gate, delivery: Delivery, total: Sum) -> Kept | None:
    """The bytes as they came, kept; None where there are none or the gate touched something."""
    if not delivery.as_it_came or total.touched or delivery.sha256 is None:
        return None
    if not gate.may_keep(delivery.around):
        return None
    try:
        with delivery.opened() as original:
            path, size = place.keep(original, sha256=delivery.sha256)
    except (FileNotFoundError, AgencyError, StoreCorrupt):
        return None  # taken away or written anew since it was read: its rows were read whole all the same
    return path, delivery.sha256, size


def delivery_facts(gate: Gate, delivery: Delivery, total: Sum, name: str, *, kept: bool) -> dict[str, Any]:
    """What a manifest says of the delivery."""
    return {
        "name": name,
        "sha256": delivery.sha256,
        "bytes": delivery.size,
        "original_kept": kept,
        **_why_not_kept(gate, delivery, total, kept=kept),
        "facts": gate.told_facts(traces.plain(delivery.facts)),
    }


def _why_not_kept(gate: Gate, delivery: Delivery, total: Sum, *, kept: bool) -> dict[str, str]:
    """Why a file is not kept as it came."""
    if kept or not delivery.as_it_came:
        return {}
    if total.touched:
        return {"original_not_kept": "the gate took something out"}
    unseen = ", ".join(delivery.around.unseen)
    if unseen:
        return {"original_not_kept": f"not looked at: {unseen}"}
    if not gate.may_keep(delivery.around):
        return {"original_not_kept": "a name in it had to be masked"}
    return {"original_not_kept": "it lay there no more once it was read"}
