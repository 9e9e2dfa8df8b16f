"""The names under which a contract's fields come from a source."""

from __future__ import annotations

from contracts.header_form import header_form
from contracts.model import FeedContract, FieldSpec, SourceSpec


def names_of(source: SourceSpec, field: FieldSpec) -> tuple[str, ...]:
    """Names of one field at this source, the likeliest first: the source's aliases, its source name, the aliases."""
    own = field.source_name or field.name
    return tuple(dict.fromkeys((*source.aliases.get(field.name, ()), own, *field.aliases)))


def expected(contract: FeedContract, source: SourceSpec) -> dict[str, tuple[str, ...]]:
    """Field -> names, for the fields that the source delivers (not those it states as constants)."""
    return {field.name: names_of(source, field) for field in contract.fields if field.name not in source.constants}


def likeness(cells: list[str | None], fields: dict[str, tuple[str, ...]]) -> int:
    """How many fields have one of their names among the cells of a row."""
    found = {header_form(cell) for cell in cells if cell}
    return sum(any(header_form(name) in found for name in names) for names in fields.values())
