"""A contract as plain JSON and back, for the catalogue's cache: rows in field order, quick to decode.

The form may change with any version of the code: the cache carries a fingerprint of it and is rebuilt.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

from contracts.model import (
    BatchRule,
    FeedContract,
    FieldSpec,
    GateRule,
    RowRule,
    Sla,
    SourceSpec,
    TopicSpec,
)

_PARTS: dict[str, type[Any]] = {
    "fields": FieldSpec,
    "row_rules": RowRule,
    "batch_rules": BatchRule,
    "gate_rules": GateRule,
    "sources": SourceSpec,
}
_NAMES = tuple(entry.name for entry in fields(FeedContract))
_TUPLES = ("key", "ignored", "senders")


def pack(contract: FeedContract) -> list[Any]:
    """The contract as a JSON-able list, one entry for each attribute in their order."""
    return [
        [_row(item) for item in value]
        if name in _PARTS
        else (_row(value) if name in ("topic", "sla") else _plain(value))
        for name, value in ((name, getattr(contract, name)) for name in _NAMES)
    ]


def unpack(packed: list[Any]) -> FeedContract:
    """The contract of `pack`. Raises TypeError, ValueError or KeyError on anything else."""
    if len(packed) != len(_NAMES):
        raise ValueError("another number of attributes")
    values: dict[str, Any] = dict(zip(_NAMES, packed, strict=True))
    for name, kind in _PARTS.items():
        values[name] = tuple(_part(kind, row) for row in values[name])
    values["topic"] = _part(TopicSpec, values["topic"])
    values["sla"] = Sla(*values["sla"])
    for name in _TUPLES:
        values[name] = tuple(values[name])
    return FeedContract(**values)


def _part(kind: type[Any], row: list[Any]) -> Any:
    # Lists at the first level are tuples of the model; within a mapping they are a rule's own arguments, but for
    # a source's aliases and forms.
    cells: list[Any] = [tuple(cell) if cell.__class__ is list else cell for cell in row]
    if kind is SourceSpec:
        for place in (4, 5):
            cells[place] = {name: tuple(texts) for name, texts in cells[place].items()}
    return kind(*cells)


def _row(item: Any) -> list[Any]:
    return [_plain(cell) for cell in astuple(item)]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
