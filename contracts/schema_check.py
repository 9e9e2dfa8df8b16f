"""The official JSON Schema of the Open Data Contract Standard, asked first.

The schema comes with the package `open-data-contract-standard`; it accepts v3.1.0 and later. The hub reads v3.1.0
exactly, so what later versions added is taken out of it before it is asked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from contracts import errors
from contracts.yaml_strict import Document, Path_
from hub.said import Said

API_VERSION = "v3.1.0"

# Definition -> keys that v3.2.0 added to it. Checked in tests against the v3.1.0 schema where that is at hand.
_LATER: dict[str, tuple[str, ...]] = {
    "SchemaElement": ("deprecated", "synonyms"),
    "SchemaBaseProperty": ("enum", "semanticType"),
    "SchemaObject": ("context",),
    "CustomProperty": ("vendor",),
    "RelationshipBase": ("id",),
    "ServiceLevelAgreementProperty": ("authoritativeDefinitions", "customProperties"),
    "CustomServer": ("encoding",),
}
_LATER_TYPES = {"map", "vector"}


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON Schema of ODCS as v3.1.0 has it."""
    text = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    whole: dict[str, Any] = json.loads(text)
    definitions = whole["$defs"]
    whole["properties"].pop("context", None)
    whole["properties"]["apiVersion"]["enum"] = [API_VERSION]
    for name, keys in _LATER.items():
        owner = definitions.get(name) or definitions["ServerSource"][name]
        for key in keys:
            owner["properties"].pop(key, None)
    types = definitions["SchemaBaseProperty"]["properties"]["logicalType"]
    types["enum"] = [name for name in types["enum"] if name not in _LATER_TYPES]
    return whole


@lru_cache(maxsize=1)
def _validator() -> jsonschema.Draft201909Validator:
    return jsonschema.Draft201909Validator(schema())


def check(document: Document) -> None:
    """Notes every violation at its line. A document that is no mapping is one violation."""
    if not isinstance(document.data, dict):
        document.problem(
            errors.SchemaViolation,
            (),
            where="contract",
            reason=Said("the document is not a mapping", "文档不是键值映射"),
        )
        return
    version = document.data.get("apiVersion")
    if version != API_VERSION and isinstance(version, str):
        document.problem(errors.WrongVersion, ("apiVersion",), found=version[:40])
    found: list[ValidationError] = list(_validator().iter_errors(document.data))
    unknown = [error for error in found if error.validator in ("unevaluatedProperties", "additionalProperties")]
    rest = [error for error in found if error not in unknown]
    seen: set[tuple[Path_, str]] = set()
    for error in rest:
        for leaf in _leaves(error):
            _note(document, leaf, seen)
    for error in unknown:
        _unknown(document, error, seen, covered=bool(rest))


def _leaves(error: ValidationError) -> list[ValidationError]:
    """The errors that a person can act on: for a choice, those of the branch that came nearest."""
    if not error.context:
        return [error]
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0] if inner.schema_path else 0, []).append(inner)
    nearest = max(
        branches.values(),
        key=lambda group: (
            not any(inner.validator == "type" and not inner.path for inner in group),
            max(len(inner.path) for inner in group),
            -len(group),
        ),
    )
    return [leaf for inner in nearest for leaf in _leaves(inner)]


def _note(document: Document, error: ValidationError, seen: set[tuple[Path_, str]]) -> None:
    path: Path_ = tuple(error.absolute_path)
    if error.validator in ("unevaluatedProperties", "additionalProperties"):
        _unknown(document, error, seen, covered=False)
        return
    if path == ("apiVersion",):
        return  # said already, in words
    if (
        error.validator == "enum"
        and path[:1] == ("schema",)
        and path[2:3] == ("properties",)
        and path[4:] == ("logicalType",)
    ):
        return  # the house lint says which types there are
    if error.validator == "type" and isinstance(error.instance, str) and not _wants(error, "string"):
        # Quotes would not help: what is due here is no text.
        line = document.place(path)[0]
        document.problems[:] = [
            problem
            for problem in document.problems
            if not (isinstance(problem, errors.Unquoted) and problem.place[0] == line)
        ]
    if error.validator == "required":
        missing = error.message.split("'")[1] if "'" in error.message else error.message
        if (path, missing) not in seen:
            seen.add((path, missing))
            document.problem(
                errors.Missing,
                path,
                where=where(path),
                what=missing,
                why=Said("the standard requires it there", "标准要求此处必须有"),
            )
        return
    if error.validator == "type" and _wants(error, "string") and isinstance(error.instance, int | float | bool):
        text = str(error.instance).lower() if isinstance(error.instance, bool) else str(error.instance)
        facts = {"text": text[:60], "meaning": Said("a number", "数值")}
        if isinstance(error.instance, bool):
            facts |= {"meaning": Said("a truth value", "真假值")}
        if (path, "quote") not in seen:
            seen.add((path, "quote"))
            document.problem(errors.Unquoted, path, **facts)
        return
    reason = _reason(error)
    if (path, reason) not in seen:
        seen.add((path, reason))
        document.problem(errors.SchemaViolation, path, where=where(path), reason=reason)


