"""Receipts: the final word on a batch as canonical bytes, so that sender and hub can prove the same thing.

A receipt says what became of every row: rows that loaded by reference to their change sets' SHA-256, rows that did
not load one by one (the first MAX_ROWS of them; beyond that the counts by rule stand for the rest). A later version
adds what became of quarantined rows since: fixes, replays, releases, rejections. Older versions stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub import clock
from hub.canonical import canonical_bytes, sha256_hex
from hub.ids import BatchId
from warehouse import batches
from warehouse.batches import Batch
from warehouse.signing import jws
from warehouse.tables import act, fix, landed_object, outbox, push, quarantine, refusal
from warehouse.tables import receipt as receipt_table

MAX_ROWS = 10_000


def make(conn: sa.Connection, batch: Batch, *, last_change_set: Mapping[str, Any] | None = None) -> int:
    """Writes the next version of a batch's receipt in the open transaction; returns its number.

    `last_change_set` {part, sha256, records}: the one whose outbox entry this transaction will yet make (the
    outbox comes last, because its lock must be held as shortly as can be).
    """
    latest = conn.scalar(
        sa.select(sa.func.max(receipt_table.c.version)).where(receipt_table.c.batch_id == batch.batch_id)
    )
    version = int(latest or 0) + 1
    facts = _facts(conn, batch, version)
    if last_change_set is not None:
        facts["change_sets"].append(dict(last_change_set))
    body = canonical_bytes(facts)
    signed = jws.sign(conn, body)
    values = {"body": body, "sha256": sha256_hex(body), "kid": signed.kid, "signature": signed.signature}
    conn.execute(sa.insert(receipt_table).values(batch_id=batch.batch_id, version=version, **values))
    return version


def signed(conn: sa.Connection, batch_id: BatchId, version: int | None = None) -> tuple[int, str | None] | None:
    """(version, compact JWS) of a batch's receipt, as `read` chooses it; no JWS where it is from before receipts were signed."""
    columns = receipt_table.c
    query = sa.select(columns.version, columns.body, columns.kid, columns.signature)
    query = query.where(columns.batch_id == batch_id).order_by(columns.version.desc()).limit(1)
    if version is not None:
        query = query.where(columns.version == version)
    row = conn.execute(query).first()
    if row is None:
        return None
    whole = None if row.kid is None else jws.compact(bytes(row.body), row.kid, bytes(row.signature))
    return int(row.version), whole


def read(conn: sa.Connection, batch_id: BatchId, version: int | None = None) -> tuple[int, bytes, str] | None:
    """(version, canonical bytes, SHA-256) of a batch's receipt, the newest unless a version is named; or None."""
    query = (
        sa.select(receipt_table.c.version, receipt_table.c.body, receipt_table.c.sha256)
        .where(receipt_table.c.batch_id == batch_id)
        .order_by(receipt_table.c.version.desc())
        .limit(1)
    )
    if version is not None:
        query = query.where(receipt_table.c.version == version)
    row = conn.execute(query).first()
    return None if row is None else (int(row[0]), bytes(row[1]), str(row[2]))


def quarantined_by_rule(conn: sa.Connection, batch_id: BatchId) -> dict[str, int]:
    """Rule -> quarantined rows of the batch that break it; a row that breaks two rules counts under both."""
    query = sa.text(
        "select rule, count(*) from hub.quarantine, unnest(rules) as rule where batch_id = :batch group by rule order by rule"
    )
    return {str(rule): int(count) for rule, count in conn.execute(query, {"batch": batch_id})}


