"""Every hub command that the product tells somebody to type: it exists, so do its options, and what it needs is there.

Told are: the sentences and remedies of all error leaves, every text in the code, and the pages a newcomer reads.
"""

from __future__ import annotations

import ast
import re
import shlex
import string
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from typer._click import Context
from typer._click.exceptions import ClickException

from hub.cli import PACKAGES, commands_on_disk, load_command
from hub.reference import every_error
from hub.settings import ROOT

PAGES = (
    "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/places.md", "docs/errors.md", "docs/settings.md", "docs/seeing.md",
    "docs/add-a-feed.md", "docs/add-a-feed.zh-CN.md", "docs/operate.md", "docs/operate.zh-CN.md", "docs/backup.md", "docs/backup.zh-CN.md",
)  # fmt: skip
QUOTED = re.compile(r"`(?:\.venv/bin/)?(hub [^`]+)`")
NEXT = re.compile(r"^(hub [a-z].*)$")
TYPED = re.compile(r"^\s*\.venv/bin/(hub [^#\n]*)", re.MULTILINE)


def in_errors() -> Iterator[tuple[str, str]]:
    for error in every_error():
        texts = (error.en, error.zh, error.remedy_en, error.remedy_zh)
        names = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
        # A fact that is itself a command line or a path of commands is given as such.
        facts = dict.fromkeys(names, "x") | dict.fromkeys(names & {"parent"}, "hub")
        facts |= dict.fromkeys(names & {"command"}, "hub stack status")
        filled = error(**facts)
        for lang in ("en", "zh"):
            for text in (filled.sentence(lang), filled.remedy(lang)):
                yield from ((error.code, command) for command in QUOTED.findall(text))


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Every text of a module that is no docstring; what an f-string fills in is a constant, its own or of another module of ours, or `x`."""
    fixed = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES:
            theirs = import_module(node.module)
            fixed |= {
                alias.asname or alias.name: getattr(theirs, alias.name) for alias in node.names if alias.name.isupper()
            }
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            told |= {id(part) for part in node.values}
            yield "".join(_part(part, fixed) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def _part(part: ast.expr, fixed: dict[str, Any]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return str(fixed.get(part.value.id, "x")) if isinstance(part.value, ast.Name) else "x"


def in_code() -> Iterator[tuple[str, str]]:
    for package in (*PACKAGES, "demo"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name == "errors.py" or path.parent == ROOT / "contracts" / "feeds":
                continue
            for text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                for command in QUOTED.findall(text):
                    yield str(path.relative_to(ROOT)), re.sub(r"\{\w*\}", "x", command)
                # A next line is a whole text of its own.
                for command in NEXT.findall(text):
                    if (
                        command.split()[1] in commands_on_disk() and "@" not in command
                    ):  # hub relay 7@host: a holder's name
                        yield str(path.relative_to(ROOT)), command


def in_pages() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for command in (*QUOTED.findall(text), *TYPED.findall(text)):
            yield page, command.partition(" || ")[0].replace("<n+1>", "n").replace("{", "").replace("}", "")


FOUND = sorted({(where, command.strip()) for find in (in_errors, in_code, in_pages) for where, command in find()})
MENTIONED = (".md", ".py")
"""Where a command may be spoken of by its bare name; an error's remedy is there to be typed."""


def test_commands_are_found_where_they_are_told() -> None:
    places = {where for where, _ in FOUND}
    assert {"README.md", "docs/errors.md", "HUB-QUA-003", "HUB-EXC-020", "warehouse/commands/quarantine.py"} <= places
    assert len(FOUND) > 150


@pytest.mark.parametrize(("where", "command"), FOUND, ids=[f"{where}: {command}" for where, command in FOUND])
def test_a_command_that_is_told_can_be_typed(where: str, command: str) -> None:
    words = shlex.split(command)[1:]
    if words in (["--help"], ["COMMAND"]):
        return
    assert words[0] in commands_on_disk(), f"{where}: there is no command {words[0]}"
    leaf: Any = load_command(commands_on_disk()[words.pop(0)])
    while getattr(leaf, "commands", None):
        if words in (["--help"], ["COMMAND"]):
            return
        assert words, f"{where}: `{command}` is only a group of commands"
        assert words[0] in leaf.commands, f"{where}: `{command}`: there is no command {words[0]}"
        leaf = leaf.commands[words.pop(0)]
    if words == ["--help"] or (not words and where.endswith(MENTIONED)):
        return
    try:
        given, beyond, _ = leaf.make_parser(Context(leaf)).parse_args(list(words))
    except (ClickException, typer.BadParameter) as error:
        raise AssertionError(f"{where}: `{command}`: {error}") from None
    assert not beyond, f"{where}: `{command}` takes no {beyond}"
    there = {name for name, value in given.items() if value not in (None, (), "")}
    missing = [one.name for one in leaf.params if one.required and one.name not in there]
    assert not missing, f"{where}: `{command}` lacks {missing}"
    takes = {one.name for one in leaf.params}
    if {"batch", "last"} <= takes and "feed" not in takes:
        assert {"batch", "last"} & there, f"{where}: `{command}` names no batch"
    if {"key", "batch", "row"} <= takes:
        assert "key" in there or {"batch", "row"} <= there, f"{where}: `{command}` names no record"
    acts = {"reset", "to"} & there if "reset" in takes else not {"dry_run"} & there
    if {"operator", "reason"} <= takes and "file" not in takes - there and acts:
        assert {"operator", "reason"} <= there, f"{where}: `{command}` lacks --operator or --reason"
