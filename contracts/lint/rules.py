"""Rules against the engines that run them: a rule that no engine can run is an error, never a silent skip."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from contracts import errors
from contracts.building import gate_args, implicit_rules, with_field
from contracts.gate.registry import KINDS as GATE_KINDS
from contracts.kinds import Kind
from contracts.lint.around import Around, Spot
from contracts.lint.fields import pattern_problem
from contracts.lint.identity import refer
from contracts.model import FieldSpec
from contracts.rules.registry import KINDS as ROW_KINDS
from contracts.suite.registry import KINDS as BATCH_KINDS
from contracts.view import View, implementation, texts
from contracts.yaml_strict import Path_
from hub.said import Said, zh

ENGINES: dict[str, dict[str, Kind]] = {"hub": ROW_KINDS, "great-expectations": BATCH_KINDS}
_ID = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LATIN = re.compile("[A-Za-z]")
_HAN = re.compile(r"[\u3400-\u9fff]")


def check(view: View, around: Around) -> None:
    """Every entry of `quality`, and the rules that follow from the fields' own declarations."""
    seen: dict[str, int] = {}
    for path, entry, standing in view.rules():
        label = _label(view, path, entry, seen)
        kind_of = entry.get("type", "library")
        engine = str(entry.get("engine"))
        if kind_of == "sql" or "query" in entry:
            view.document.problem(errors.SqlInContract, path, where=label)
        elif kind_of != "custom":
            view.document.problem(
                errors.RuleWithoutEngine,
                path,
                where=label,
                reason=Said(f"type {kind_of} is no rule the hub runs", f"枢纽不执行类型为 {kind_of} 的规则"),
            )
        elif engine not in ENGINES:
            view.document.problem(
                errors.RuleWithoutEngine,
                (*path, "engine"),
                where=label,
                reason=Said(f"engine {engine!r} is unknown", f"未知的引擎 {engine!r}"),
            )
        else:
            _implementation(Spot(view, around, path, label), entry, standing)
    _implicit(view, around)


def _label(view: View, path: Path_, entry: Mapping[str, Any], seen: dict[str, int]) -> str:
    """Checks what every rule has, and returns how to call it in messages."""
    name = entry.get("id")
    label = Said(f"the rule {name}", f"规则 {name}") if isinstance(name, str) else Said("a rule", "某条规则")
    if not isinstance(name, str):
        view.document.problem(
            errors.Missing,
            path,
            where=label,
            what="id",
            why=Said("verdicts, receipts and quarantine name the rule by it", "检查结论、回执和隔离区都以它指称该规则"),
        )
    elif not _ID.fullmatch(name) or len(name) > 60:
        view.document.problem(
            errors.NameWrong,
            (*path, "id"),
            what=Said("the rule", "规则"),
            name=name[:60],
            reason=Said("its id is snake_case, at most 60 characters", "规则标识应为小写字母加下划线，最多 60 个字符"),
        )
    elif name in seen:
        view.document.problem(
            errors.NameWrong,
            (*path, "id"),
            what=Said("the rule", "规则"),
            name=name,
            reason=Said(f"another has that id (line {seen[name]})", f"另一规则已用此标识（第 {seen[name]} 行）"),
        )
    else:
        seen[name] = view.document.place((*path, "id"))[0]
    if not _HAN.search(str(entry.get("name", ""))):
        view.document.problem(
            errors.Missing,
            path,
            where=label,
            what=Said("name, the rule in Chinese", "name（规则的中文说明）"),
            why=Said("every label a person sees exists in Chinese and English", "给人看的名称须同时有中文和英文"),
        )
    if not _LATIN.search(str(entry.get("description", ""))):
        view.document.problem(
            errors.Missing,
            path,
            where=label,
            what=Said("description, the rule in English", "description（规则的英文说明）"),
            why=Said("every label a person sees exists in Chinese and English", "给人看的名称须同时有中文和英文"),
        )
    if "dimension" not in entry:
        view.document.problem(
            errors.Missing,
            path,
            where=label,
            what="dimension",
            why=Said("what side of quality it looks at", "它检查的是哪一方面的质量"),
        )
    if entry.get("severity", "error") not in ("error", "warning"):
        view.document.problem(
            errors.RuleWrong,
            (*path, "severity"),
            where=label,
            reason=Said(
                "severity is error (the row is quarantined) or warning (it is counted)",
                "severity 取 error（该行进入隔离区）或 warning（只计数）",
            ),
        )
    return label


