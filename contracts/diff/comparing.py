"""Two versions of a contract side by side. Every attribute of the model is looked at; a test lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.diff.change import Change, told
from contracts.diff.fields import compare_fields
from contracts.diff.lists import Lists, compare_lists
from contracts.diff.rules import compare_batch_rules, compare_gate, compare_row_rules
from contracts.diff.sources import compare_sources
from contracts.diff.versions import parsed
from contracts.model import FeedContract, Sla, TopicSpec

NOT_COMPARED = frozenset({"sha256", "path"})
"""Attributes of a contract that say where it was read, not what it promises."""

# attribute -> kind of change, where one kind says it all
_PLAIN: Mapping[str, str] = {
    "id": "id_changed",
    "domain": "domain_changed",
    "status": "status_changed",
    "owner": "owner_changed",
    "key": "key_changed",
    "subject": "subject_changed",
    "completeness": "completeness_changed",
    "cumulative": "cumulative_changed",
    "source_version": "source_version_changed",
    "withdrawn_when": "withdrawn_when_changed",
    "cursor": "cursor_changed",
    "cursor_overlap": "cursor_overlap_changed",
    "fix_allowed": "fix_changed",
    "latency": "latency_changed",
    "structure": "structure_changed",
}
_WORDS = ("name_zh", "name_en", "purpose_zh", "purpose_en", "terms")
_LESS_OF = ("retention.ms", "retention.bytes", "delete.retention.ms")
_ENDLESS = -1


def compare(old: FeedContract, new: FeedContract, lists: tuple[Lists, Lists] | None = None) -> list[Change]:
    """All changes from `old` to `new`, the breaking ones first, in the contract's order.

    `lists`: the code lists beside either, where they are known; else those are not compared.
    """
    found = [*_contract(old, new), *_topic(old.topic, new.topic), *_sla(old.sla, new.sla)]
    found += compare_sources(old, new)
    found += compare_fields(old, new)
    found += compare_row_rules(old, new)
    found += compare_batch_rules(old.batch_rules, new.batch_rules)
    found += compare_gate(old.gate_rules, new.gate_rules)
    if lists is not None:
        found += compare_lists(new, *lists)
    order = ("breaks", "tightens", "loosens", "adds", "notes")
    return sorted(found, key=lambda change: order.index(change.about.effect))


def _contract(old: FeedContract, new: FeedContract) -> Iterator[Change]:
    for name, kind in _PLAIN.items():
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield Change(kind, "contract", told(was), told(now))
    if parsed(new.version) < parsed(old.version):
        yield Change("version_fell", "contract", old.version, new.version)
    words = [name for name in _WORDS if getattr(old, name) != getattr(new, name)]
    if words:
        yield Change("words_changed", "contract", "", ", ".join(words))
    if old.publish != new.publish:
        yield Change(f"publish_to_{new.publish}", "contract", old.publish, new.publish)
    yield from _roles(old.senders, new.senders, "sender")
    yield from _roles(old.topic.readers, new.topic.readers, "reader")
    yield from ignored("contract", old.ignored, new.ignored)


def ignored(where: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Change]:
    """Columns that are passed over no more, or that newly are."""
    for header in old:
        if header not in new:
            yield Change("ignored_removed", where, header)
    for header in new:
        if header not in old:
            yield Change("ignored_added", where, "", header)


def _roles(old: tuple[str, ...], new: tuple[str, ...], what: str) -> Iterator[Change]:
    yield from (Change(f"{what}_removed", role) for role in old if role not in new)
    yield from (Change(f"{what}_added", role) for role in new if role not in old)


def _topic(old: TopicSpec, new: TopicSpec) -> Iterator[Change]:
    if old.name != new.name:
        yield Change("topic_changed", "contract", old.name, new.name)
    if old.partitions != new.partitions:
        yield Change("partitions_changed", "contract", str(old.partitions), str(new.partitions))
    if (old.lane or old.name) != (new.lane or new.name) and old.name == new.name:
        yield Change("lane_changed", "contract", old.lane, new.lane)
    for name in dict.fromkeys((*old.config, *new.config)):
        was, now = old.config.get(name, ""), new.config.get(name, "")
        if was != now:
            kind = "topic_keeps_less" if _less(name, was, now) else "topic_config_changed"
            yield Change(kind, name, was, now)


def _less(name: str, was: str, now: str) -> bool:
    """Whether the topic keeps less under the new setting. What the brokers set where none is given nobody here knows."""
    if name == "cleanup.policy":
        return "compact" in now and "compact" not in was
    if name not in _LESS_OF or not now:
        return False
    before, after = (int(was) if was else _ENDLESS), int(now)
    return after != _ENDLESS and (before == _ENDLESS or after < before)


def _sla(old: Sla, new: Sla) -> Iterator[Change]:
    if old.schedule != new.schedule:
        yield Change("schedule_changed", "contract", told(old.schedule), told(new.schedule))
    for name in ("freshness_hours", "latency_minutes", "retries", "retry_delay_seconds"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield Change("service_level_changed", name, told(was), told(now))
    for layer in dict.fromkeys((*old.retention_days, *new.retention_days)):
        days = old.retention_days.get(layer), new.retention_days.get(layer)
        if days[0] != days[1]:
            shorter = days[1] is not None and (days[0] is None or days[1] < days[0])
            yield Change("retention_shortened" if shorter else "retention_changed", layer, told(days[0]), told(days[1]))
