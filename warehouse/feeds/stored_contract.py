"""A contract back from the JSON that the registry keeps of it."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from contracts.model import FeedContract


def contract_from(document: Mapping[str, Any]) -> FeedContract:
    """The contract whose `dataclasses.asdict` the document is. Raises TypeError or KeyError where it can't be."""
    made = _built(FeedContract, document)
    assert isinstance(made, FeedContract)
    return made


def _built(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(
            **{spec.name: _built(hints[spec.name], value[spec.name]) for spec in fields(kind) if spec.name in value}
        )
    origin = typing.get_origin(kind)
    if origin is tuple:
        return tuple(_built(typing.get_args(kind)[0], item) for item in value)
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(kind) if arg is not types.NoneType]
        return None if value is None else _built(inner[0], value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        item_type = typing.get_args(kind)[1]
        return {key: _built(item_type, item) for key, item in value.items()}
    return value


@lru_cache(maxsize=32)
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
