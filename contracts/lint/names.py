"""Names: ids, files, folders, fields, topics, labels."""

from __future__ import annotations

import re

from contracts import errors
from contracts.lint.around import Around
from contracts.view import View
from contracts.yaml_strict import Path_

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 60  # PostgreSQL keeps 63 bytes of an identifier; a few are left for prefixes
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_TOPIC = re.compile(r"hub\.([a-z][a-z0-9_]*)\.[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_-]*)?\.v([1-9]\d*|0)")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]{2}")
_STATUSES = ("proposed", "draft", "active", "deprecated", "retired")

SUFFIXES: tuple[tuple[str, str, str], ...] = (
    (r".+_on", "date", "_on is the ending of dates"),
    (r".+_at", "timestamp", "_at is the ending of instants"),
    (r"(is|has)_.+", "boolean", "is_ and has_ begin truth values"),
    (r".+_code", "string", "_code is the ending of codes, which are text"),
)


def check(view: View, around: Around) -> None:
    """Names of the contract, its fields and its topic, and the words for people."""
    _identity(view, around)
    _topic(view)
    _words(view, ("name",), "name", "the English name", chinese=False)
    _words(view, ("description", "purpose"), "description.purpose", "the purpose in English", chinese=False)
    for name in ("name_zh", "purpose_zh"):
        _words(view, view.hub_path((), name), f"hub.{name}", "words in Chinese", chinese=True)
    seen: dict[str, int] = {}
    for path, entry in view.properties:
        called = entry.get("name")
        if isinstance(called, str):
            _field(view, path, called, str(entry.get("logicalType")), seen)
        where = f"the field {called}"
        _words(view, (*path, "businessName"), where, "businessName, the name in Chinese", chinese=True)
        _words(view, (*path, "description"), where, "description, the meaning in English", chinese=False)


def _identity(view: View, around: Around) -> None:
    note = view.document.problem
    if view.id and (not SNAKE.fullmatch(view.id) or len(view.id) > MAX_NAME or "_" not in view.id):
        note(
            errors.NameWrong,
            ("id",),
            what="the id",
            name=view.id[:80],
            reason="it is <domain>_<plural noun> in snake_case, at most 60 characters",
        )
    if view.id and view.id != around.stem:
        note(
            errors.NameWrong,
            ("id",),
            what="the id",
            name=view.id[:80],
            reason=f"the file is called {around.stem}.odcs.yaml; both must agree",
        )
    domain = view.text(("domain",))
    if not domain:
        note(errors.Missing, (), where="the contract", what="domain", why="the folder under feeds/ it lies in")
    elif domain != around.folder or not SNAKE.fullmatch(domain):
        note(
            errors.NameWrong,
            ("domain",),
            what="the domain",
            name=domain[:80],
            reason=f"the file lies in the folder {around.folder}; both must agree",
        )
    elif view.id and not view.id.startswith(f"{domain}_"):
        note(
            errors.NameWrong, ("id",), what="the id", name=view.id[:80], reason=f"it begins with its domain, {domain}_"
        )
    version = view.text(("version",))
    if version and not _VERSION.fullmatch(version):
        note(
            errors.NameWrong,
            ("version",),
            what="the version",
            name=version[:80],
            reason="it is <major>.<minor>.<patch>, in quotes",
        )
    status = view.text(("status",))
    if status not in _STATUSES:
        note(
            errors.NameWrong,
            ("status",),
            what="the status",
            name=status[:80],
            reason=f"it is one of {', '.join(_STATUSES)}",
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
            what="the topic",
            name=topic[:80],
            reason="it is hub.<area>.<thing>[.<scope>].v<major>",
        )
        return
    if match[1] != view.text(("domain",)):
        view.document.problem(
            errors.NameWrong, path, what="the topic", name=topic, reason="its area is the contract's domain"
        )
    major = view.text(("version",)).split(".", 1)[0]
    if match[3] != major:
        view.document.problem(
            errors.NameWrong, path, what="the topic", name=topic, reason=f"it ends in .v{major}, the major version"
        )


def _field(view: View, path: Path_, name: str, kind: str, seen: dict[str, int]) -> None:
    def wrong(reason: str) -> None:
        view.document.problem(errors.NameWrong, (*path, "name"), what="the field", name=name[:80], reason=reason)

    if name in seen:
        wrong(f"another field has that name (line {seen[name]})")
    seen.setdefault(name, view.document.place((*path, "name"))[0])
    if not SNAKE.fullmatch(name) or len(name) > MAX_NAME:
        wrong("it is snake_case (a-z, 0-9, _), at most 60 characters")
        return
    for pattern, due, reason in SUFFIXES:
        named = re.fullmatch(pattern, name) is not None
        if named and kind != due:
            wrong(f"{reason}, but this is a {kind}")
        if not named and kind == due and due != "string":
            wrong(f"{reason}, and this is a {kind}")
    own = view.hub(path)
    if own.get("code_list") and not name.endswith("_code"):
        wrong("a field with a code list ends in _code")
    money = re.fullmatch(r"amount(_[a-z0-9]+)*_cny", name) is not None
    if name.endswith("_cny") and (not money or kind != "number" or not own.get("unit")):
        wrong("an amount in 元 is called amount[_<of what>]_cny, is a number, and states hub.unit")
    if own.get("unit") in ("yuan", "qian_yuan", "wan_yuan", "million_yuan", "yi_yuan", "fen") and not money:
        wrong("an amount in 元 is called amount[_<of what>]_cny")


def _words(view: View, path: Path_, where: str, what: str, *, chinese: bool) -> None:
    value = view.document.get(path)
    pattern = _HAN if chinese else _LATIN
    if not isinstance(value, str) or not pattern.search(value):
        if path not in view.document.lines:
            path = path[:-1]
        view.document.problem(
            errors.Missing, path, where=where, what=what, why="every label a person sees exists in Chinese and English"
        )