def _implementation(spot: Spot, entry: Mapping[str, Any], standing: str | None) -> None:
    view, here = spot.view, Spot(spot.view, spot.around, (*spot.path, "implementation"), spot.label)
    engine = str(entry["engine"])
    name, named, args = implementation(entry)
    kind = ENGINES[engine].get(name)
    if kind is None:
        other = next((word for word, kinds in ENGINES.items() if name in kinds), None)
        near = difflib.get_close_matches(name, ENGINES[engine], 1)
        hint = (
            Said(f"; it belongs to engine {other}", f"；它属于引擎 {other}")
            if other
            else (Said(f" (did you mean {near[0]}?)", f"（是否应为 {near[0]}？）") if near else "")
        )
        here.note(
            errors.RuleWithoutEngine,
            reason=Said(f"engine {engine} has no rule {name!r}{hint}", f"引擎 {engine} 没有规则 {name!r}{zh(hint)}"),
        )
        return
    specs: list[FieldSpec] = []
    if engine == "great-expectations":
        if named is not None:
            here.note(
                errors.RuleWrong,
                "fields",
                reason=Said("a batch rule names its field with `field`", "批次规则用 `field` 指明字段"),
            )
        args = with_field(name, args, standing)
        if name == "rule_share":
            _rule_named(here, args)
    else:
        if view.hub(spot.path).get("holds_batch") is not None:
            reason = Said(
                "only a batch rule can hold the batch; a broken row is quarantined by itself",
                "只有批次规则能使批次挂起；不合规的行各自进入隔离区",
            )
            path = view.hub_path(spot.path, "holds_batch")
            view.document.problem(errors.PropertyWrong, path, name="hub.holds_batch", reason=reason)
        names = named if named is not None else ((standing,) if standing else ())
        specs = _specs(Spot(view, spot.around, (*here.path, "fields"), spot.label), names)
        if len(specs) < len(names):
            return
    arguments(here, kind, args, specs)
    if name == "group_sum" and "cursor" in view.hub(()):
        spot.note(errors.GroupMaySplit)


def _rule_named(spot: Spot, args: Mapping[str, Any]) -> None:
    rule = args.get("rule")
    ids: list[Any] = [entry.get("id") for _, entry, _ in spot.view.rules() if entry.get("engine") == "hub"]
    ids += [rule.id for rule in implicit_rules(spot.view)]
    if isinstance(rule, str) and rule not in ids:
        spot.note(errors.ReferenceBroken, kind=Said("row rule", "行级规则"), name=rule[:60], hint="")


def _specs(spot: Spot, names: tuple[str, ...]) -> list[FieldSpec]:
    """The fields of those names; a name that leads nowhere is noted."""
    view = spot.view
    for name in names:
        if name not in view.field_names:
            near = difflib.get_close_matches(name, sorted(view.field_names), 1)
            spot.note(
                errors.ReferenceBroken, kind="field", name=name[:60],
                hint=Said(f" (did you mean {near[0]}?)", f"（是否应为 {near[0]}？）") if near else "",
            )  # fmt: skip
    return [view.known[name] for name in names if name in view.known]


def kind_problems(kind: Kind, args: Mapping[str, Any], specs: list[FieldSpec], view: View) -> list[str]:
    """What the kind itself says; of patterns RE2 has the word, which runs them."""
    patterns = tuple(f"{kind.name}.{arg.name}: " for arg in kind.args if arg.type == "pattern" and args.get(arg.name))
    return [text for text in kind.problems(args, specs, view.known) if not (patterns and text.startswith(patterns))]


