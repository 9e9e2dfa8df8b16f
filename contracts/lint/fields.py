"""Fields: types, options, classification, forms, and what nobody may be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import re2

from contracts import errors
from contracts.header_form import header_form
from contracts.lint.around import Around
from contracts.lint.refused_fields import family_of
from contracts.model import FieldSpec
from contracts.normalise.registry import STEPS, UNITS, form_problems
from contracts.view import CLASSIFICATIONS, FIELD_TYPES, View, decimal_of, texts
from contracts.yaml_strict import Path_
from hub.said import Said

MAX_FIELDS = 500
_OPTIONS: dict[str, tuple[str, ...]] = {
    "string": ("pattern", "minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "date": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "timestamp": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "boolean": (),
}


def check(view: View, around: Around) -> None:
    """One schema object with fields whose types, options, forms and steps fit together."""
    objects = view.document.get(("schema",))
    count = len(objects) if isinstance(objects, list) else 0
    if count != 1:
        view.document.problem(
            errors.Missing,
            ("schema",),
            where=Said("the contract", "数据契约"),
            what=Said("one schema object", "唯一的 schema 对象"),
            why=Said(f"a feed is one kind of record; this has {count}", f"一个数据源只有一种记录，这里有 {count} 种"),
        )
    if not view.properties:
        view.document.problem(
            errors.Missing,
            ("schema",),
            where=Said("the schema", "schema"),
            what="properties",
            why=Said("the fields of the record", "记录的各个字段"),
        )
    if len(view.properties) > MAX_FIELDS:
        view.document.problem(
            errors.TypeWrong,
            ("schema", 0, "properties"),
            field="*",
            reason=Said(f"a feed has at most {MAX_FIELDS} fields", f"一个数据源最多 {MAX_FIELDS} 个字段"),
        )
    for path, entry in view.properties:
        _type(view, path, entry)
    for path, spec in view.fields:
        _declarations(view, path, spec)
        pattern_problem(
            view, (*path, "logicalTypeOptions", "pattern"), Said(f"the field {spec.name}", f"字段 {spec.name}")
        )
    _headers(view)


def _type(view: View, path: Path_, entry: Any) -> None:
    name, logical = entry.get("name"), str(entry.get("logicalType") or "")
    if logical not in FIELD_TYPES:
        view.document.problem(
            errors.TypeWrong,
            (*path, "logicalType"),
            field=name,
            reason=Said(
                f"the logical type {logical!r} has no column here", f"逻辑类型 {logical!r} 在此没有对应的列类型"
            )
            if logical
            else Said("logicalType is missing", "缺少 logicalType"),
        )
        return
    if logical == "number":
        precision, scale = decimal_of(str(entry.get("physicalType", "")))
        if not 1 <= precision <= 38 or scale > precision:
            view.document.problem(
                errors.TypeWrong,
                (*path, "physicalType"),
                field=name,
                reason=Said(
                    "a number states physicalType decimal(precision,scale), precision 1 to 38; amounts are never floating point",
                    "number 须写明 physicalType decimal(p,s)，p 为 1 至 38；金额不用浮点数",
                ),
            )
    options = entry.get("logicalTypeOptions")
    for option in options if isinstance(options, dict) else ():
        if option not in _OPTIONS[logical]:
            view.document.problem(
                errors.TypeWrong,
                (*path, "logicalTypeOptions", option),
                field=name,
                reason=Said(
                    f"the hub does not check the option {option} of a {logical}; forms of dates and numbers stand in hub.forms",
                    f"枢纽不检查 {logical} 的选项 {option}；日期和数字的形式写在 hub.forms 中",
                ),
            )
    if entry.get("classification") not in CLASSIFICATIONS:
        view.document.problem(
            errors.Missing,
            (*path, "classification"),
            where=Said(f"the field {name}", f"字段 {name}"),
            what="classification",
            why=Said(f"one of {', '.join(CLASSIFICATIONS)}", f"取 {'、'.join(CLASSIFICATIONS)} 之一"),
        )


def _declarations(view: View, path: Path_, spec: FieldSpec) -> None:
    own = view.hub(path)

    def wrong(name: str, reason: str) -> None:
        view.document.problem(errors.PropertyWrong, view.hub_path(path, name), name=f"hub.{name}", reason=reason)

    for problem in form_problems(spec.type, spec.forms):
        wrong("forms", problem)
    for step in spec.normalise:
        for problem in STEPS[step].problems({}, [spec]) if step in STEPS else ():
            wrong("normalise", problem)
    if "unit" in own and spec.unit in UNITS and spec.type not in ("decimal", "integer"):
        wrong(
            "unit",
            Said(
                f"a unit belongs to a number, {spec.name} is {spec.type}",
                f"只有数字才有单位，{spec.name} 为 {spec.type}",
            ),
        )
    if own.get("publish_field") is True and spec.classification in ("personal", "sealed"):
        wrong(
            "publish_field",
            Said(f"a {spec.classification} field is never published", f"{spec.classification} 类字段从不发布"),
        )


def _headers(view: View) -> None:
    """No header may be claimed by two fields, or be both taken and ignored; spellings count as the checks count them."""
    sources: list[tuple[Path_, dict[str, Any]]] = [(path, view.hub(path)) for path, _ in view.mappings(("servers",))]
    general = texts(view.hub(()).get("ignored"))
    owner: dict[str, str] = {}
    for path, spec in view.fields:
        _claim((view, path), owner, spec.name, (spec.source_name or spec.name, *spec.aliases))
    for path, own in sources:
        here: dict[str, str] = {}
        aliases = own.get("aliases")
        for name, headers in aliases.items() if isinstance(aliases, dict) else ():
            _claim((view, view.hub_path(path, "aliases")), here, name, texts(headers), owner)
        taken = owner | here
        for header in (*general, *texts(own.get("ignored"))):
            if header_form(header) in taken:
                view.document.problem(
                    errors.NameWrong,
                    view.hub_path(path, "ignored"),
                    what=Said("the header", "列名"),
                    name=header[:80],
                    reason=Said(
                        f"it is ignored here and taken by the field {taken[header_form(header)]}",
                        f"这里列为忽略，却又由字段 {taken[header_form(header)]} 采用",
                    ),
                )


def _claim(
    where: tuple[View, Path_],
    table: dict[str, str],
    field: str,
    headers: Iterable[str],
    before: Mapping[str, str] | None = None,
) -> None:
    """Notes that a field comes under some headers; `before` are claims that stand already."""
    for form, header in {header_form(header): header for header in headers}.items():
        other = (before or {}).get(form) or table.setdefault(form, field)
        if other != field:
            view, path = where
            view.document.problem(
                errors.NameWrong,
                path,
                what=Said("the header", "列名"),
                name=header[:80],
                reason=Said(f"the fields {other} and {field} both claim it", f"字段 {other} 与 {field} 都使用该列名"),
            )


def pattern_problem(view: View, path: Path_, where: str) -> None:
    """Notes a regular expression at a path that RE2, the engine of the kernels, refuses."""
    pattern = view.document.get(path)
    if not isinstance(pattern, str):
        return
    try:
        options = re2.Options()
        options.log_errors = False
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else Said("it does not compile", "无法编译")
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        view.document.problem(errors.PatternWrong, path, where=where, pattern=pattern[:80], reason=text[:120])


def refused(view: View, around: Around) -> None:
    """Fields on belief, private life, proposals of treatment or the identity of who reported."""
    for path, entry in view.properties:
        words = [
            entry.get("name"),
            entry.get("physicalName"),
            entry.get("businessName"),
            *texts(view.hub(path).get("aliases")),
        ]
        family = family_of(*(word for word in words if isinstance(word, str)))
        if family is not None:
            view.document.problem(
                errors.FieldForbidden, path, field=str(entry.get("name"))[:60],
                what=Said(family.en, family.zh), why=Said(family.why_en, family.why_zh),
            )  # fmt: skip
