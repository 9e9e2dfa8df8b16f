"""YAML as contracts may use it: a strict subset in which a value can't mean two things.

Refused, each with line and column: duplicate keys, anchors, aliases, tags, merge keys, several documents, tabs and
control characters, deep or huge documents, and plain scalars that some YAML reader takes for something else than
the writer meant (`0123456`, `110000_2`, `2024-03-01`, `NO`, `12:30`, `~`). What may stand without quotes is a
plain decimal number, `true`, `false`, `null`, and text that nobody can misread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contracts import errors
from contracts.errors import ContractProblem
from hub.said import Said, by_system

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 30
MAX_VALUES = 50_000

Path_ = tuple[str | int, ...]

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_MAX_DIGITS = 18  # beyond it a number does not survive every reader; an identifier is meant
_NUMBER_LIKE = re.compile(
    r"[-+]?(0[0-9_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+]?[0-9]+)?)"
)
_SPECIAL_NUMBER = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)
_DATE_LIKE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_TRUTH_LIKE = re.compile(r"y|n|yes|no|on|off|true|false", re.IGNORECASE)
_NULL_LIKE = re.compile(r"~|null|", re.IGNORECASE)
_FORBIDDEN = re.compile("[\x00-\x08\x09\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufeff\ufffe\uffff]")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what an escape can write and neither UTF-8 nor PostgreSQL holds


@dataclass(slots=True)
class Document:
    """A contract file as read: plain data, and where each value and key stands."""

    file: str
    data: Any = None
    lines: dict[Path_, tuple[int, int]] = field(default_factory=dict)  # path of a value -> line, column of its key
    problems: list[ContractProblem] = field(default_factory=list)
    complete: bool = True  # False: the rest of the file was not looked at

    def place(self, path: Path_) -> tuple[int, int]:
        """Line and column of a path, or of the nearest thing above it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, (1, 1))

    def problem(self, kind: type[ContractProblem], path: Path_, /, **facts: Any) -> None:
        """Notes a problem at a path."""
        line, column = self.place(path)
        self.problems.append(kind(file=self.file, line=line, column=column, **facts))

    def get(self, path: Path_, default: Any = None) -> Any:
        """The value at a path, or `default`."""
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return default
        return value


def read_bytes(path: Path, *, file: str) -> tuple[bytes, Document]:
    """The file's bytes, bounded, and an empty document that says why where they can't be had."""
    document = Document(file)
    try:
        if path.is_file() and (size := path.stat().st_size) <= MAX_BYTES:
            with path.open("rb") as stream:
                return stream.read(MAX_BYTES + 1), document
        reason: str = Said("it is not a file", "不是文件")
        if path.is_file():
            reason = Said(f"it has {size:,} bytes", f"有 {size:,} 字节")
    except OSError as error:
        reason = by_system(error)
    document.complete = False
    document.problem(errors.FileUnreadable, (), reason=reason)
    return b"", document


def parse(data: bytes, *, file: str) -> Document:
    """Reads a contract's bytes. Never raises for what the bytes hold: `problems` says it."""
    document = Document(file)
    text = _text(data, document)
    if text is None:
        document.complete = False
        return document
    try:
        _Builder(document).build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.problems.append(errors.YamlBroken(file=file, line=line, column=column, reason=_parser_words(error)))
        document.complete = False
    return document