def arguments(spot: Spot, kind: Kind, args: Mapping[str, Any], specs: list[FieldSpec]) -> None:
    """What the kind itself says of its arguments, and whether the lists, feeds and patterns they name exist."""
    for problem in kind_problems(kind, args, specs, spot.view):
        spot.note(errors.RuleWrong, reason=problem)
    for arg in kind.args:
        value = args.get(arg.name)
        if not isinstance(value, str):
            continue
        if arg.type == "code_list" and value not in spot.around.code_lists():
            spot.note(errors.ReferenceBroken, kind=Said("code list", "代码表"), name=value[:60], hint="")
        elif arg.type == "pattern":
            pattern_problem(spot.view, (*spot.path, arg.name), spot.label)
        elif arg.type == "feed":
            refer(spot, value, str(args.get("field", "")))


def _implicit(view: View, around: Around) -> None:
    """Declarations at a field that its type can't keep, such as a range with a date for a number."""
    places = {spec.name: path for path, spec in view.fields}
    for rule in implicit_rules(view):
        if rule.kind in ("code_list", "reference_feed"):
            continue  # said with its property or relationship
        path = places[rule.fields[0]]
        kind = ROW_KINDS.get(rule.kind)
        if kind is None:
            view.document.problem(
                errors.RuleWithoutEngine,
                path,
                where=rule.id,
                reason=Said(f"engine hub has no rule {rule.kind!r}", f"引擎 hub 没有规则 {rule.kind!r}"),
            )
            continue
        for problem in kind_problems(kind, rule.args, [view.known[rule.fields[0]]], view):
            view.document.problem(
                errors.RuleWrong,
                path,
                where=Said(f"the field {rule.fields[0]}", f"字段 {rule.fields[0]}"),
                reason=problem,
            )


def gate(view: View, around: Around) -> None:
    """The entries of `hub.gate`."""
    place = view.hub_path((), "gate")
    seen: set[str] = {str(entry.get("id")) for _, entry, _ in view.rules()}
    for path, entry in view.mappings(place) if place else ():
        name = entry.get("id")
        label = (
            Said(f"the gate rule {name}", f"闸口规则 {name}")
            if isinstance(name, str)
            else Said("a gate rule", "某条闸口规则")
        )
        if not isinstance(name, str) or not _ID.fullmatch(name) or name in seen:
            view.document.problem(
                errors.NameWrong,
                path,
                what=Said("the gate rule", "闸口规则"),
                name=str(name)[:60],
                reason=Said(
                    "it has an id in snake_case that no other rule has",
                    "须有小写字母加下划线的标识，且不与其他规则重复",
                ),
            )
        seen.add(str(name))
        for key, test in (("zh", _HAN), ("en", re.compile("[A-Za-z]"))):
            if not test.search(str(entry.get(key, ""))):
                view.document.problem(
                    errors.Missing,
                    path,
                    where=label,
                    what=key,
                    why=Said(
                        "every label a person sees exists in Chinese and English", "给人看的名称须同时有中文和英文"
                    ),
                )
        kind = GATE_KINDS.get(str(entry.get("kind")))
        if kind is None:
            view.document.problem(
                errors.RuleWithoutEngine,
                path,
                where=label,
                reason=Said(
                    f"the gate has no kind {entry.get('kind')!r}; there are {', '.join(GATE_KINDS)}",
                    f"闸口没有种类 {entry.get('kind')!r}；现有：{'、'.join(GATE_KINDS)}",
                ),
            )
            continue
        if entry.get("action") not in kind.actions:
            view.document.problem(
                errors.RuleWrong,
                path,
                where=label,
                reason=Said(
                    f"action {entry.get('action')!r} is none of {', '.join(kind.actions)}",
                    f"动作 {entry.get('action')!r} 不在 {'、'.join(kind.actions)} 之列",
                ),
            )
        spot = Spot(view, around, path, label)
        names = texts(entry.get("fields"))
        specs = _specs(spot, names)
        if len(specs) == len(names):
            arguments(spot, kind, gate_args(entry), specs)
