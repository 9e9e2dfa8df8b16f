"""Three feeds that are taken the whole way while everything is killed.

`entries` is incremental: versions of a key are ordered by the source, a status withdraws, a ticket must be unique.
`balances` is a snapshot: what no longer comes is withdrawn; its topic takes no large event, so that some are buried.
`frequents` is as `entries`, and the worker takes it when it is rung.
"""

from __future__ import annotations

from contracts.model import FeedContract, FieldSpec, GateRule, RowRule, SourceSpec, TopicSpec
from hub.ids import PlaceId, RuleId
from tests.making import made

ENTRIES, BALANCES, FREQUENTS = "crash_entries", "crash_balances", "crash_frequents"
FIELDS = ("number", "payee", "amount", "version", "status", "ticket", "note")
PARTITIONS = 3
MESSAGE_BYTES = 100_000
"""max.message.bytes of the topic of `balances`."""
LARGE = 50_000
"""Characters of a note from which on the event is meant to be refused by the broker; the agency writes 250,000."""
VOID = "void"


def feeds(tag: str) -> dict[str, FeedContract]:
    """The contracts; `tag` stands in the topics' names."""
    versions: dict[str, object] = {"source_version": "version", "withdrawn_when": {"status": VOID}}
    return {
        ENTRIES: _contract(ENTRIES, f"hub.crash.{tag}.one.v1", **versions),
        BALANCES: _contract(BALANCES, f"hub.crash.{tag}.two.v1", completeness="snapshot"),
        FREQUENTS: _contract(FREQUENTS, f"hub.crash.{tag}.three.v1", latency="frequent", **versions),
    }


def _contract(feed: str, topic: str, **more: object) -> FeedContract:
    config = {"max.message.bytes": str(MESSAGE_BYTES)} if feed == BALANCES else {}
    rules = [RowRule(RuleId(f"{name}.required"), "required", (name,)) for name in ("number", "payee", "amount")]
    rules.append(RowRule(RuleId("amount.range"), "range", ("amount",), {"min": "0"}))
    if feed != BALANCES:
        rules.append(RowRule(RuleId("ticket.unique"), "unique", ("ticket",)))
    return made(
        feed,
        (
            _field("number", required=True, key_position=1),
            _field("payee", required=True),
            _field("amount", "decimal", precision=18, scale=2, required=True),
            _field("version", "integer"),
            _field("status"),
            _field("ticket"),
            _field("note", normalise=("trim",)),
        ),
        subject="payee",
        row_rules=tuple(rules),
        gate_rules=(GateRule(RuleId("mark"), "secrecy", "refuse_row"),),
        sources=(SourceSpec("drop", "file_drop", PlaceId(feed), {"glob": "*.csv", "stable_seconds": 0}),),
        topic=TopicSpec(topic, PARTITIONS, config),
        **more,
    )


def _field(name: str, kind: str = "string", **more: object) -> FieldSpec:
    return FieldSpec(name, f"字段{name}", name, kind, **more)  # type: ignore[arg-type]
