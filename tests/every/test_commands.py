"""Every command found on disk: it loads, helps, offers --json, and is described."""

import re
from importlib import import_module
from typing import get_args

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from hub import options
from hub.cli import Command, commands_on_disk, load_command, shell
from hub.errors import OptionTwice, ParameterWrong


def leaves(name, command):
    """All runnable commands below a group, by their full name; a group without members is one itself, as `hub doctor`."""
    members = getattr(command, "commands", None)
    if not members:
        yield name, command
        return
    for key, member in members.items():
        yield from leaves(f"{name} {key}", member)


ALL = [
    (full, leaf)
    for name, found in sorted(commands_on_disk().items())
    for full, leaf in leaves(name, load_command(found))
]


def test_the_kernels_commands_are_found() -> None:
    assert {"stack", "doctor", "contract", "feed", "relay", "topic", "quarantine", "batch", "trace"} <= set(
        commands_on_disk()
    )


@pytest.mark.parametrize("command", commands_on_disk().values(), ids=lambda c: c.name)
def test_a_command_file_says_what_it_is_for(command: Command) -> None:
    assert len(command.help) > 10
    assert not command.help.startswith("TODO")


@pytest.mark.parametrize(("full", "leaf"), ALL, ids=[full for full, _ in ALL])
def test_every_command_has_json_and_help(full, leaf) -> None:
    options = {option for parameter in leaf.params for option in parameter.opts}
    assert "--json" in options, f"`hub {full}` has no --json"
    result = CliRunner().invoke(shell, [*full.split(), "--help"])
    assert result.exit_code == 0, result.output
    assert (leaf.help or "").strip(), f"`hub {full}` has no help text"


GROUPS = [found for found in commands_on_disk().values() if getattr(load_command(found), "commands", None)]


@pytest.mark.parametrize("found", GROUPS, ids=lambda found: found.name)
def test_a_group_s_first_line_names_all_of_its_commands(found) -> None:
    members = load_command(found).commands
    done = CliRunner().invoke(shell, [found.name, "--help"], env={"COLUMNS": "400"})
    first = next(line for line in done.stdout.splitlines()[2:] if line.strip())
    assert [name for name in members if not re.search(rf"\b{name}\b", first)] == [], first
    # `hub --help` reads the files alone: one that lists commands lists all of its own.
    for module in (found.module, *found.more):
        line = (import_module(module).__doc__ or "").splitlines()[0].rstrip(".")
        own = set(getattr(get_command(import_module(module).app), "commands", {}))
        named = {name for name in own if re.search(rf"\b{name}\b", line)}
        assert not named or named == own, f"{module}: {own - named} is missing in its first line"


def options_of(leaf, *, several):
    """The options of a command that take a list, or those that take one value; flags are neither."""
    return [
        one
        for one in leaf.params
        if one.param_type_name == "option" and not one.is_flag and not one.count and one.multiple == several
    ]


LISTS = [(full, leaf, one) for full, leaf in ALL for one in options_of(leaf, several=True)]


@pytest.mark.parametrize(("full", "leaf"), ALL, ids=[full for full, _ in ALL])
def test_an_option_that_takes_one_value_is_refused_twice(full, leaf) -> None:
    for option in options_of(leaf, several=False):
        for name in option.opts:
            done = CliRunner().invoke(shell, [*full.split(), name, "1", option.opts[0], "2"])
            assert isinstance(done.exception, OptionTwice), (full, name, done.output)
            assert done.exception.exit_code == 2 and f"`hub {full}`" in done.exception.sentence()


@pytest.mark.parametrize(("full", "leaf", "option"), LISTS, ids=[f"{full} {one.opts[0]}" for full, _, one in LISTS])
def test_an_option_that_takes_a_list_takes_repeats_and_commas(full, leaf, option) -> None:
    due = [word for one in leaf.params if one.required and one is not option for word in given(one)]
    name = option.opts[0]
    with leaf.make_context(full, [*due, name, "a, b", name, "c", name, "a"]) as ctx:
        assert ctx.params[option.name] == ["a", "b", "c"]
    with pytest.raises(ParameterWrong), leaf.make_context(full, [*due, name, " , "]):
        pass
    assert option.help.endswith(options.SEVERAL), f"`hub {full} {name}` does not say so"


