"""Connectors found on disk: a module `connectors/<name>.py` that defines a class `Connector`. There is no list."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from connectors.base import Connector, Delivery
from connectors.errors import ConnectorBroken, ConnectorUnknown, PlaceUnknown
from connectors.places import Place, listed_places
from contracts.model import FeedContract, SourceSpec
from hub.ids import PlaceId
from hub.said import Said

FOLDER = Path(__file__).resolve().parent
NOWHERE = Place(id=PlaceId("-"), root=Path("/nonexistent"))
"""The place of a source that is pushed: nothing is ever looked for there."""


@lru_cache(maxsize=1)
def connectors_on_disk() -> tuple[str, ...]:
    """Names of all connectors, sorted; read from the files without importing them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if path.stem != "base" and _defines(path)))


def connector_class(name: str, source_id: str = "-") -> type[Connector]:
    """The connector of that name. Raises ConnectorUnknown, ConnectorBroken."""
    if name not in connectors_on_disk():  # so that a contract can't have any other module imported
        raise ConnectorUnknown(source=source_id, connector=name, known=", ".join(connectors_on_disk()))
    module = f"connectors.{name}"
    found = getattr(importlib.import_module(module), "Connector", None)
    if not (isinstance(found, type) and issubclass(found, Connector) and found.__module__ == module):
        raise ConnectorBroken(
            module=module,
            reason=Said(
                "its `Connector` is not a subclass of connectors.base.Connector",
                "其 `Connector` 不是 connectors.base.Connector 的子类",
            ),
        )
    return found


def option_problems(name: str, options: Mapping[str, Any]) -> list[str]:
    """What is wrong with a source's connector or options, for lint; empty when nothing is."""
    try:
        return connector_class(name).option_problems(options)
    except ConnectorUnknown:
        return [
            Said(
                f"there is no connector {name!r}; on disk are: {', '.join(connectors_on_disk())}",
                f"没有连接器 {name!r}；现有：{'、'.join(connectors_on_disk())}",
            )
        ]


def open_connector(
    contract: FeedContract, source: SourceSpec, places: Mapping[PlaceId, Place], page_rows: int
) -> Connector:
    """The connector of a contract's source. Raises ConnectorUnknown, PlaceUnknown, PlaceIncomplete, OptionsInvalid."""
    connector = connector_class(source.connector, source.id)
    place = NOWHERE if source.pushed else places.get(source.place)
    if place is None:
        raise PlaceUnknown(source=source.id, feed=contract.id, place=source.place)
    return connector(contract, source, place, page_rows=page_rows)


def open_file(contract: FeedContract, source: SourceSpec, path: Path, page_rows: int) -> Delivery:
    """A file given by hand, as a delivery of the source. Its folder is the place: the operator named it.

    Raises FileNotTaken where the source's connector reads no files, and what reading a file raises.
    """
    path = path.absolute()
    place = Place(id=source.place, root=path.parent)
    home = listed_places().get(source.place)
    connector = connector_class(source.connector, source.id)
    return connector.file_delivery(contract, source, place, path.name, page_rows=page_rows, home=home)


def _defines(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.ClassDef) and node.name == "Connector" for node in tree.body)
