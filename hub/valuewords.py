"""What a pydantic model says of values it can't take, in the words of the house: the field, what is due, both languages.

The values themselves are never repeated: they may be secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hub.said import Said, joined, listed, zh

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_Context = Mapping[str, Any]

_KINDS: Mapping[str, tuple[str, str]] = {
    "string": ("text (in quotes)", "文本（加引号）"),
    "int": ("a whole number", "整数"),
    "float": ("a number", "数"),
    "decimal": ("a number", "数"),
    "bool": ("true or false", "true 或 false"),
    "list": ("a list", "列表"),
    "tuple": ("a list", "列表"),
    "dict": ("a mapping", "键值映射"),
    "model": ("a mapping", "键值映射"),
    "path": ("a path", "路径"),
    "url": ("an address", "地址"),
}
_BOUNDS: Mapping[str, Callable[[_Context], tuple[str, str]]] = {
    "missing": lambda _: ("it is missing and must be given", "缺少，必须给出"),
    "literal_error": lambda ctx: _one_of(str(ctx["expected"])),
    "enum": lambda ctx: _one_of(str(ctx["expected"])),
    "greater_than": lambda ctx: (f"must be above {ctx['gt']}", f"须大于 {ctx['gt']}"),
    "greater_than_equal": lambda ctx: (f"must be {ctx['ge']} or more", f"不得小于 {ctx['ge']}"),
    "less_than": lambda ctx: (f"must be below {ctx['lt']}", f"须小于 {ctx['lt']}"),
    "less_than_equal": lambda ctx: (f"must be {ctx['le']} or less", f"不得大于 {ctx['le']}"),
    "string_too_short": lambda ctx: (
        f"must have {ctx['min_length']} characters or more",
        f"不得少于 {ctx['min_length']} 个字符",
    ),
    "string_too_long": lambda ctx: (
        f"must have {ctx['max_length']} characters or fewer",
        f"不得多于 {ctx['max_length']} 个字符",
    ),
    "too_short": lambda ctx: (f"must have {ctx['min_length']} entries or more", f"不得少于 {ctx['min_length']} 项"),
    "too_long": lambda ctx: (f"must have {ctx['max_length']} entries or fewer", f"不得多于 {ctx['max_length']} 项"),
    "string_pattern_mismatch": lambda ctx: (f"must have the form {ctx['pattern']}", f"须符合形式 {ctx['pattern']}"),
}


def value_problems(error: ValidationError, model: type[BaseModel]) -> list[Said]:
    """A sentence for each field that a model refused: `size: must be 1 or more`. Names of fields, never values."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        path, reason = tuple(problem["loc"]), problem_words(problem, model)
        name = ".".join(map(str, path))
        said = Said(f"{name}: {reason}", f"{name}：{zh(reason)}") if name else reason
        if said not in found:
            found.append(said)
    return found


def problem_words(problem: Mapping[str, Any], model: type[BaseModel]) -> Said:
    """What is wrong with one value, without the field's name."""
    kind, ctx = str(problem["type"]), problem.get("ctx") or {}
    if kind == "extra_forbidden":
        return _stranger(problem["loc"], model)
    if kind in _BOUNDS:
        return Said(*_BOUNDS[kind](ctx))
    if kind == "value_error" and isinstance(ctx.get("error"), ValueError) and ctx["error"].args:
        said = ctx["error"].args[0]  # the house's own validator; its sentence quotes no value
        return said if isinstance(said, Said) else Said(str(said), str(said))
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float").removesuffix("_attributes")
    if stem in _KINDS:
        return Said(f"{_KINDS[stem][0]} is due", f"应为{_KINDS[stem][1]}")
    return Said(str(problem["msg"])[:200], f"取值不符合要求（{kind}）")


def _one_of(allowed: str) -> tuple[str, str]:
    return f"must be {allowed}", f"须为 {allowed.replace(', ', '、').replace(' or ', ' 或 ')}"


def _stranger(path: tuple[int | str, ...], model: type[BaseModel]) -> Said:
    known = _names_at(path[:-1], model)
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    reason = [Said("there is no such option", "没有这个选项")]
    if near:
        reason.append(Said(f"did you mean {near[0]}?", f"是否应为 {near[0]}？"))
    elif known:
        names = listed(known)
        reason.append(Said(f"there are {names}", f"现有：{names.zh}"))
    return joined(reason)


def _names_at(path: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The fields of the model that stands at a path within a model; none where that can't be told."""
    here: Any = model
    for step in path:
        field = here.model_fields.get(step) if hasattr(here, "model_fields") else None
        here = _model_in(field.annotation) if field is not None else None
        if here is None:
            return []
    return sorted(here.model_fields)


def _model_in(annotation: Any) -> Any:
    """The one model within an annotation such as `Paging | None`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    models = [found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part)) is not None]
    return models[0] if len(models) == 1 else None
