"""How many brokers a run directory's cluster has, and its id: noted before the first store is formatted.

A store is of one cluster for ever: its id stands in it, and how many controllers vote is settled when it begins. So the
number is asked for once, and every later start finds it here.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass

from hub.stack.errors import ClusterSizeDiffers, StateUnreadable
from hub.stack.kafka_config import cluster_id
from hub.stack.layout import Layout, write_private

SIZES = (1, 3)
"""How many brokers there may be: a quorum of two stands still as soon as one of them does."""

_noting = threading.Lock()


@dataclass(frozen=True)
class Noted:
    """A cluster: its id, its brokers, and which run of a supervisor drew it."""

    id: str
    brokers: int
    drawn_by: str


def size(layout: Layout, wanted: int | None = None) -> int:
    """How many brokers: what the stores were made for, else what is wanted, else one. Raises ClusterSizeDiffers."""
    if not _formatted(layout):
        return wanted or 1
    known = _read(layout)
    there = known.brokers if known else 1  # made before clusters were noted
    if wanted is not None and wanted != there:
        raise ClusterSizeDiffers(wanted=wanted, found=there, folder=layout.var / "kafka")
    return there


def note(layout: Layout, brokers: int, drawn_by: str) -> Noted:
    """The cluster for whose stores this run of the supervisor formats; drawn anew where nothing is left of an older one.

    An id that outlived its data would hide from the relay that the events are gone.
    """
    with _noting:
        known = _read(layout)
        if known is not None and (known.drawn_by == drawn_by or _formatted(layout)):
            return known
        drawn = Noted(cluster_id(), brokers, drawn_by)
        write_private(layout.var / "kafka" / "cluster.json", json.dumps(asdict(drawn)))
        return drawn


def _formatted(layout: Layout) -> bool:
    return any((layout.var / "kafka").glob("node-*/data/meta.properties"))


def _read(layout: Layout) -> Noted | None:
    path = layout.var / "kafka" / "cluster.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Noted(str(raw["id"]), int(raw["brokers"]), str(raw["drawn_by"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateUnreadable(path=path, reason=str(error)) from error
