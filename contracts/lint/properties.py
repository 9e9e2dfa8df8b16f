"""The `hub.*` properties against their one table."""

from __future__ import annotations

import difflib
from typing import Any

from contracts import errors
from contracts.lint.around import Around
from contracts.normalise.registry import STEPS
from contracts.properties import BY_KEY, KINDS, PLACES, TABLE, HubProperty, Place, at
from contracts.view import Custom, View
from contracts.yaml_strict import Path_
from hub.said import Said, listed

_NAMED = {"field": "字段", "normalise step": "规范化步骤", "code list": "代码表"}


def check(view: View, around: Around) -> None:
    """Unknown, misplaced, doubled, mistyped and missing properties, and names in them that lead nowhere."""
    _one(view, around, (), "contract")
    for path, _ in view.properties:
        _one(view, around, path, "field")
    for path, _ in view.mappings(("servers",)):
        _one(view, around, path, "server")
    for path, _, _ in view.rules():
        _one(view, around, path, "quality")
    allowed = {path for path, _ in view.properties} | {path for path, _ in view.mappings(("servers",))}
    allowed |= {path for path, _, _ in view.rules()} | {()}
    for path, name in _everywhere(view.data, ()):
        if path not in allowed:
            _strange(view, (*path,), name, Said("this section", "本节"))


def _one(view: View, around: Around, path: Path_, place: Place) -> None:
    seen: set[str] = set()
    for item in view.custom(path):
        if item.name in seen:
            twice = Said("it stands twice here", "在此处重复出现")
            view.document.problem(errors.PropertyWrong, item.path, name=item.name, reason=twice)
            continue
        seen.add(item.name)
        if not item.name.startswith("hub."):
            continue
        entry = BY_KEY.get((place, item.name))
        if entry is None:
            _strange(view, item.path, item.name, Said(*PLACES[place]))
            continue
        reason = _reason(entry, item.value)
        if reason:
            view.document.problem(errors.PropertyWrong, item.value_path, name=item.name, reason=reason)
        else:
            _names(view, around, entry, item)
    for entry in at(place):
        if entry.required and entry.name not in seen:
            facts = {"where": Said(*PLACES[place]), "what": entry.name, "why": Said(entry.en, entry.zh)}
            view.document.problem(errors.Missing, path, **facts)


def _strange(view: View, path: Path_, name: str, place: str) -> None:
    elsewhere = sorted({entry.place for entry in TABLE if entry.name == name})
    near = difflib.get_close_matches(name, sorted({key[1] for key in BY_KEY}), 1)
    hint: str = Said(f" (did you mean {near[0]}?)", f"（是否应为 {near[0]}？）") if near else ""
    if elsewhere:
        places = listed(Said(*PLACES[word]) for word in elsewhere)
        hint = Said(f"; it belongs to {places}", f"；它属于{places.zh}")
    view.document.problem(errors.UnknownProperty, path, name=name[:60], where=place, hint=hint)


def _everywhere(value: Any, path: Path_) -> list[tuple[Path_, str]]:
    """Every custom property `hub.*` of the document: path of its owner, and name."""
    found: list[tuple[Path_, str]] = []
    waiting: list[tuple[Path_, Any]] = [(path, value)]
    while waiting:
        here, item = waiting.pop()
        if isinstance(item, dict):
            for entry in item.get("customProperties") or () if isinstance(item.get("customProperties"), list) else ():
                name = entry.get("property") if isinstance(entry, dict) else None
                if isinstance(name, str) and name.startswith("hub."):
                    found.append((here, name))
            waiting.extend(((*here, key), inner) for key, inner in item.items() if key != "customProperties")
        elif isinstance(item, list):
            waiting.extend(((*here, number), inner) for number, inner in enumerate(item))
    return found


def _reason(entry: HubProperty, value: Any) -> str:
    """Why a value does not fit, or empty."""
    fits = {
        "text": isinstance(value, str) and bool(value.strip()),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "texts": _is_texts(value),
        "map": isinstance(value, dict) and bool(value) and all(isinstance(item, str) for item in value.values()),
        "map_of_texts": isinstance(value, dict) and bool(value) and all(_is_texts(item) for item in value.values()),
        "mapping": isinstance(value, dict) and bool(value),
        "mappings": isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value),
    }[entry.kind]
    if not fits:
        english, chinese = KINDS[entry.kind]
        return Said(f"{english} expected (texts in quotes)", f"应为{chinese}（文本加引号）")
    if entry.values:
        given = value if isinstance(value, list) else [value]
        wrong = [item for item in given if item not in entry.values]
        if wrong:
            allowed = listed(entry.values)
            return Said(f"{wrong[0]!r} is none of {allowed}", f"{wrong[0]!r} 不在 {allowed.zh} 之列")
    return ""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _names(view: View, around: Around, entry: HubProperty, item: Custom) -> None:
    """The names a property holds must exist."""
    given = [item.value] if isinstance(item.value, str) else list(item.value) if entry.names else []
    known: dict[str, list[str]] = {
        "": given,
        "field": sorted(view.field_names),
        "normalise step": sorted(STEPS),
        "code list": around.code_lists(),
    }
    for name in given:
        if name not in known[entry.names]:
            near = difflib.get_close_matches(name, known[entry.names], 1)
            hint = Said(f" (did you mean {near[0]}?)", f"（是否应为 {near[0]}？）") if near else ""
            kind = Said(entry.names, _NAMED[entry.names])
            view.document.problem(
                errors.ReferenceBroken, item.value_path, where=item.name, kind=kind, name=name[:60], hint=hint
            )
