"""Code lists of two versions side by side: they stand beside the contracts, and a contract that did not change may rest on one that did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from contracts import codes
from contracts.codes import CodeList
from contracts.diff.change import Change, told
from contracts.model import FeedContract
from contracts.rules.errors import CodeListInvalid, CodeListUnknown
from contracts.rules.registry import KINDS

Lists = Mapping[str, CodeList]


def used(contract: FeedContract) -> dict[str, bool]:
    """The lists that a contract rests on -> whether subscribers meet their codes, for they stand in a published field."""
    shown = {spec.name for spec in contract.fields if spec.published and contract.publish == "full"}
    found: dict[str, bool] = {}

    def note(name: str, fields: Iterable[str]) -> None:
        found[name] = found.get(name, False) or not shown.isdisjoint(fields)

    for spec in contract.fields:
        if spec.code_list:
            note(spec.code_list, (spec.name,))
    for rule in contract.row_rules:
        kind = KINDS.get(rule.kind)
        for arg in kind.args if kind is not None else ():
            if arg.type == "code_list" and rule.args.get(arg.name):
                note(str(rule.args[arg.name]), rule.fields)
    return found


def lists_of(contract: FeedContract, root: Path) -> Lists:
    """The lists that a contract rests on, as a contracts folder has them. One that can't be read is the lint's to tell."""
    found = {}
    for name in used(contract):
        try:
            found[name] = codes.load(name, root)
        except (CodeListUnknown, CodeListInvalid):
            continue
    return found


def compare_lists(contract: FeedContract, old: Lists, new: Lists) -> Iterator[Change]:
    """What changed in the lists that both have. A list that came or went shows in the contract's fields and rules."""
    for name, shown in used(contract).items():
        if name in old and name in new:
            yield from _compare(name, old[name], new[name], shown=shown)


def _compare(name: str, old: CodeList, new: CodeList, *, shown: bool) -> Iterator[Change]:
    gone = [code for code in old.rows if code not in new.rows]
    if gone:
        yield Change("codes_removed" if shown else "codes_removed_inside", name, told(tuple(gone)))
    come = [code for code in new.rows if code not in old.rows]
    if come:
        yield Change("codes_added", name, "", told(tuple(come)))
    both = [code for code in old.rows if code in new.rows]
    ended = [code for code in both if code in old.current and code not in new.current]
    if ended:
        yield Change("codes_ended", name, told(tuple(ended)))
    revived = [code for code in both if code in new.current and code not in old.current]
    if revived:
        yield Change("codes_revived", name, "", told(tuple(revived)))
    renamed = [code for code in both if any(old.label(code, lang) != new.label(code, lang) for lang in ("en", "zh"))]
    if renamed:
        yield Change("code_words_changed", name, "", told(tuple(renamed)))
