"""Rules of two versions side by side: on the row, on the batch, at the gate. A rule is known by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.diff.change import Change, told
from contracts.model import BatchRule, FeedContract, GateRule, RowRule

# Follow from the field's own declarations, and are told with the field.
_TOLD_WITH_FIELD = frozenset({"required", "unique", "type", "code_list"})


def compare_row_rules(old: FeedContract, new: FeedContract) -> Iterator[Change]:
    """Rules on one row, those that follow from a field's options among them."""
    before, after = _by_id(old), _by_id(new)
    gone = {spec.name for spec in old.fields} - {spec.name for spec in new.fields}
    came = {spec.name for spec in new.fields} - {spec.name for spec in old.fields}
    for name, rule in before.items():
        if name not in after and not (_implicit(rule) and gone & set(rule.fields)):
            yield Change("rule_removed" if rule.severity == "error" else "warning_changed", name, _told(rule))
    for name, rule in after.items():
        if name not in before:
            if not (_implicit(rule) and came & set(rule.fields)):
                yield Change("rule_added" if rule.severity == "error" else "warning_changed", name, "", _told(rule))
        else:
            yield from _compare(before[name], rule)


def _compare(old: RowRule, new: RowRule) -> Iterator[Change]:
    if old.severity != new.severity:
        yield Change(f"rule_to_{new.severity}", new.id, _told(old), _told(new))
    if (old.kind, old.fields, dict(old.args)) != (new.kind, new.fields, dict(new.args)):
        yield Change("rule_changed" if new.severity == "error" else "warning_changed", new.id, _told(old), _told(new))
    words = ("dimension", "label_zh", "label_en")
    if any(getattr(old, name) != getattr(new, name) for name in words):
        yield Change("rule_words_changed", new.id)


def compare_batch_rules(old: tuple[BatchRule, ...], new: tuple[BatchRule, ...]) -> Iterator[Change]:
    """Rules on the batch as a whole."""
    before = {rule.id: rule for rule in old}
    after = {rule.id: rule for rule in new}
    for name, rule in before.items():
        if name not in after:
            yield Change("batch_rule_holds_no_more" if rule.gate else "batch_rule_changed", name, _told(rule))
    for name, rule in after.items():
        known = before.get(name)
        if known is None:
            yield Change("batch_rule_holds" if rule.gate else "batch_rule_changed", name, "", _told(rule))
        else:
            yield from _compare_batch(known, rule)


def _compare_batch(old: BatchRule, new: BatchRule) -> Iterator[Change]:
    judged = old.kind != new.kind or dict(old.args) != dict(new.args)
    if old.gate and not new.gate:
        yield Change("batch_rule_holds_no_more", new.id, _told(old), _told(new))
    elif new.gate and (judged or not old.gate):
        yield Change("batch_rule_holds", new.id, _told(old), _told(new))
    elif judged or old.severity != new.severity:
        yield Change("batch_rule_changed", new.id, _told(old), _told(new))
    words = ("dimension", "label_zh", "label_en")
    if any(getattr(old, name) != getattr(new, name) for name in words):
        yield Change("rule_words_changed", new.id)


def compare_gate(old: tuple[GateRule, ...], new: tuple[GateRule, ...]) -> Iterator[Change]:
    """Rules of the gate: what they keep out is the sender's concern before anybody else's."""
    before = {rule.id: rule for rule in old}
    after = {rule.id: rule for rule in new}
    for name, rule in before.items():
        if name not in after:
            yield Change("gate_rule_removed", name, _told(rule))
    for name, rule in after.items():
        known = before.get(name)
        if known is None:
            yield Change("gate_rule_added", name, "", _told(rule))
            continue
        if (known.kind, known.action, known.fields, dict(known.args)) != (
            rule.kind,
            rule.action,
            rule.fields,
            dict(rule.args),
        ):
            kind = "gate_rule_widened" if _wider(known, rule) else "gate_rule_changed"
            yield Change(kind, name, _told(known), _told(rule))
        if (known.label_zh, known.label_en) != (rule.label_zh, rule.label_en):
            yield Change("rule_words_changed", name)


def _wider(old: GateRule, new: GateRule) -> bool:
    """Whether the new rule finds all that the old one found, and does the same to it. No fields are all fields."""
    if (old.kind, old.action) != (new.kind, new.action):
        return False
    if new.fields and not (old.fields and set(old.fields) <= set(new.fields)):
        return False
    more = ("marks", "names", "detect")  # the longer, the more is found
    less = ("except", "harmless")
    for name in {*old.args, *new.args}:
        was, now = old.args.get(name), new.args.get(name)
        if was == now:
            continue
        if name in more and was is not None and now is not None and set(was) <= set(now):
            continue
        if name in less and set(now or ()) <= set(was or ()):
            continue
        return False
    return True


def _by_id(contract: FeedContract) -> Mapping[str, RowRule]:
    return {rule.id: rule for rule in contract.row_rules if not (_implicit(rule) and rule.kind in _TOLD_WITH_FIELD)}


def _implicit(rule: RowRule) -> bool:
    return "." in rule.id


def _told(rule: RowRule | BatchRule | GateRule) -> str:
    parts: list[Any] = [rule.kind]
    if not isinstance(rule, BatchRule) and rule.fields:
        parts.append(f"on {told(rule.fields)}")
    if rule.args:
        parts.append(f"({told(dict(rule.args))})")
    parts.append(rule.action if isinstance(rule, GateRule) else rule.severity)
    return told(" ".join(map(str, parts)))
