"""Fields of two versions side by side."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.diff.change import Change, told
from contracts.model import FeedContract, FieldSpec
from contracts.normalise.registry import DEFAULT_FORMS
from contracts.view import CLASSIFICATIONS

_LABELS = ("label_zh", "label_en")


def compare_fields(old: FeedContract, new: FeedContract) -> Iterator[Change]:
    """Fields that went, came or changed. Names at the source are compared with the sources."""
    before = {spec.name: spec for spec in old.fields}
    after = {spec.name: spec for spec in new.fields}
    for name, spec in before.items():
        if name not in after:
            yield Change("field_removed", name, _type(spec))
    for name, spec in after.items():
        if name not in before:
            kind = "field_added_required" if spec.published else "field_added_required_inside"
            yield Change(kind if spec.required else "field_added", name, "", _type(spec))
        else:
            yield from _compare(before[name], spec)
    stayed = [name for name in before if name in after]
    if stayed != [name for name in after if name in before]:
        yield Change("field_moved", "contract")


def perhaps_renamed(old: FeedContract, new: FeedContract) -> list[tuple[str, str]]:
    """Fields of which one went and one of the same type came in its place: (was, now). A guess, for a person to look at."""
    before, after = {spec.name for spec in old.fields}, {spec.name for spec in new.fields}
    return [
        (was.name, now.name)
        for was, now in zip(old.fields, new.fields, strict=False)
        if was.name not in after and now.name not in before and _type(was) == _type(now)
    ]


def _compare(old: FieldSpec, new: FieldSpec) -> Iterator[Change]:
    name = old.name
    if old.type != new.type:
        yield Change("field_type_changed", name, _type(old), _type(new))
    elif (old.precision, old.scale) != (new.precision, new.scale):
        yield Change("field_precision_changed", name, _type(old), _type(new))
    yield from _presence(old, new)
    if old.published != new.published:
        published = "field_published_required" if new.required else "field_published"
        yield Change(published if new.published else "field_unpublished", name)
    if old.classification != new.classification:
        lower = _strictness(new) < _strictness(old)
        kind = "classification_lowered" if lower else "classification_raised"
        yield Change(kind, name, old.classification, new.classification)
    if old.unit != new.unit:
        yield Change("unit_changed", name, told(old.unit), told(new.unit))
    yield from _codes(old, new)
    if old.type == new.type:
        yield from forms(name, _forms(old), _forms(new))
    for text in old.null_values:
        if text not in new.null_values:
            yield Change("null_values_removed", name, text)
    for text in new.null_values:
        if text not in old.null_values:
            yield Change("null_values_added", name, "", text)
    if old.normalise != new.normalise:
        yield Change("normalise_changed", name, told(old.normalise), told(new.normalise))
    if any(getattr(old, label) != getattr(new, label) for label in _LABELS):
        yield Change("words_changed", name)


def _presence(old: FieldSpec, new: FieldSpec) -> Iterator[Change]:
    if old.required != new.required:
        # What was not published is missing in the events from before, what will not be is missing in those to come.
        required = "field_made_required" if new.published else "field_required_inside"
        optional = "field_made_optional" if old.published else "field_optional_inside"
        yield Change(required if new.required else optional, old.name)
    if old.unique != new.unique:
        yield Change("field_made_unique" if new.unique else "field_not_unique", old.name)


def _codes(old: FieldSpec, new: FieldSpec) -> Iterator[Change]:
    for text, meaning in old.code_map.items():
        if new.code_map.get(text) != meaning:
            yield Change("code_map_changed", old.name, f"{text}={meaning}", told(new.code_map.get(text)))
    for text, meaning in new.code_map.items():
        if text not in old.code_map:
            yield Change("code_map_added", old.name, "", f"{text}={meaning}")
    if old.code_list != new.code_list:
        yield Change(
            "code_list_set" if new.code_list else "code_list_dropped",
            old.name,
            told(old.code_list),
            told(new.code_list),
        )


def forms(where: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Change]:
    """Forms that are read no more, newly, or in another order."""
    for form in old:
        if form not in new:
            yield Change("forms_removed", where, form)
    for form in new:
        if form not in old:
            yield Change("forms_added", where, "", form)
    stayed = [form for form in old if form in new]
    if stayed != [form for form in new if form in old]:
        yield Change("forms_reordered", where, told(old), told(new))


def _forms(spec: FieldSpec) -> tuple[str, ...]:
    return spec.forms or DEFAULT_FORMS[spec.type]


def _strictness(spec: FieldSpec) -> int:
    return CLASSIFICATIONS.index(spec.classification) if spec.classification in CLASSIFICATIONS else -1


def _type(spec: FieldSpec) -> str:
    return f"decimal({spec.precision},{spec.scale})" if spec.type == "decimal" else spec.type