_PARSER: tuple[tuple[str, str], ...] = (
    ("mapping values are not allowed", "此处不得出现“键: 值”：多半是缩进有误，或文本中的冒号未加引号"),
    ("could not find expected ':'", "缺少冒号：多半是键后漏写“:”，或引号没有闭合"),
    ("did not find expected key", "此处应为键：多半是缩进与上一行不齐"),
    ("did not find expected '-' indicator", "列表项应以“-”开头：多半是缩进与上一项不齐"),
    ("did not find expected ',' or", "方括号或花括号内缺少逗号或没有闭合"),
    ("did not find expected node content", "括号内缺少内容"),
    ("did not find expected <document start>", "此处多出内容：多半是缩进有误"),
    ("unexpected end of stream", "文件提前结束：引号没有闭合"),
    ("cannot start any token", "该字符不能作为值的开头，请加引号"),
    ("unknown escape character", "双引号内的转义字符无效"),
    ("block sequence entries are not allowed", "此处不得开始列表：请另起一行并缩进"),
    ("did not find expected alphabetic", "“&”与“*”在此有特殊含义，请给文本加引号"),
)
"""What the parser says most often, by a part of its sentence."""


def _parser_words(error: yaml.YAMLError) -> Said:
    """The parser's own words, and what they mean in Chinese."""
    problem = str(getattr(error, "problem", None) or "it can't be parsed")
    context = getattr(error, "context", None)
    english = f"{problem} ({context})" if context else problem
    known = next((chinese for part, chinese in _PARSER if part in problem), None)
    return Said(english, known or f"语法有误（解析器原文：{english}）")


