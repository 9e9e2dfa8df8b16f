"""Every remedy can be followed: the commands, settings and files that an error names are there."""

import re

import pytest

from hub.cli import commands_on_disk, load_command
from hub.errors import HubException
from hub.reference import every_error
from hub.settings import ROOT, Settings

ERRORS = every_error()
SETTINGS = {f"HUB_{name.upper()}" for name in Settings.model_fields}
_COMMAND = re.compile(r"`hub ([^`]+)`")
_FILE = re.compile(r"\b(?:docs|contracts|connectors|docker|requirements)/[\w./-]+\.(?:md|py|toml|csv|in)\b")
_CHORE = re.compile(r"`make (\w+)")


def texts(error: type[HubException]) -> str:
    return "\n".join((error.en, error.zh, error.remedy_en, error.remedy_zh))


def problem_of(words: list[str]) -> str:
    """Why a command line can't be given so, or empty."""
    found = commands_on_disk()
    if words[0].startswith("-"):
        return ""
    if words[0] not in found:
        return f"there is no command {words[0]}"
    command, rest = load_command(found[words[0]]), words[1:]
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"there is no {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    # Options that a named person must give have an empty default and are asked for when the command runs.
    owed = {parameter.opts[0] for parameter in command.params if parameter.opts[0] in ("--operator", "--reason")}
    owed = {option for option in owed if any(p.opts[0] == option and p.default == "" for p in command.params)}
    if owed - set(rest) and any(word.startswith("--") and word != "--help" for word in rest):
        return f"it needs {', '.join(sorted(owed - set(rest)))}"
    strange = [word for word in rest if word.startswith("--") and word != "--help" and word not in options]
    return f"there is no option {strange[0]}" if strange else ""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_what_an_error_names_is_there(error: type[HubException]) -> None:
    said = texts(error)
    for line in _COMMAND.findall(said):
        assert problem_of(line.split()) == "", f"{error.code} says `hub {line}`"
    assert set(re.findall(r"\bHUB_[A-Z][A-Z_]+[A-Z]", said)) <= SETTINGS
    for name in _FILE.findall(said):
        assert (ROOT / name).exists(), f"{error.code} names {name}"
    chores = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(_CHORE.findall(said)) <= chores


def test_a_line_that_can_t_be_given_is_found() -> None:
    assert problem_of(["contract", "lint", "x"]) == ""
    assert "no command" in problem_of(["contracts", "lint"])
    assert "no lintt" in problem_of(["contract", "lintt"])
    assert "needs --operator, --reason" in problem_of(["relay", "rebase", "x", "--to", "first"])
    assert "no option --al" in problem_of(["contract", "list", "--al"])
