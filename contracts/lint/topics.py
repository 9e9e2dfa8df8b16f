"""The topic's partitions and settings: those a contract may choose, within what Kafka and the hub's promises allow."""

from __future__ import annotations

from collections.abc import Mapping

from contracts import errors
from contracts.lint.around import Around
from contracts.view import View, text_map
from hub.said import Said

MAX_PARTITIONS = 1_000
_LONG, _INT = 2**63 - 1, 2**31 - 1

# Whole numbers: least and greatest; where the least is -1, it means without bound. What is not here is the operator's
# (replication, min.insync.replicas), or would break the hub's own promises (max.message.bytes, timestamps).
NUMBERS: Mapping[str, tuple[int, int]] = {
    "retention.ms": (-1, _LONG),
    "retention.bytes": (-1, _LONG),
    "segment.ms": (1, _LONG),
    "segment.bytes": (1024 * 1024, _INT),
    "delete.retention.ms": (0, _LONG),
    "min.compaction.lag.ms": (0, _LONG),
    "max.compaction.lag.ms": (1, _LONG),
}
POLICIES = ("delete", "compact", "compact,delete")


def check(view: View, around: Around) -> None:
    """`hub.partitions` and `hub.topic_config`."""
    own = view.hub(())
    partitions = own.get("partitions")
    if isinstance(partitions, int) and not 1 <= partitions <= MAX_PARTITIONS:
        reason = Said(f"a topic has 1 to {MAX_PARTITIONS} partitions", f"主题有 1 至 {MAX_PARTITIONS} 个分区")
        view.document.problem(
            errors.PropertyWrong, view.hub_path((), "partitions"), name="hub.partitions", reason=reason
        )
    path = view.hub_path((), "topic_config")
    for name, value in text_map(own.get("topic_config")).items():
        wrong = _problem(view, name, value)
        if wrong:
            view.document.problem(errors.PropertyWrong, (*path, name), name="hub.topic_config", reason=wrong)


def _problem(view: View, name: str, value: str) -> str:
    """Why a setting can't be kept, or empty."""
    if name == "cleanup.policy":
        policy = ",".join(sorted(part.strip() for part in value.split(",")))
        if policy not in POLICIES:
            return Said(
                f"cleanup.policy is one of {' | '.join(POLICIES)}", f"cleanup.policy 应为 {' | '.join(POLICIES)} 之一"
            )
        return _compaction_problem(view) if "compact" in policy else ""
    if name not in NUMBERS:
        return Said(
            f"{name[:60]} is not a contract's to set; there are cleanup.policy, {', '.join(NUMBERS)}",
            f"{name[:60]} 不由契约设置；可设置 cleanup.policy、{'、'.join(NUMBERS)}",
        )
    least, most = NUMBERS[name]
    number = int(value) if value.removeprefix("-").isdecimal() and value.isascii() and len(value) <= 20 else None
    if number is None or not least <= number <= most or (least == -1 and number == 0):
        return Said(f"{name} is a whole number from {least} to {most}", f"{name} 应为 {least} 至 {most} 的整数")
    return ""


def _compaction_problem(view: View) -> str:
    """Compaction keeps one event for each Kafka key: of several records of one subject all but one would be lost."""
    keys = [spec.name for spec in view.known.values() if spec.key_position]
    subject = view.hub(()).get("subject")
    if keys == [subject]:
        return ""
    return Said(
        f"a topic is compacted only where the Kafka key ({subject}) is the record key ({', '.join(keys)})",
        f"仅当 Kafka 键（{subject}）就是记录主键（{'、'.join(keys)}）时主题才可压缩",
    )
