"""What makes a record itself: key, subject, versions, withdrawal, cursor, references to other feeds."""

from __future__ import annotations

import re
from typing import Any

from contracts import errors
from contracts.building import reference
from contracts.lint.around import Around, Spot
from contracts.model import FieldSpec
from contracts.view import UNPUBLISHED, View, map_of_texts

_OVERLAP = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?|\d{1,9}")
_CURSOR_FORMS: dict[str, tuple[str, ...]] = {
    "date": ("YYYY-MM-DD", "YYYYMMDD", "YYYY/M/D", "YYYY.M.D", "YYYY-MM", "YYYY", "timestamp"),
    "timestamp": ("rfc3339", "beijing", "utc", "YYYYMMDDHHMMSS", "date"),
    "integer": ("plain",),
    "decimal": ("plain",),
}
_ORDERED = ("integer", "decimal", "date", "timestamp", "string")


def check(view: View, around: Around) -> None:
    """Key, subject and the fields that other properties name."""
    _key(view)
    own = view.hub(())
    _subject(view, own)
    _cursor(view, own)
    _relations(view, around)
    publish = own.get("publish")
    sealed = [spec.name for spec in view.known.values() if spec.classification == "sealed"]
    if publish == "full" and sealed:
        view.document.problem(
            errors.PropertyWrong, view.hub_path((), "publish"), name="hub.publish",
            reason=f"a feed with the sealed field {sealed[0]} is published by reference",
        )  # fmt: skip


def _key(view: View) -> None:
    keys = []
    for path, entry in view.properties:
        if entry.get("primaryKey") is not True:
            if entry.get("primaryKeyPosition", -1) != -1:
                view.document.problem(
                    errors.PropertyWrong,
                    (*path, "primaryKeyPosition"),
                    name="primaryKeyPosition",
                    reason="primaryKey: true is missing",
                )
            continue
        position = entry.get("primaryKeyPosition")
        if not isinstance(position, int) or position < 1:
            view.document.problem(
                errors.Missing,
                path,
                where=f"the key field {entry.get('name')}",
                what="primaryKeyPosition",
                why="its place in the key, from 1",
            )
            continue
        keys.append((position, path, entry))
        if entry.get("required") is not True:
            view.document.problem(
                errors.Missing,
                path,
                where=f"the key field {entry.get('name')}",
                what="required: true",
                why="a record without its key can't be told from another",
            )
        if entry.get("classification") in UNPUBLISHED:
            view.document.problem(
                errors.PropertyWrong,
                (*path, "classification"),
                name=f"the key field {entry.get('name')}",
                reason="keys stand in events, receipts and logs; a personal or sealed value may not be one",
            )
    positions = sorted(position for position, _, _ in keys)
    if not keys and not any(entry.get("primaryKey") is True for _, entry in view.properties):
        view.document.problem(
            errors.Missing,
            ("schema",),
            where="the contract",
            what="a primary key",
            why="primaryKey: true with primaryKeyPosition on each field that makes the record unique",
        )
    elif keys and positions != list(range(1, len(positions) + 1)):
        view.document.problem(
            errors.PropertyWrong,
            keys[0][1],
            name="primaryKeyPosition",
            reason=f"the positions are {positions}; they count from 1 without gap",
        )


def _subject(view: View, own: dict[str, Any]) -> None:
    spec = view.known.get(str(own.get("subject")))
    if spec is None:
        return
    path = view.hub_path((), "subject")
    if not spec.required:
        view.document.problem(
            errors.PropertyWrong,
            path,
            name="hub.subject",
            reason=f"the field {spec.name} is not required; every event needs its key",
        )
    if spec.classification in UNPUBLISHED:
        view.document.problem(
            errors.PropertyWrong,
            path,
            name="hub.subject",
            reason=f"the field {spec.name} is {spec.classification}; it stands in every event's key",
        )


def _cursor(view: View, own: dict[str, Any]) -> None:
    for name in ("cursor", "source_version"):
        spec = view.known.get(str(own.get(name)))
        if spec is not None and spec.type not in _ORDERED:
            view.document.problem(
                errors.PropertyWrong,
                view.hub_path((), name),
                name=f"hub.{name}",
                reason=f"the field {spec.name} is a {spec.type}, which has no order",
            )
    cursor = view.known.get(str(own.get("cursor")))
    if cursor is not None:
        _cursor_forms(view, cursor)
    overlap = own.get("cursor_overlap")
    if overlap is not None:
        path = view.hub_path((), "cursor_overlap")
        if "cursor" not in own:
            view.document.problem(
                errors.PropertyWrong,
                path,
                name="hub.cursor_overlap",
                reason="there is no hub.cursor to reach back from",
            )
        if not isinstance(overlap, str) or not _OVERLAP.fullmatch(overlap):
            view.document.problem(
                errors.PropertyWrong,
                path,
                name="hub.cursor_overlap",
                reason="it is an ISO 8601 duration of days, hours, minutes, seconds (PT10M, P1D) or a number in quotes",
            )
    if own.get("completeness") == "snapshot" and "cursor" in own:
        view.document.problem(
            errors.PropertyWrong,
            view.hub_path((), "cursor"),
            name="hub.cursor",
            reason="a snapshot holds everything; with a cursor, what is missing could not be told from what is old",
        )


def _cursor_forms(view: View, cursor: FieldSpec) -> None:
    """A cursor is compared as the source writes it: only forms in which texts sort like times."""
    allowed = _CURSOR_FORMS.get(cursor.type)
    if allowed is None:
        return
    field = next(path for path, spec in view.fields if spec.name == cursor.name)
    sources = [(path, map_of_texts(view.hub(path).get("forms"))) for path, _ in view.mappings(("servers",))]
    given = [(view.hub_path(field, "forms"), cursor.forms)]
    given += [(view.hub_path(path, "forms"), forms.get(cursor.name, ())) for path, forms in sources]
    for path, forms in given:
        strange = [form for form in forms if form not in allowed]
        if strange:
            reason = f"the cursor {cursor.name} can't be kept in the form {strange[0]}; it can in {', '.join(allowed)}"
            view.document.problem(errors.PropertyWrong, path, name="hub.forms", reason=reason)


def _relations(view: View, around: Around) -> None:
    for path, _ in view.mappings(("schema", 0, "relationships")):
        view.document.problem(
            errors.RuleWithoutEngine,
            path,
            where="relationships of the schema",
            reason="state a relationship at its field",
        )
    for field_path, entry in view.properties:
        for path, relation in view.mappings((*field_path, "relationships")):
            target = relation.get("to")
            feed, field = reference(target if isinstance(target, str) else "")
            where = f"relationships of {entry.get('name')}"
            if not feed:
                view.document.problem(errors.RuleWithoutEngine, path, where=where, reason="`to` is <feed>.<field>")
                continue
            refer(Spot(view, around, (*path, "to"), where), feed, field)


def refer(spot: Spot, feed: str, field: str) -> None:
    """Notes a reference to a feed or field that does not exist."""
    own = feed == spot.view.id
    there = spot.view.field_names if own else spot.around.fields_of(feed)
    if there is None:
        hint = f"; there are {', '.join(spot.around.feeds()) or 'none'}"
        spot.note(errors.ReferenceBroken, kind="feed", name=feed[:60], hint=hint)
    elif field not in there:
        spot.note(errors.ReferenceBroken, kind=f"field of {feed}", name=field[:60], hint="")
