"""Promises of the standard that the hub would not keep are refused; those it keeps must be complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts import errors
from contracts.building import DAYS, HOURS
from contracts.cron import cron_problem
from contracts.lint.around import Around
from contracts.view import View
from contracts.yaml_strict import Path_
from hub.said import Said

LAYERS = ("landing", "core", "quarantine", "outbox", "receipts")

_UNKEPT: dict[str, tuple[str, ...]] = {
    "contract": ("price", "slaDefaultElement"),
    "schema": ("logicalType",),
    "field": ("partitioned", "partitionKeyPosition", "encryptedName", "transformSourceObjects", "transformLogic", "transformDescription", "items", "properties"),
    "quality": ("schedule", "scheduler", "unit", "method", "metric", "rule", "arguments", "mustBe", "mustNotBe"),
}  # fmt: skip


def check(view: View, around: Around) -> None:
    """Sections that the hub does not act on, service levels, roles, team and support."""
    _unkept(view, (), view.data, "contract")
    for path, entry in view.mappings(("schema",)):
        if entry.get("logicalType") not in (None, "object"):
            _unkept(view, path, entry, "schema")
    for path, entry in view.properties:
        _unkept(view, path, entry, "field")
    for path, entry, _ in view.rules():
        if entry.get("type") == "custom":
            _unkept(view, path, entry, "quality")
    _service(view)
    _people(view)


def _unkept(view: View, path: tuple[str | int, ...], entry: Any, place: str) -> None:
    for key in _UNKEPT[place]:
        if key in entry:
            kind = errors.SqlInContract if key == "transformLogic" else errors.PropertyWrong
            facts = (
                {"where": key}
                if key == "transformLogic"
                else {
                    "name": key,
                    "reason": Said(
                        "the hub does not act on it, and a promise that nobody keeps has no place in a contract",
                        "枢纽不据此行事；无人履行的承诺不应写入契约",
                    ),
                }
            )
            view.document.problem(kind, (*path, key), **facts)


def _service(view: View) -> None:
    note = view.document.problem
    seen: set[tuple[str, str]] = set()
    for path, entry in view.mappings(("slaProperties",)):
        word, element = str(entry.get("property")), str(entry.get("element", ""))
        if (word, element) in seen:
            note(errors.PropertyWrong, path, name=f"slaProperties {word}", reason=Said("it stands twice", "重复出现"))
        seen.add((word, element))
        if word == "frequency":
            _schedule(view, path, entry)
        elif reason := _level_problem(word, element, entry):
            note(errors.PropertyWrong, path, name=f"slaProperties {word}", reason=reason)
    words = {word for word, _ in seen}
    if "frequency" in words and "freshness" not in words:
        note(
            errors.Missing,
            ("slaProperties",),
            where="slaProperties",
            what="freshness",
            why=Said("how old the newest record of a scheduled feed may be", "定时数据源最新记录允许的最长时间"),
        )
    if "frequency" not in words and view.hub(()).get("latency") == "frequent":
        note(
            errors.Missing,
            ("slaProperties",),
            where="slaProperties",
            what="frequency",
            why=Said("when a feed with hub.latency: frequent is due", "hub.latency: frequent 的数据源何时处理"),
        )
    brought = any(view.hub(path).get("connector") == "push" for path, _ in view.mappings(("servers",)))
    if view.hub(()).get("latency") == "immediate" and not brought:
        note(
            errors.PropertyWrong,
            view.hub_path((), "latency"),
            name="hub.latency",
            reason=Said(
                "`immediate` is for what is pushed: nothing tells the hub of an arrival elsewhere (no source has hub.connector: push)",
                "`immediate` 只用于推送的数据：其他来源到达数据时枢纽无从得知（没有 hub.connector 为 push 的来源）",
            ),
        )
    if brought and "frequency" not in words and view.hub(()).get("latency") != "immediate":
        note(
            errors.Missing,
            ("slaProperties",),
            where="slaProperties",
            what="frequency",
            why=Said(
                "when what was pushed is taken in; or hub.latency: immediate",
                "推送的数据何时处理；或写明 hub.latency: immediate",
            ),
        )
    for layer in LAYERS:
        if ("retention", layer) not in seen:
            note(
                errors.Missing,
                ("slaProperties",),
                where="slaProperties",
                what=Said(f"retention of {layer}", f"{layer} 的 retention"),
                why=Said("nothing is kept for ever without saying so", "任何数据都须写明保存多久"),
            )


def _schedule(view: View, path: Path_, entry: Mapping[str, Any]) -> None:
    schedule = entry.get("schedule")
    if entry.get("scheduler") != "cron" or not isinstance(schedule, str):
        view.document.problem(
            errors.Missing,
            path,
            where="slaProperties frequency",
            what=Said("scheduler: cron and schedule", "scheduler: cron 与 schedule"),
            why=Said("when the feed is pulled, in the hub's legal time zone +08:00", "何时拉取，按 +08:00 时区"),
        )
    elif reason := cron_problem(schedule):
        view.document.problem(
            errors.CronWrong,
            (*path, "schedule"),
            where="slaProperties frequency",
            schedule=schedule[:60],
            reason=reason,
        )


def _level_problem(word: str, element: str, entry: Mapping[str, Any]) -> str:
    """Why a service level can't be kept, or empty."""
    value, unit = entry.get("value"), str(entry.get("unit", "d"))
    number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if word in ("freshness", "latency"):
        return (
            ""
            if number and unit in HOURS
            else Said(
                f"a number above 0 with a unit of {', '.join(HOURS)}", f"应为大于 0 的数，单位取 {'、'.join(HOURS)}"
            )
        )
    if word == "retention":
        fits = number and isinstance(value, int) and unit in DAYS and element in LAYERS
        return (
            ""
            if fits
            else Said(
                f"a whole number with a unit of {', '.join(DAYS)} and an element of {', '.join(LAYERS)}",
                f"应为整数，单位取 {'、'.join(DAYS)}，element 取 {'、'.join(LAYERS)}",
            )
        )
    return Said(
        "the hub keeps frequency, freshness, latency and retention",
        "枢纽只履行 frequency、freshness、latency 和 retention",
    )


def _people(view: View) -> None:
    accesses = []
    for path, entry in view.mappings(("roles",)):
        accesses.append(str(entry.get("access")))
        if entry.get("access") not in ("push", "read"):
            view.document.problem(
                errors.PropertyWrong,
                (*path, "access"),
                name="access",
                reason=Said("a role may push or read", "角色只能为 push 或 read"),
            )
    for access, why in (
        ("push", Said("who may send this feed", "谁可报送该数据源")),
        ("read", Said("who may read its topic", "谁可读取其主题")),
    ):
        if access not in accesses and set(accesses) <= {"push", "read"}:
            view.document.problem(
                errors.Missing,
                ("roles",),
                where="roles",
                what=Said(f"a role with access: {access}", f"access: {access} 的角色"),
                why=why,
            )
    if not view.text(("team", "name")):
        view.document.problem(
            errors.Missing,
            ("team",),
            where=Said("the contract", "数据契约"),
            what=Said("team with a name", "team 及其 name"),
            why=Said("who answers for the feed", "由谁对该数据源负责"),
        )
    if not list(view.mappings(("support",))):
        view.document.problem(
            errors.Missing,
            ("support",),
            where=Said("the contract", "数据契约"),
            what="support",
            why=Said("whom to call when a batch is held", "批次挂起时联系谁"),
        )
