"""Rows of landed batches under the contract they were judged by and under the changed one: which differ, and by which rule.

Samples show a row's place, key and the values that the rule looked at, never a value of a personal or sealed field (of
either version), and no personal number that stands in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from contracts import suite
from contracts.checks.headers import HeaderMap
from contracts.gate.finding import masked, spans
from contracts.gate.registry import DETECTORS
from contracts.model import FeedContract
from contracts.view import UNPUBLISHED
from hub import clock
from hub.errors import HubException
from warehouse import batches
from warehouse.batches import FROM_OUTSIDE, Batch
from warehouse.checking import metrics
from warehouse.feeds import registry
from warehouse.planning.trial import Landed, Rows, Trial, source_of, tried
from warehouse.quarantine.corrections import Corrections
from warehouse.store import store
from warehouse.tables import batch as batch_table
from warehouse.tables import landed_object

SHOWN = 80  # characters of a value
_SEARCHED = 50_000  # rows in which samples are looked for
_KINDS = (*FROM_OUTSIDE, "rerun")
_STATES = ("landed", "checked", "held", "loading", "loaded", "released", "rejected")


@dataclass(slots=True)
class Effect:
    """What becomes of one batch's rows."""

    batch: str
    source: str
    delivery: str
    landed_at: Any
    judged_by: str  # version
    rows: int = 0
    before: int = 0  # rows quarantined under the version before
    after: int = 0  # rows quarantined or refused under the changed one
    corrected: int = 0  # rows that were judged as people corrected them since
    masked: int = 0
    newly_refused: dict[str, int] = field(default_factory=dict)  # rule -> rows
    newly_accepted: dict[str, int] = field(default_factory=dict)  # rule of the version before -> rows
    samples: list[dict[str, Any]] = field(default_factory=list)
    batch_rules: list[dict[str, Any]] = field(default_factory=list)  # those that would not pass
    not_looked_at: str = ""  # why nothing can be said: purged …
    error: dict[str, Any] | None = None  # the delivery as a whole could not be read


@dataclass(frozen=True, slots=True)
class _OnDisk:
    batch: Batch
    paths: tuple[str, ...]
    purged_at: Any


def effects(conn: sa.Connection, contract: FeedContract, last: int, samples: int) -> list[Effect]:
    """The last landed batches of the feed under the changed contract, newest first. `conn` has no transaction open."""
    return [_effect(conn, contract, landed, samples) for landed in _landed(conn, contract, last)]


def _effect(conn: sa.Connection, contract: FeedContract, landed: _OnDisk, samples: int) -> Effect:
    one = landed.batch
    effect = Effect(one.batch_id, one.source, one.delivery, one.landed_at, one.contract_version, one.rows_in)
    if landed.purged_at is not None:
        effect.not_looked_at = f"its rows were purged on {landed.purged_at:%Y-%m-%d}: nobody can say"
    elif source_of(contract, one) is None:
        effect.not_looked_at = f"the changed contract has no source {one.source}"
    if effect.not_looked_at:
        return effect
    with conn.begin():
        try:
            old = registry.recorded(conn, one.feed, one.contract_sha256)
        except (KeyError, TypeError, ValueError) as error:
            effect.not_looked_at = f"the version that judged it can't be read ({type(error).__name__})"
            return effect
    today = (one.landed_at or clock.now()).astimezone(clock.BEIJING).date()
    try:
        rows = Landed(landed.paths, Corrections.of(conn, one.batch_id))
        was = tried(old, one, rows, gate=False, today=today)
        now = tried(contract, one, rows, gate=True, today=today)
    except HubException as error:
        effect.error = error.as_dict()
        return effect
    effect.rows, effect.masked, effect.corrected = now.rows or was.rows, now.masked, rows.corrections.rows
    effect.before = len(was.bad_rows)
    if now.error is not None:
        effect.error, effect.after = now.error.as_dict(), was.rows
        return effect
    effect.after = len(now.bad_rows)
    refused = np.setdiff1d(now.bad_rows, was.bad_rows)
    accepted = np.setdiff1d(was.bad_rows, now.bad_rows)
    effect.newly_refused = _by_rule(now.bad, refused)
    effect.newly_accepted = _by_rule(was.bad, accepted)
    if samples:
        shown = _Shown(old, contract, one, rows)
        effect.samples = [
            *shown.rows("refused", contract, now.bad, refused, samples),
            *shown.rows("accepted", old, was.bad, accepted, samples),
        ]
    effect.batch_rules = _batch_rules(conn, contract, one, now)
    return effect


def _landed(conn: sa.Connection, contract: FeedContract, last: int) -> list[_OnDisk]:
    columns = batch_table.c
    query = (
        sa.select(columns.batch_id)
        .where(
            columns.feed == contract.id,
            columns.kind.in_(_KINDS),
            columns.state.in_(_STATES),
            columns.landed_at.is_not(None),
        )
        .order_by(columns.batch_no.desc())
        .limit(last)
    )
    landed = []
    with conn.begin():
        found = [batches.get(conn, batch_id) for batch_id in conn.execute(query).scalars().all()]
        objects = landed_object.c
        for one in found:
            pages = conn.execute(
                sa.select(objects.path, objects.purged_at)
                .where(objects.batch_id == one.batch_id, objects.kind == "rows")
                .order_by(objects.ordinal)
            ).all()
            purged = next((row.purged_at for row in pages if row.purged_at is not None), None)
            landed.append(_OnDisk(one, tuple(str(row.path) for row in pages), purged))
    return landed


