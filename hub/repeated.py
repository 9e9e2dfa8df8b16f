"""Options that are given more than once: of one that takes a list all count, of one that takes a value it is an error.

Click lets the last value win without a word: `--without airflow --without kafka` would start Airflow. What a list takes may
stand in one option with commas, in several, or both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from hub import usage
from hub.errors import OptionTwice, ParameterWrong
from hub.said import Said


def watched(command: Any) -> Any:
    """The click command, each runnable one below it reading its options so. Raises nothing until it is called."""
    for leaf in _leaves(command):
        leaf.parse_args = partial(_parsed, leaf, leaf.parse_args)
    return command


def _leaves(command: Any) -> Iterator[Any]:
    members = getattr(command, "commands", None)
    if not members:  # one that has none may still be run, as `hub doctor`
        yield command
        return
    for member in members.values():
        yield from _leaves(member)


def _parsed(leaf: Any, parse: Any, ctx: Any, args: list[str]) -> Any:
    """Click's own parsing, with what it would pass over. Raises OptionTwice, ParameterWrong and what click raises."""
    _, _, order = leaf.make_parser(ctx).parse_args(args=list(args))
    for option, count in Counter(one.name for one in order if _takes_one(one)).items():
        if count > 1:
            given = next(one.opts[0] for one in order if one.name == option)
            raise OptionTwice(command=usage.path(ctx), given=given, count=count)
    left = parse(ctx, args)
    for option in leaf.params:
        values = ctx.params.get(option.name) if getattr(option, "multiple", False) else None
        if values:
            ctx.params[option.name] = _names(ctx, option.opts[0], values)
    return left


def _takes_one(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not (parameter.multiple or parameter.is_flag or parameter.count)


def _names(ctx: Any, option: str, values: list[str]) -> list[str]:
    found = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if not found:
        reason = Said(f"{option} names nothing", f"{option} 未给出任何名称")
        raise ParameterWrong(command=usage.path(ctx), reason=reason, usage=f"`{usage.path(ctx)} {option} NAME,NAME`")
    return list(dict.fromkeys(found))
