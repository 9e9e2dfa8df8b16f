"""Small contracts and places for the connectors' tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.base import Connector, Delivery
from connectors.places import Place
from connectors.registry import open_connector
from contracts.model import FeedContract, FieldSpec, SourceSpec, TopicSpec
from contracts.page import MalformedRow, RawPage
from hub.ids import PlaceId
from tests.making import made


def contract(
    fields: Iterable[str | FieldSpec] = ("id", "name", "amount"),
    *,
    connector: str = "file_drop",
    options: Mapping[str, Any] | None = None,
    place: str = "somewhere",
    **more: Any,
) -> FeedContract:
    specs = tuple(
        spec if isinstance(spec, FieldSpec) else FieldSpec(spec, spec, spec, "string", source_name=spec)
        for spec in fields
    )
    source = SourceSpec("main", connector, PlaceId(place), dict(options or {}))
    return made("things", specs, domain="audit", sources=(source,), topic=TopicSpec("hub.audit.thing.v1"), **more)


def opened(spec: FeedContract, place: Place, page_rows: int = 1000) -> Connector:
    return open_connector(spec, spec.sources[0], {place.id: place}, page_rows)


@dataclass
class Remembered:
    """What was taken before, as the hub remembers it."""

    known: set[str] = field(default_factory=set)
    last: str | None = None

    def empty(self) -> bool:
        return not self.known

    def among(self, appearances: Iterable[str]) -> set[str]:
        return self.known.intersection(appearances)

    def latest(self) -> str | None:
        return self.last

    def take(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            if delivery.appearance is not None:
                self.known.add(delivery.appearance)
                self.last = delivery.appearance


def folder(root: Path, name: str = "somewhere") -> Place:
    return Place(id=PlaceId(name), root=root)


def read(delivery: Delivery) -> tuple[list[dict[str, Any]], list[MalformedRow], list[RawPage]]:
    """All rows of a delivery: good ones with `_row`, `_line` and `_unit`, malformed ones, and the pages."""
    pages = list(delivery.pages())
    delivery.close()
    rows = []
    for page in pages:
        numbers = zip(page.rows.to_pylist(), page.source_rows.to_pylist(), strict=True)
        for row, (number, line) in zip(page.table.to_pylist(), numbers, strict=True):
            rows.append({"_row": number, "_line": line, "_unit": page.unit, **row})
    return rows, [bad for page in pages for bad in page.malformed], pages


def all_numbers(pages: list[RawPage]) -> list[int]:
    """Row numbers of a delivery, good and malformed, sorted."""
    numbers = [number for page in pages for number in page.rows.to_pylist()]
    return sorted(numbers + [bad.row for page in pages for bad in page.malformed])