def _facts(conn: sa.Connection, batch: Batch, version: int) -> dict[str, Any]:
    refused = _refused(conn, batch)
    body: dict[str, Any] = {
        "receipt": 1,
        "version": version,
        "made_at": _text(clock.now()),
        "batch": batch.batch_id,
        "kind": batch.kind,
        "parent": batch.parent_batch,
        "feed": batch.feed,
        "contract": {"version": batch.contract_version, "sha256": batch.contract_sha256},
        "source": batch.source,
        "delivery": {"name": batch.delivery, "sha256": batch.delivery_sha256},
        "state": batch.state,
        "reason": batch.state_reason,
        "counts": {
            **batch.counts.as_dict(),
            "stale": batch.rows_stale,
            "withdrawn_missing": batch.withdrawn_missing,
            "events": batch.events,
        },
        "landed": _landed(conn, batch),
        "change_sets": _change_sets(conn, batch),
        "verdicts": [
            {name: verdict[name] for name in ("rule", "passed", "gate", "observed", "expected")}
            for verdict in batch.facts.get("verdicts", [])
        ],
        "quarantined_by_rule": quarantined_by_rule(conn, batch.batch_id),
        "quarantined": _quarantined(conn, batch),
        "refused": refused,
        "times": {
            "opened": _text(batch.opened_at),
            "landed": _text(batch.landed_at),
            "checked": _text(batch.checked_at),
            "loaded": _text(batch.loaded_at),
        },
    }
    if batch.kind == "push":
        body["push"] = _push(conn, batch)
    if batch.operator is not None:
        body["operator"] = {"name": batch.operator, "reason": batch.facts.get("operator_reason")}
    if "corrected" in batch.facts:
        body["corrected"] = batch.facts["corrected"]
    acts = _acts(conn, batch)
    if acts:
        body["acts"] = acts
    fixes = _fixes(conn, batch)
    if fixes:
        body["fixes"] = fixes
    followers = batches.children(conn, batch.batch_id)
    if followers:
        body["followed_by"] = [
            {"batch": child.batch_id, "state": child.state, **child.counts.as_dict()}
            for child in followers
            if child.state != "abandoned"
        ]
    return body


def _push(conn: sa.Connection, batch: Batch) -> dict[str, Any] | None:
    """Who pushed it, and how that was proven."""
    columns = push.c
    about = (columns.agency, columns.kid, columns.signed, columns.request_sha256, columns.idempotency_key)
    row = (
        conn.execute(sa.select(*about, columns.business, columns.received_at).where(columns.batch_id == batch.batch_id))
        .mappings()
        .first()
    )
    return None if row is None else {**row, "received_at": _text(row["received_at"])}


def _landed(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    query = (
        sa.select(landed_object.c.kind, landed_object.c.sha256, landed_object.c.bytes, landed_object.c.rows)
        .where(landed_object.c.batch_id == batch.batch_id, landed_object.c.kind.in_(("original", "manifest")))
        .order_by(landed_object.c.kind)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _change_sets(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    query = (
        sa.select(outbox.c.part_no.label("part"), outbox.c.sha256, outbox.c.records)
        .where(outbox.c.batch_id == batch.batch_id)
        .order_by(outbox.c.part_no)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _quarantined(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    columns = quarantine.c
    query = (
        sa.select(columns.row_no, columns.source_row, columns.unit, columns.rules, columns.state, columns.replay_batch)
        .where(columns.batch_id == batch.batch_id)
        .order_by(columns.row_no)
        .limit(MAX_ROWS)
    )
    return [
        {
            "row": row["row_no"],
            "source_row": row["source_row"],
            "unit": row["unit"],
            "rules": list(row["rules"]),
            "state": row["state"],
            "replay": row["replay_batch"],
        }
        for row in conn.execute(query).mappings()
    ]


def _refused(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    columns = refusal.c
    query = (
        sa.select(columns.row_no.label("row"), columns.source_row, columns.unit, columns.rule, columns.hmac)
        .where(columns.batch_id == batch.batch_id)
        .order_by(columns.refusal_no)
        .limit(MAX_ROWS)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _fixes(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    columns = fix.c
    query = (
        sa.select(columns.row_no, columns.field, columns.old_value, columns.new_value, columns.editor, columns.reason)
        .add_columns(columns.fixed_at)
        .where(columns.batch_id == batch.batch_id)
        .order_by(columns.fix_no)
        .limit(MAX_ROWS)
    )
    return [
        {
            "row": row["row_no"],
            "field": row["field"],
            "old": row["old_value"],
            "new": row["new_value"],
            "editor": row["editor"],
            "reason": row["reason"],
            "at": _text(row["fixed_at"]),
        }
        for row in conn.execute(query).mappings()
    ]


def _acts(conn: sa.Connection, batch: Batch) -> list[dict[str, Any]]:
    query = (
        sa.select(act.c.action, act.c.operator, act.c.reason, act.c.acted_at)
        .where(act.c.object == batch.batch_id)
        .order_by(act.c.act_no)
    )
    return [
        {"action": row["action"], "operator": row["operator"], "reason": row["reason"], "at": _text(row["acted_at"])}
        for row in conn.execute(query).mappings()
    ]


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
