"""Names: ids, files, folders, fields, topics, labels."""

from __future__ import annotations

import re

from contracts import errors
from contracts.lint.around import Around
from contracts.view import View
from contracts.yaml_strict import Path_
from hub.said import Said, zh

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 60  # PostgreSQL keeps 63 bytes of an identifier; a few are left for prefixes
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_TOPIC = re.compile(r"hub\.([a-z][a-z0-9_]*)\.[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_-]*)?\.v([1-9]\d*|0)")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]{2}")
_STATUSES = ("proposed", "draft", "active", "deprecated", "retired")

SUFFIXES: tuple[tuple[str, str, str], ...] = (
    (r".+_on", "date", Said("_on is the ending of dates", "_on 是日期字段的结尾")),
    (r".+_at", "timestamp", Said("_at is the ending of instants", "_at 是时刻字段的结尾")),
    (r"(is|has)_.+", "boolean", Said("is_ and has_ begin truth values", "is_ 与 has_ 是真假值字段的开头")),
    (r".+_code", "string", Said("_code is the ending of codes, which are text", "_code 是代码字段的结尾，代码是文本")),
)


def check(view: View, around: Around) -> None:
    """Names of the contract, its fields and its topic, and the words for people."""
    _identity(view, around)
    _topic(view)
    _words(view, ("name",), "name", Said("the English name", "英文名称"), chinese=False)
    _words(
        view,
        ("description", "purpose"),
        "description.purpose",
        Said("the purpose in English", "英文用途说明"),
        chinese=False,
    )
    for name in ("name_zh", "purpose_zh"):
        if name not in view.hub(()):
            continue  # said with the properties
        _words(view, view.hub_path((), name), f"hub.{name}", Said("words in Chinese", "中文说明"), chinese=True)
    seen: dict[str, int] = {}
    for path, entry in view.properties:
        called = entry.get("name")
        if isinstance(called, str):
            _field(view, path, called, str(entry.get("logicalType")), seen)
        where = Said(f"the field {called}", f"字段 {called}")
        _words(
            view,
            (*path, "businessName"),
            where,
            Said("businessName, the name in Chinese", "businessName（中文名称）"),
            chinese=True,
        )
        _words(
            view,
            (*path, "description"),
            where,
            Said("description, the meaning in English", "description（英文含义）"),
            chinese=False,
        )


def _identity(view: View, around: Around) -> None:
    note = view.document.problem
    if view.id and (not SNAKE.fullmatch(view.id) or len(view.id) > MAX_NAME or "_" not in view.id):
        note(
            errors.NameWrong,
            ("id",),
            what=Said("the id", "标识"),
            name=view.id[:80],
            reason=Said(
                "it is <domain>_<plural noun> in snake_case, at most 60 characters",
                "应为 <领域>_<复数名词>，小写字母加下划线，最多 60 个字符",
            ),
        )
    if view.id and view.id != around.stem:
        note(
            errors.NameWrong,
            ("id",),
            what=Said("the id", "标识"),
            name=view.id[:80],
            reason=Said(
                f"the file is called {around.stem}.odcs.yaml; both must agree",
                f"文件名为 {around.stem}.odcs.yaml，两者须一致",
            ),
        )
    domain = view.text(("domain",))
    if not domain:
        note(
            errors.Missing,
            (),
            where=Said("the contract", "数据契约"),
            what="domain",
            why=Said("the folder under feeds/ it lies in", "即文件所在的 feeds/ 下的目录名"),
        )
    elif domain != around.folder or not SNAKE.fullmatch(domain):
        note(
            errors.NameWrong,
            ("domain",),
            what=Said("the domain", "领域"),
            name=domain[:80],
            reason=Said(
                f"the file lies in the folder {around.folder}; both must agree",
                f"文件位于目录 {around.folder}，两者须一致",
            ),
        )
    elif view.id and not view.id.startswith(f"{domain}_"):
        note(
            errors.NameWrong,
            ("id",),
            what=Said("the id", "标识"),
            name=view.id[:80],
            reason=Said(f"it begins with its domain, {domain}_", f"应以领域 {domain}_ 开头"),
        )
    version = view.text(("version",))
    if version and not _VERSION.fullmatch(version):
        note(
            errors.NameWrong,
            ("version",),
            what=Said("the version", "版本"),
            name=version[:80],
            reason=Said("it is <major>.<minor>.<patch>, in quotes", "应为 <主>.<次>.<修订>，并加引号"),
        )
    status = view.text(("status",))
    if status not in _STATUSES:
        note(
            errors.NameWrong,
            ("status",),
            what=Said("the status", "状态"),
            name=status[:80],
            reason=Said(f"it is one of {', '.join(_STATUSES)}", f"应为 {'、'.join(_STATUSES)} 之一"),
        )


