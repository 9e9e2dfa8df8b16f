"""A connector's options: what a contract's server may say, as a typed model, checked by lint and at run time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import OptionsInvalid
from contracts.model import SourceSpec
from hub.said import joined
from hub.valuewords import value_problems


class Options(BaseModel):
    """Base of every connector's options: unknown names are errors, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Options)


def problems(model: type[Options], options: Mapping[str, Any]) -> list[str]:
    """What is wrong with `options`, a sentence each, for lint."""
    try:
        model.model_validate(_plain(options))
    except ValidationError as error:
        return [*value_problems(error, model)]
    return []


def read(model: type[Model], source: SourceSpec) -> Model:
    """The options of a source, typed. Raises OptionsInvalid."""
    found = problems(model, source.options)
    if found:
        raise OptionsInvalid(source=source.id, connector=source.connector, problems=joined(found))
    return model.model_validate(_plain(source.options))


def _plain(value: Any) -> Any:
    """Plain dicts and lists: a contract's mappings may be read-only views."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