def given(parameter):
    """A required parameter as it is typed, with some value."""
    value = "1" if parameter.bare_type() == "int" else "x"
    return [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]


def test_the_options_that_take_a_list() -> None:
    assert {(full, one.opts[0]) for full, _, one in LISTS} >= {("stack up", "--only"), ("stack up", "--without")}


UNSIGNED = {
    # They look, and change nothing of the hub.
    **dict.fromkeys(
        [
            "agency list",
            "agency show",
            "alarm list",
            "batch list",
            "batch show",
            "batch receipt",
            "contract plan",
            "contract versions",
            "contract diff",
            "contract gate",
            "contract list",
            "contract show",
            "contract rules",
            "contract properties",
            "contract codes",
            "docs serve",
            "doctor",
            "feed status",
            "feed list",
            "quarantine list",
            "quarantine show",
            "receipt show",
            "receipt keys",
            "receipt verify",
            "relay status",
            "relay lost",
            "service list",
            "service check",
            "source list",
            "source check",
            "source options",
            "stack status",
            "takedown list",
            "topic schema",
            "topic lag",
            "topic list",
            "topic describe",
            "topic tail",
            "topic readers",
            "topic dead list",
            "topic dead show",
            "trace",
            "worker status",
        ],
        "looks",
    ),
    "alarm check": "looks as the DAG does every five minutes, and tells what it sees",
    "contract lint": "checks files and refreshes a cache that anyone may delete",
    "feed run": "takes what the schedule would take; who gives a file by hand may say so",
    "feed new": "writes one new file, which is reviewed before it is merged",
    "feed cursor": "shows; with --reset or --to it demands both",
    "quarantine export": "writes the file that it is told to",
    "report feed": "writes the file that it is told to",
    "topic asyncapi": "writes the file that it is told to",
    "agency keygen": "writes two new files, on the agency's side",
    "gateway serve": "a part that runs",
    "relay serve": "a part that runs",
    "relay run": "does what the part that runs would do",
    "relay rebase": "with --dry-run it only says what it would do; without, it demands both",
    "worker serve": "a part that runs",
    "worker run": "does what the part that runs would do",
    "service run": "a part that runs",
    "stack up": "the machine's own parts",
    "stack down": "the machine's own parts",
    "backup": "copies to a folder for its owner alone; a timer runs it",
    "restore": "fills an empty database, before which there is nowhere to note anything",
}
"""Commands that nobody signs, each with the reason; all others change something that a named person must answer for."""


@pytest.mark.parametrize(("full", "leaf"), ALL, ids=[full for full, _ in ALL])
def test_who_changes_something_says_who_and_why(full, leaf) -> None:
    demanded = {one.opts[0] for one in leaf.params if one.required} >= {"--operator", "--reason"}
    assert demanded != (full in UNSIGNED), (
        f"`hub {full}`: demand --operator and --reason, or list it here with the reason"
    )


def test_the_commands_that_nobody_signs_are_there() -> None:
    assert not UNSIGNED.keys() - {full for full, _ in ALL}


OF_ITS_OWN = {"hub feed run": {"--operator"}, "hub feed snapshot": {"--operator", "--reason"}}
"""Where a name or a reason is asked for another thing than a decision."""


@pytest.mark.parametrize(("full", "leaf"), ALL, ids=[full for full, _ in ALL])
def test_who_decides_and_why_is_asked_in_the_same_words(full, leaf) -> None:
    due = {
        "--operator": (options.Operator, options.OperatorInReceipt),
        "--reason": (options.Reason, options.ReasonInReceipt),
    }
    for parameter in leaf.params:
        for name in set(parameter.opts) & (due.keys() - OF_ITS_OWN.get(f"hub {full}", set())):
            said = [get_args(one)[1].help for one in due[name]]
            assert any(parameter.help.startswith(text) for text in said), f"`hub {full} {name}`: {parameter.help}"