def _topic(view: View) -> None:
    topic = view.hub(()).get("topic")
    if not isinstance(topic, str):
        return
    path = view.hub_path((), "topic")
    match = _TOPIC.fullmatch(topic)
    if match is None or len(topic) > 200:
        view.document.problem(
            errors.NameWrong,
            path,
            what=Said("the topic", "主题"),
            name=topic[:80],
            reason=Said("it is hub.<area>.<thing>[.<scope>].v<major>", "应为 hub.<领域>.<事物>[.<范围>].v<主版本>"),
        )
        return
    if match[1] != view.text(("domain",)):
        view.document.problem(
            errors.NameWrong,
            path,
            what=Said("the topic", "主题"),
            name=topic,
            reason=Said("its area is the contract's domain", "其领域应与契约的 domain 一致"),
        )
    major = view.text(("version",)).split(".", 1)[0]
    if match[3] != major:
        view.document.problem(
            errors.NameWrong,
            path,
            what=Said("the topic", "主题"),
            name=topic,
            reason=Said(f"it ends in .v{major}, the major version", f"应以主版本 .v{major} 结尾"),
        )


def _field(view: View, path: Path_, name: str, kind: str, seen: dict[str, int]) -> None:
    def wrong(reason: str) -> None:
        view.document.problem(
            errors.NameWrong, (*path, "name"), what=Said("the field", "字段"), name=name[:80], reason=reason
        )

    if name in seen:
        wrong(Said(f"another field has that name (line {seen[name]})", f"另一字段已用此名（第 {seen[name]} 行）"))
    seen.setdefault(name, view.document.place((*path, "name"))[0])
    if not SNAKE.fullmatch(name) or len(name) > MAX_NAME:
        wrong(
            Said(
                "it is snake_case (a-z, 0-9, _), at most 60 characters",
                "应为小写字母、数字和下划线（a-z、0-9、_），最多 60 个字符",
            )
        )
        return
    for pattern, due, reason in SUFFIXES:
        named = re.fullmatch(pattern, name) is not None
        if named and kind != due:
            wrong(Said(f"{reason}, but this is a {kind}", f"{zh(reason)}，而该字段为 {kind}"))
        if not named and kind == due and due != "string":
            wrong(Said(f"{reason}, and this is a {kind}", f"{zh(reason)}，而该字段为 {kind}"))
    own = view.hub(path)
    if own.get("code_list") and not name.endswith("_code"):
        wrong(Said("a field with a code list ends in _code", "带代码表的字段应以 _code 结尾"))
    money = re.fullmatch(r"amount(_[a-z0-9]+)*_cny", name) is not None
    if (name.endswith("_cny") and (not money or kind != "number" or not own.get("unit"))) or (
        own.get("unit") in ("yuan", "qian_yuan", "wan_yuan", "million_yuan", "yi_yuan", "fen") and not money
    ):
        view.document.problem(errors.AmountWrong, (*path, "name"), field=name[:80])


def _words(view: View, path: Path_, where: str, what: str, *, chinese: bool) -> None:
    value = view.document.get(path)
    pattern = _HAN if chinese else _LATIN
    if not isinstance(value, str) or not pattern.search(value):
        if path not in view.document.lines:
            path = path[:-1]
        view.document.problem(
            errors.Missing,
            path,
            where=where,
            what=what,
            why=Said("every label a person sees exists in Chinese and English", "给人看的名称须同时有中文和英文"),
        )
