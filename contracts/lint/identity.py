"""What makes a record itself: key, subject, versions, withdrawal, cursor, references to other feeds."""

from __future__ import annotations

import re
from typing import Any

from contracts import errors
from contracts.building import reference
from contracts.lint.around import Around, Spot
from contracts.model import FieldSpec
from contracts.view import UNPUBLISHED, View, map_of_texts
from hub.said import Said

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
            reason=Said(f"a feed with the sealed field {sealed[0]} is published by reference", f"含有 sealed 字段 {sealed[0]} 的数据源只能以引用方式发布"),
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
                    reason=Said("primaryKey: true is missing", "缺少 primaryKey: true"),
                )
            continue
        position = entry.get("primaryKeyPosition")
        if not isinstance(position, int) or position < 1:
            view.document.problem(
                errors.Missing,
                path,
                where=Said(f"the key field {entry.get('name')}", f"主键字段 {entry.get('name')}"),
                what="primaryKeyPosition",
                why=Said("its place in the key, from 1", "它在主键中的位置，从 1 起"),
            )
            continue
        keys.append((position, path, entry))
        if entry.get("required") is not True:
            view.document.problem(
                errors.Missing,
                path,
                where=Said(f"the key field {entry.get('name')}", f"主键字段 {entry.get('name')}"),
                what="required: true",
                why=Said("a record without its key can't be told from another", "没有主键的记录无法与其他记录区分"),
            )
        if entry.get("classification") in UNPUBLISHED:
            view.document.problem(
                errors.PropertyWrong,
                (*path, "classification"),
                name=Said(f"the key field {entry.get('name')}", f"主键字段 {entry.get('name')}"),
                reason=Said(
                    "keys stand in events, receipts and logs; a personal or sealed value may not be one",
                    "主键会出现在事件、回执和日志中，personal 或 sealed 字段不得作主键",
                ),
            )
    positions = sorted(position for position, _, _ in keys)
    if not keys and not any(entry.get("primaryKey") is True for _, entry in view.properties):
        view.document.problem(
            errors.Missing,
            ("schema",),
            where=Said("the contract", "数据契约"),
            what=Said("a primary key", "主键"),
            why=Said(
                "primaryKey: true with primaryKeyPosition on each field that makes the record unique",
                "在使记录唯一的每个字段上写 primaryKey: true 与 primaryKeyPosition",
            ),
        )
    elif keys and positions != list(range(1, len(positions) + 1)):
        view.document.problem(
            errors.PropertyWrong,
            keys[0][1],
            name="primaryKeyPosition",
            reason=Said(
                f"the positions are {positions}; they count from 1 without gap",
                f"位置为 {positions}，应从 1 起连续编号",
            ),
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
            reason=Said(
                f"the field {spec.name} is not required; every event needs its key",
                f"字段 {spec.name} 不是必填；每个事件都须有键",
            ),
        )
    if spec.classification in UNPUBLISHED:
        view.document.problem(
            errors.PropertyWrong,
            path,
            name="hub.subject",
            reason=Said(
                f"the field {spec.name} is {spec.classification}; it stands in every event's key",
                f"字段 {spec.name} 为 {spec.classification}，而它会出现在每个事件的键中",
            ),
        )


def _cursor(view: View, own: dict[str, Any]) -> None:
    for name in ("cursor", "source_version"):
        spec = view.known.get(str(own.get(name)))
        if spec is not None and spec.type not in _ORDERED:
            view.document.problem(
                errors.PropertyWrong,
                view.hub_path((), name),
                name=f"hub.{name}",
                reason=Said(
                    f"the field {spec.name} is a {spec.type}, which has no order",
                    f"字段 {spec.name} 为 {spec.type}，没有先后顺序",
                ),
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
                reason=Said("there is no hub.cursor to reach back from", "没有可供回看的 hub.cursor"),
            )
        if not isinstance(overlap, str) or not _OVERLAP.fullmatch(overlap):
            view.document.problem(
                errors.PropertyWrong,
                path,
                name="hub.cursor_overlap",
                reason=Said(
                    "it is an ISO 8601 duration of days, hours, minutes, seconds (PT10M, P1D) or a number in quotes",
                    "应为 ISO 8601 时长（日、时、分、秒，如 PT10M、P1D）或带引号的数字",
                ),
            )
    if own.get("completeness") == "snapshot" and "cursor" in own:
        view.document.problem(
            errors.PropertyWrong,
            view.hub_path((), "cursor"),
            name="hub.cursor",
            reason=Said(
                "a snapshot holds everything; with a cursor, what is missing could not be told from what is old",
                "快照含全部记录；若设游标，就无法区分缺失的记录与较旧的记录",
            ),
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
            reason = Said(
                f"the cursor {cursor.name} can't be kept in the form {strange[0]}; it can in {', '.join(allowed)}",
                f"游标 {cursor.name} 不能采用形式 {strange[0]}；可用：{'、'.join(allowed)}",
            )
            view.document.problem(errors.PropertyWrong, path, name="hub.forms", reason=reason)


def _relations(view: View, around: Around) -> None:
    for path, _ in view.mappings(("schema", 0, "relationships")):
        view.document.problem(
            errors.RuleWithoutEngine,
            path,
            where=Said("relationships of the schema", "schema 的 relationships"),
            reason=Said("state a relationship at its field", "请在字段上写明关联"),
        )
    for field_path, entry in view.properties:
        for path, relation in view.mappings((*field_path, "relationships")):
            target = relation.get("to")
            feed, field = reference(target if isinstance(target, str) else "")
            where = Said(f"relationships of {entry.get('name')}", f"{entry.get('name')} 的 relationships")
            if not feed:
                view.document.problem(
                    errors.RuleWithoutEngine,
                    path,
                    where=where,
                    reason=Said("`to` is <feed>.<field>", "`to` 应为 <数据源>.<字段>"),
                )
                continue
            refer(Spot(view, around, (*path, "to"), where), feed, field)


def refer(spot: Spot, feed: str, field: str) -> None:
    """Notes a reference to a feed or field that does not exist."""
    own = feed == spot.view.id
    there = spot.view.field_names if own else spot.around.fields_of(feed)
    if there is None:
        hint = Said(
            f"; there are {', '.join(spot.around.feeds()) or 'none'}",
            f"；现有：{'、'.join(spot.around.feeds()) or '无'}",
        )
        spot.note(errors.ReferenceBroken, kind="feed", name=feed[:60], hint=hint)
    elif field not in there:
        spot.note(errors.ReferenceBroken, kind=Said(f"field of {feed}", f"{feed} 的字段"), name=field[:60], hint="")
