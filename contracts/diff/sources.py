"""Sources of two versions side by side: where records come from, and under which headers."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.diff.change import Change, told
from contracts.diff.fields import forms
from contracts.header_form import header_form
from contracts.model import FeedContract, FieldSpec, SourceSpec
from contracts.normalise.registry import DEFAULT_FORMS


def compare_sources(old: FeedContract, new: FeedContract) -> Iterator[Change]:
    """Sources that went, came or changed, and the headers of the fields at each."""
    after = {source.id: source for source in new.sources}
    before = {source.id: source for source in old.sources}
    for name, source in before.items():
        if name not in after:
            yield Change("source_removed", name, source.connector)
    for name, source in after.items():
        if name not in before:
            yield Change("source_added", name, "", source.connector)
        else:
            yield from _compare(before[name], source)
            yield from _headers(old, before[name], new, source)


def _compare(old: SourceSpec, new: SourceSpec) -> Iterator[Change]:
    if (old.connector, old.place) != (new.connector, new.place):
        yield Change("source_moved", old.id, f"{old.connector} at {old.place}", f"{new.connector} at {new.place}")
    if old.options != new.options:
        names = [
            name
            for name in dict.fromkeys((*old.options, *new.options))
            if old.options.get(name) != new.options.get(name)
        ]
        yield Change(
            "source_read_otherwise",
            old.id,
            told({name: old.options.get(name) for name in names}),
            told({name: new.options.get(name) for name in names}),
        )
    for field in dict.fromkeys((*old.constants, *new.constants)):
        was, now = old.constants.get(field), new.constants.get(field)
        if was != now:
            yield Change("constant_changed", f"{old.id}.{field}", told(was), told(now))
    for header in old.ignored:
        if header not in new.ignored:
            yield Change("ignored_removed", old.id, header)
    for header in new.ignored:
        if header not in old.ignored:
            yield Change("ignored_added", old.id, "", header)


def _headers(old: FeedContract, before: SourceSpec, new: FeedContract, after: SourceSpec) -> Iterator[Change]:
    """What each field that stays is called at the source, and in which forms it comes there."""
    later = {spec.name: spec for spec in new.fields}
    passed_over = {header_form(header) for header in (*new.ignored, *after.ignored)}
    for spec in old.fields:
        if spec.name not in later:
            continue
        was, now = _names(spec, before), _names(later[spec.name], after)
        for form, header in was.items():
            if form not in now and form not in passed_over:
                yield Change("header_removed", f"{before.id}.{spec.name}", header)
        for form, header in now.items():
            if form not in was:
                yield Change("header_added", f"{before.id}.{spec.name}", "", header)
        if spec.type == later[spec.name].type and (spec.name in before.forms or spec.name in after.forms):
            yield from forms(f"{before.id}.{spec.name}", _forms(spec, before), _forms(later[spec.name], after))


def _names(spec: FieldSpec, source: SourceSpec) -> dict[str, str]:
    """Every header under which the field is understood at the source, by its form."""
    headers = (*source.aliases.get(spec.name, ()), spec.source_name or spec.name, *spec.aliases, spec.name)
    return {header_form(header): header for header in reversed(headers)}


def _forms(spec: FieldSpec, source: SourceSpec) -> tuple[str, ...]:
    return tuple(source.forms.get(spec.name, ())) or spec.forms or DEFAULT_FORMS[spec.type]
