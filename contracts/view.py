"""A contract document read through typed, forgiving accessors, so that lint can go on past what is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contracts.model import FieldSpec, FieldType
from contracts.yaml_strict import Document, Path_

FIELD_TYPES: Mapping[str, FieldType] = {
    "string": "string",
    "integer": "integer",
    "number": "decimal",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
}
CLASSIFICATIONS = ("public", "internal", "restricted", "personal", "sealed")
UNPUBLISHED = ("personal", "sealed")

_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Custom:
    """One custom property: its name, its value, and where each stands."""

    name: str
    value: Any
    path: Path_  # of the entry
    value_path: Path_


class View:
    """Typed access to a document whose shape is not certain."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: Mapping[str, Any] = document.data if isinstance(document.data, dict) else {}

    def mappings(self, path: Path_) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
        """The items of the list at a path that are mappings, with their paths."""
        items = self.document.get(path)
        for number, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield (*path, number), item

    def text(self, path: Path_) -> str:
        """The text at a path, or empty."""
        value = self.document.get(path)
        return value if isinstance(value, str) else ""

    def custom(self, path: Path_) -> list[Custom]:
        """The custom properties of the thing at a path, in file order."""
        found = []
        for entry_path, entry in self.mappings((*path, "customProperties")):
            name = entry.get("property")
            if isinstance(name, str):
                found.append(Custom(name, entry.get("value"), entry_path, (*entry_path, "value")))
        return found

    def hub(self, path: Path_) -> dict[str, Any]:
        """The values of the `hub.*` properties of the thing at a path, without the prefix."""
        return {item.name[4:]: item.value for item in self.custom(path) if item.name.startswith("hub.")}

    def hub_path(self, path: Path_, name: str) -> Path_:
        """Where the value of a `hub.*` property stands; the thing itself where it is absent."""
        return next((item.value_path for item in self.custom(path) if item.name == f"hub.{name}"), path)

    @cached_property
    def id(self) -> str:
        """The contract's id."""
        return self.text(("id",))

    @cached_property
    def properties(self) -> list[tuple[Path_, Mapping[str, Any]]]:
        """The schema properties of the first (and only) schema object."""
        return list(self.mappings(("schema", 0, "properties")))

    @cached_property
    def fields(self) -> list[tuple[Path_, FieldSpec]]:
        """The fields, as far as they can be made out."""
        return [
            (path, self._field(path, entry))
            for path, entry in self.properties
            if isinstance(entry.get("name"), str) and str(entry.get("logicalType")) in FIELD_TYPES
        ]

    @cached_property
    def field_names(self) -> set[str]:
        """Every name of a property, well-formed or not."""
        return {entry["name"] for _, entry in self.properties if isinstance(entry.get("name"), str)}

    @cached_property
    def known(self) -> dict[str, FieldSpec]:
        """The fields by name."""
        return {spec.name: spec for _, spec in self.fields}

    def rules(self) -> Iterator[tuple[Path_, Mapping[str, Any], str | None]]:
        """Every entry of `quality` with its path, and the field it stands at (None: at the schema)."""
        for path, entry in self.mappings(("schema", 0, "quality")):
            yield path, entry, None
        for field_path, property_ in self.properties:
            for path, entry in self.mappings((*field_path, "quality")):
                name = property_.get("name")
                yield path, entry, name if isinstance(name, str) else None

    def _field(self, path: Path_, entry: Mapping[str, Any]) -> FieldSpec:
        own = self.hub(path)
        kind = FIELD_TYPES[entry["logicalType"]]
        precision, scale = decimal_of(str(entry.get("physicalType", "")))
        classification = str(entry.get("classification", "internal"))
        position = entry.get("primaryKeyPosition")
        return FieldSpec(
            name=str(entry["name"]),
            label_zh=str(entry.get("businessName", "")),
            label_en=str(entry.get("description", "")),
            type=kind,
            precision=precision if kind == "decimal" else 38,
            scale=scale if kind == "decimal" else 0,
            required=entry.get("required") is True,
            unique=entry.get("unique") is True,
            key_position=position if entry.get("primaryKey") is True and isinstance(position, int) else None,
            classification=classification,
            published=bool(own.get("publish_field", classification not in UNPUBLISHED)),
            source_name=str(entry.get("physicalName", "") or entry["name"]),
            aliases=texts(own.get("aliases")),
            forms=texts(own.get("forms")),
            null_values=texts(own.get("null_values")),
            normalise=texts(own.get("normalise")),
            code_map=text_map(own.get("code_map")),
            code_list=_text(own.get("code_list")),
            unit=_text(own.get("unit")),
        )


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list; empty for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def text_map(value: Any) -> dict[str, str]:
    """The text pairs of a mapping; empty for anything else."""
    return {key: item for key, item in value.items() if isinstance(item, str)} if isinstance(value, dict) else {}


def map_of_texts(value: Any) -> dict[str, tuple[str, ...]]:
    """A mapping of names to lists of texts; empty for anything else."""
    return {key: texts(item) for key, item in value.items()} if isinstance(value, dict) else {}


def decimal_of(physical: str) -> tuple[int, int]:
    """Precision and scale of `decimal(p,s)`; (0, 0) where it is something else."""
    match = _DECIMAL.fullmatch(physical.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def implementation(entry: Mapping[str, Any]) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
    """Kind, named fields (None: none named) and arguments of a rule's `implementation`."""
    body = entry.get("implementation")
    if not isinstance(body, dict):
        return "", None, {}
    rest = {name: value for name, value in body.items() if name not in ("kind", "fields")}
    kind = body.get("kind")
    named = texts(body["fields"]) if "fields" in body else None
    return (kind if isinstance(kind, str) else ""), named, rest


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
