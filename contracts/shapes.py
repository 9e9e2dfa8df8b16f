"""Arguments, and checks of them, that kinds of several registries share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts.kinds import Arg, ArgType, FurtherCheck
from contracts.model import FieldSpec
from hub.said import Said


def between(
    type_: ArgType, least: tuple[str, str] = ("least", "最小值"), greatest: tuple[str, str] = ("greatest", "最大值")
) -> tuple[Arg, Arg]:
    """The arguments `min` and `max`, either of which may be left out; what each is in (English, Chinese)."""
    return Arg("min", type_, *least), Arg("max", type_, *greatest)


def one_given(first: str, second: str) -> FurtherCheck:
    """A check that at least one of two arguments is given."""

    def check(args: Mapping[str, Any], _: Sequence[FieldSpec], __: Mapping[str, FieldSpec]) -> Iterable[str]:
        if first not in args and second not in args:
            yield Said(f"neither {first} nor {second} is given", f"{first} 与 {second} 均未给出")

    return check