def _text(data: bytes, document: Document) -> str | None:
    if len(data) > MAX_BYTES:
        document.problem(
            errors.FileUnreadable, (), reason=Said(f"it has more than {MAX_BYTES:,} bytes", f"超过 {MAX_BYTES:,} 字节")
        )
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        document.problems.append(
            errors.FileUnreadable(
                file=document.file,
                line=line,
                column=1,
                reason=Said(f"byte {error.start} is not UTF-8 text", f"第 {error.start} 字节不是 UTF-8 文本"),
            )
        )
        return None
    found = False
    for number, line_text in enumerate(text.split("\n"), 1):
        match = _FORBIDDEN.search(line_text)
        if match:
            found = True
            document.problems.append(
                errors.CharacterForbidden(
                    file=document.file,
                    line=number,
                    column=match.start() + 1,
                    character="TAB" if match.group() == "\t" else f"U+{ord(match.group()):04X}",
                )
            )
            if len(document.problems) >= 20:
                break
    return None if found else text


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being filled."""

    value: dict[str, Any] | list[Any]
    path: Path_
    key: str | None = None  # of a mapping: the key that waits for its value
    key_lines: dict[str, int] = field(default_factory=dict)


class _Stop(Exception):
    """Enough was seen; the problem is noted."""


class _Builder:
    """Builds plain data from parser events, without recursion, so that no depth can hurt it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.stack: list[_Open] = []
        self.values = 0
        self.documents = 0

    def build(self, text: str) -> None:
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        try:
            for event in yaml.parse(text, Loader=loader):
                self.event(event)
        except _Stop:
            self.document.complete = False
        if self.documents == 0 and self.document.complete:
            self.document.complete = False
            self.document.problem(errors.YamlBroken, (), reason=Said("the file is empty", "文件为空"))

    def event(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(errors.YamlForbidden, event, feature=Said("a second document (---)", "第二个文档（---）"))
            if event.tags or event.version:
                self.note(errors.YamlForbidden, event, feature=Said("a % directive", "% 指令"))
        elif isinstance(event, yaml.AliasEvent):
            self.stop(
                errors.YamlForbidden,
                event,
                feature=Said(f"an alias (*{str(event.anchor)[:40]})", f"别名（*{str(event.anchor)[:40]}）"),
            )
        elif isinstance(event, yaml.NodeEvent):
            self.node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()

    def node(self, event: Any) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            self.stop(errors.TooDeep, event, what=Said(f"beyond {MAX_VALUES:,} values", f"超过 {MAX_VALUES:,} 个值"))
        if event.anchor is not None:
            self.note(
                errors.YamlForbidden,
                event,
                feature=Said(f"an anchor (&{event.anchor[:40]})", f"锚点（&{event.anchor[:40]}）"),
            )
        if event.tag is not None and event.tag != "!":
            self.note(
                errors.YamlForbidden, event, feature=Said(f"a tag ({event.tag[:60]})", f"标签（{event.tag[:60]}）")
            )
        if isinstance(event, yaml.ScalarEvent):
            strange = _NO_TEXT.search(event.value)
            if strange:
                self.note(errors.CharacterForbidden, event, character=f"U+{ord(strange.group()):04X}")
            top = self.stack[-1] if self.stack else None
            if top is not None and isinstance(top.value, dict) and top.key is None:
                self.open_key(top, event)
            else:
                self.put(event, self.scalar(event))
            return
        if len(self.stack) >= MAX_DEPTH:
            self.stop(errors.TooDeep, event, what=Said(f"nested beyond {MAX_DEPTH} levels", f"嵌套超过 {MAX_DEPTH} 层"))
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            self.stop(errors.YamlForbidden, event, feature=Said("a list or mapping as a key", "以列表或映射作键"))
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self.put(event, value)
        self.stack.append(_Open(value, path))

    def open_key(self, top: _Open, event: Any) -> None:
        key = event.value
        line = event.start_mark.line + 1
        if not event.style:  # plain: the C parser says "", the Python one None
            if key == "<<":
                self.note(errors.YamlForbidden, event, feature=Said("a merge key (<<)", "合并键（<<）"))
            elif _meaning(key) is not None or _PLAIN_NUMBER.fullmatch(key):
                meaning = _meaning(key) or ("a number", "数值")
                self.note(errors.Unquoted, event, text=key[:60], meaning=Said(*meaning))
        if key in top.key_lines:
            self.note(errors.DuplicateKey, event, key=key[:60], first_line=top.key_lines[key])
        else:
            top.key_lines[key] = line
        top.key = key
        self.document.lines[(*top.path, key)] = (line, event.start_mark.column + 1)

    def put(self, event: Any, value: Any) -> Path_:
        """Puts a value where it belongs and returns its path."""
        here = (event.start_mark.line + 1, event.start_mark.column + 1)
        if not self.stack:
            self.document.data = value
            self.document.lines[()] = here
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            path: Path_ = (*top.path, len(top.value))
            top.value.append(value)
            self.document.lines[path] = here
            return path
        assert top.key is not None
        key, top.key = top.key, None
        top.value.setdefault(key, value)  # of a duplicate, which is noted, the first stays
        return (*top.path, key)

    def scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style:  # quoted or a block: text
            return text
        if text in ("true", "false"):
            return text == "true"
        if text == "null":
            return None
        meaning = _meaning(text)
        if meaning is not None:
            self.note(errors.Unquoted, event, text=text[:60], meaning=Said(*meaning))
            return text
        if _PLAIN_NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def note(self, kind: type[ContractProblem], event: Any, **facts: Any) -> None:
        mark = event.start_mark
        self.document.problems.append(
            kind(file=self.document.file, line=mark.line + 1, column=mark.column + 1, **facts)
        )
        if len(self.document.problems) >= 200:
            raise _Stop

    def stop(self, kind: type[ContractProblem], event: Any, **facts: Any) -> None:
        self.note(kind, event, **facts)
        raise _Stop


_READINGS: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = (
    (_NUMBER_LIKE, ("a number", "数值")),
    (_SPECIAL_NUMBER, ("a number", "数值")),
    (_DATE_LIKE, ("a date", "日期")),
    (_TRUTH_LIKE, ("a truth value", "真假值")),
    (_NULL_LIKE, ("no value", "空值")),
)


def _meaning(text: str) -> tuple[str, str] | None:
    """What another reader may take a plain scalar for, en and zh; None when nobody can misread it."""
    if text in ("true", "false", "null"):
        return None
    if _PLAIN_NUMBER.fullmatch(text):
        return ("a number beyond what readers keep exactly", "超出精确范围的数值") if len(text) > _MAX_DIGITS else None
    return next((meaning for pattern, meaning in _READINGS if pattern.fullmatch(text)), None)
