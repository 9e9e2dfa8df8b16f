"""What went wrong with the typing of a command: click's exceptions as errors of the hub, with code, remedy and exit code 2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from typer._click import exceptions as click
from typer._click.core import Context

from hub.errors import (
    AgencyError,
    CommandNotFound,
    HubError,
    HubException,
    OptionNotFound,
    ParameterMissing,
    ParameterWrong,
    TransientError,
    UsageError,
)
from hub.nearest import told as near_told
from hub.said import Said

EXIT_CODES: tuple[tuple[int, str, str], ...] = (
    (0, "done, and all is well", "完成，一切正常"),
    (
        AgencyError.exit_code,
        "done, but what was looked at is not well, or the sender must act",
        "已执行，但所查内容有问题，或须由报送方处理",
    ),
    (UsageError.exit_code, "the command was mistyped; nothing was done", "命令有误，未作任何处理"),
    (HubError.exit_code, "the hub's side must act: the error says how", "须由枢纽方处理，错误信息说明办法"),
    (TransientError.exit_code, "something was away; run it again", "暂时不可用，请重试"),
    (130, "interrupted (Ctrl-C)", "被中断(Ctrl-C)"),
)
"""Exit code, English, Chinese: the same for every command."""


def exit_codes() -> str:
    """The exit codes as lines for the help."""
    return "\n".join(f"  {code:>3}  {en} / {zh}" for code, en, zh in EXIT_CODES)


def is_help(error: BaseException) -> bool:
    """Whether a command was called without anything, which has printed its help."""
    return isinstance(error, click.NoArgsIsHelpError)


def command_not_found(ctx: Any, given: str, known: Iterable[str]) -> CommandNotFound:
    """The error for a command that is not there."""
    return CommandNotFound(parent=path(ctx), given=given[:100], near=near_told(given, known))


def told(error: BaseException, root: Any, typed: Sequence[str]) -> HubException | None:
    """The hub's error for one of click's, or None where it is none. `root`: the command line's click command, `typed` its words."""
    if isinstance(error, click.FileError):
        return ParameterWrong(command="hub", reason=error.format_message(), usage="`hub COMMAND`")
    if not isinstance(error, click.UsageError):
        return None
    error.ctx = error.ctx or _context(root, typed)  # click's parser of options names no command
    command = path(error.ctx)
    if isinstance(error, click.NoSuchOption):
        near = near_told(error.option_name, _options(error.ctx))
        return OptionNotFound(command=command, given=error.option_name[:100], near=near)
    if isinstance(error, click.MissingParameter):
        return ParameterMissing(command=command, missing=_missing(error), usage=_usage(error.ctx))
    return _otherwise(error, command)


def _otherwise(error: click.UsageError, command: str) -> HubException:
    unknown = re.match(r"No such command '(.*?)'", error.message, re.DOTALL)
    if not unknown or error.ctx is None:
        return ParameterWrong(command=command, reason=_reason(error), usage=_usage(error.ctx))
    known = getattr(error.ctx.command, "commands", {})
    if known:
        return command_not_found(error.ctx, unknown[1], known)
    return ParameterWrong(command=command, reason=_no(unknown[1][:100]), usage=_usage(error.ctx))


def _context(root: Any, typed: Sequence[str]) -> Context:
    """The context of the command that the words come to: as far as they name groups and members of groups."""
    ctx = Context(root, info_name="hub")
    for word in typed:
        find = getattr(ctx.command, "get_command", None)
        found = None if find is None or word.startswith("-") else find(ctx, word)
        if found is None:
            break
        ctx = Context(found, info_name=word, parent=ctx)
    return ctx


def path(ctx: Any) -> str:
    """The command as it is typed, `hub batch show`, whatever the program was started as."""
    words: list[str] = []
    while ctx is not None and ctx.parent is not None:
        words.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return " ".join(["hub", *words])


def _usage(ctx: Any) -> str:
    needed = [_form(one) for one in ctx.command.params if one.required]
    return f"`{' '.join([path(ctx), *needed])}`"


def _form(parameter: Any) -> str:
    """How a required parameter is typed: `--reason REASON`, or `BATCH`."""
    word = (parameter.metavar or parameter.name.strip("_").replace("_", "-")).upper()
    return word if parameter.param_type_name == "argument" else f"{parameter.opts[0]} {word}"


def _missing(error: click.MissingParameter) -> str:
    if error.param is None:
        return str(error.param_hint or "an argument")
    return _form(error.param)


def _no(word: str) -> Said:
    return Said(f"it takes no {word}", f"不接受 {word}")


def _reason(error: click.UsageError) -> Said:
    """Click's own words, in Chinese with what they are about."""
    text = error.format_message().strip().rstrip(".")
    text = text[:1].lower() + text[1:]
    about = re.search(r"'([^']*)'", text)
    named = f"{about[1]} 的值或用法不对" if about else "参数不对"
    return Said(text, f"{named}({text})")


def _options(ctx: Any) -> list[str]:
    return [name for one in ctx.command.params if one.param_type_name == "option" for name in one.opts] + ["--help"]