def _unknown(document: Document, error: ValidationError, seen: set[tuple[Path_, str]], *, covered: bool) -> None:
    """Names the keys the standard doesn't have there. Where another part of the schema already failed, the
    validator calls every key unevaluated; so the names are looked up in the schema itself."""
    path: Path_ = tuple(error.absolute_path)
    if not isinstance(error.instance, dict):
        return
    known: set[str] = set()
    _known_keys(error.schema, error.instance, known, set())
    strangers = [key for key in error.instance if key not in known]
    for key in strangers:
        if (path, key) in seen:
            continue
        seen.add((path, key))
        near = difflib.get_close_matches(key, sorted(known), 1)
        hint = Said(f" (did you mean {near[0]!r}?)", f"（是否应为 {near[0]!r}？）") if near else ""
        document.problem(errors.UnknownKey, (*path, key), where=where(path), key=key[:60], hint=hint)
    if not strangers and not covered and (path, "unevaluated") not in seen:
        seen.add((path, "unevaluated"))
        document.problem(errors.SchemaViolation, path, where=where(path), reason=_reason(error))


def _known_keys(part: Any, instance: Any, known: set[str], visited: set[str]) -> None:
    """Collects the property names a schema has for this very level, through references and the branches that apply."""
    if not isinstance(part, dict):
        return
    known.update(part.get("properties", {}))
    reference = part.get("$ref")
    if isinstance(reference, str) and reference not in visited:
        visited.add(reference)
        target: Any = schema()
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        _known_keys(target, instance, known, visited)
    for word in ("allOf", "anyOf", "oneOf"):
        for inner in part.get(word, ()):
            _known_keys(inner, instance, known, visited)
    if "if" in part:
        applies = _validator().evolve(schema=part["if"]).is_valid(instance)
        _known_keys(part.get("then" if applies else "else"), instance, known, visited)


def _wants(error: ValidationError, kind: str) -> bool:
    value = error.validator_value
    return value == kind or (isinstance(value, list) and kind in value)


def _reason(error: ValidationError) -> Said:
    """The validator's sentence, bounded: it may quote the whole instance."""
    if error.validator == "type":
        value = error.validator_value
        wanted = [
            _JSON_KINDS.get(str(name), (str(name),) * 2) for name in (value if isinstance(value, list) else [value])
        ]
        found_en, found_zh = _kind(error.instance)
        return Said(
            f"{' or '.join(en for en, _ in wanted)} expected, {found_en} found",
            f"应为{'或'.join(zh for _, zh in wanted)}，实为{found_zh}",
        )
    if error.validator == "enum" and isinstance(error.validator_value, list):
        found, allowed = repr(str(error.instance)[:60]), [str(value)[:40] for value in error.validator_value[:20]]
        return Said(f"{found} is none of {', '.join(allowed)}", f"{found} 不在 {'、'.join(allowed)} 之列")
    if error.validator == "pattern":
        found, form = repr(str(error.instance)[:60]), str(error.validator_value)[:200]
        return Said(f"{found} does not have the form {form}", f"{found} 不符合形式 {form}")
    message = error.message
    message = message if len(message) <= 200 else message[:197] + "..."
    return Said(message, f"不满足 {error.validator}：{str(error.validator_value)[:100]}")


_JSON_KINDS: Mapping[str, tuple[str, str]] = {
    "object": ("mapping", "键值映射"),
    "array": ("list", "列表"),
    "string": ("text", "文本"),
    "boolean": ("true or false, without quotes,", "不加引号的 true 或 false"),
    "integer": ("whole number", "整数"),
    "number": ("number", "数"),
    "null": ("nothing", "空值"),
}


def _kind(value: Any) -> tuple[str, str]:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return _JSON_KINDS[names.get(type(value), "null")]


def where(path: Path_) -> str:
    """A path as people write it: schema[0].properties[3].name."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text or Said("the contract", "数据契约")