def _by_rule(bad: pa.Table, rows: Rows) -> dict[str, int]:
    """How many of these rows break each rule; a row counts for every rule it breaks."""
    if not len(rows):
        return {}
    some = bad.filter(pc.is_in(bad.column("row"), pa.array(rows)))
    counted = pc.value_counts(pc.list_flatten(some.column("rules").combine_chunks()))
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


class _Shown:
    """Rows as they may be shown."""

    def __init__(self, old: FeedContract, new: FeedContract, batch: Batch, landed: Landed) -> None:
        # A column that either version calls personal is, whatever the other calls it.
        self._seen_by = [
            (HeaderMap(contract, contract.source(batch.source)), _hidden(contract)) for contract in (old, new)
        ]
        self._batch, self._landed = batch, landed

    def rows(self, what: str, contract: FeedContract, bad: pa.Table, rows: Rows, most: int) -> list[dict[str, Any]]:
        """A few rows of each rule, with the values it looked at."""
        if not len(rows):
            return []
        some = bad.filter(pc.is_in(bad.column("row"), pa.array(rows[:_SEARCHED]))).to_pylist()
        chosen: dict[int, dict[str, Any]] = {}
        taken: dict[str, int] = {}
        for row in some:
            fresh = [rule for rule in row["rules"] if taken.get(rule, 0) < most]
            for rule in fresh:
                taken[rule] = taken.get(rule, 0) + 1
            if fresh:
                known = chosen.setdefault(row["row"], {**row, "rules": []})
                known["rules"] = list(dict.fromkeys([*known["rules"], *row["rules"]]))
        values = self._values(contract, sorted(chosen))
        return [
            {
                "batch": self._batch.batch_id, "now": what, "row": number, "source_row": row["source_row"], "unit": _clean(row["unit"]),
                "key": _clean(row["key"]), "rules": row["rules"],
                "values": {name: _clean(value) for name, value in values.get(number, {}).items() if name in _looked_at(contract, row["rules"])},
            }
            for number, row in sorted(chosen.items())
        ]  # fmt: skip

    def _is_hidden(self, header: str) -> bool:
        return any(headers.field_of(header) in hidden for headers, hidden in self._seen_by)

    def _values(self, contract: FeedContract, wanted: list[int]) -> dict[int, dict[str, str | None]]:
        """Row number -> field -> delivered value, of fields that may be shown."""
        headers = HeaderMap(contract, contract.source(self._batch.source))
        found: dict[int, dict[str, str | None]] = {}
        for page in self._landed.pages(store()):
            here = pc.is_in(page.rows, pa.array(wanted, pa.int64()))
            if not pc.any(here).as_py():
                continue
            fields = {header: headers.field_of(header) for header in page.table.column_names}
            kept = [header for header, name in fields.items() if name is not None and not self._is_hidden(header)]
            table = page.table.select(kept).filter(here)
            for number, row in zip(page.rows.filter(here).to_pylist(), table.to_pylist(), strict=True):
                found[number] = {str(fields[header]): value for header, value in row.items()}
        return found


def _hidden(contract: FeedContract) -> frozenset[str]:
    return frozenset(spec.name for spec in contract.fields if spec.classification in UNPUBLISHED)


def _looked_at(contract: FeedContract, rules: Sequence[str]) -> set[str]:
    """The fields that rules look at; of one that no contract names (a key that conflicts) the key."""
    by_id = {rule.id: rule for rule in contract.row_rules}
    named: set[str] = set()
    for rule in rules:
        known = by_id.get(rule)  # type: ignore[call-overload]
        if known is not None:
            named |= set(known.fields)
            when = known.args.get("when")
            named |= set(when) if isinstance(when, Mapping) else set()
        else:
            field = rule.partition(".")[0]
            named |= {field} if any(spec.name == field for spec in contract.fields) else set(contract.key)
    return named


def _clean(value: str | None) -> str | None:
    """A value as it may be shown: short, and without a personal number."""
    if value is None:
        return None
    text = masked(value, spans(value, tuple(DETECTORS)))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _batch_rules(conn: sa.Connection, contract: FeedContract, batch: Batch, now: Trial) -> list[dict[str, Any]]:
    """Rules over the batch that would not pass."""
    if not contract.batch_rules:
        return []
    with conn.begin():
        before = metrics.of_batch_before(conn, batch)
    verdicts = suite.judge(
        contract,
        now.figures,
        previous=before,
        docs_dir=None,
        batch_id=batch.batch_id,
        now=batch.landed_at or clock.now(),
    )
    return [
        {"rule": verdict.rule, "holds": verdict.gate, "observed": verdict.observed, "expected": verdict.expected}
        for verdict in verdicts
        if not verdict.passed
    ]
