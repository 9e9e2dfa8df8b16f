"""`take_down`: one record out of landing, originals, quarantine, core, history, change sets, receipts and Data Docs.

    begun ──▶ stored ──▶ done      (done: its topic was seen to as well, `exchange.desk.takedown`)

What is done is noted before it is done (`begun`, with the places found), so a takedown that died is done again from there: its
rows are known although its pages may have been written anew already. It stands against later deliveries from `begun` on
(`warehouse.takedown.standing`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from contracts.model import FeedContract
from hub import clock, crash, log
from hub.ids import BatchId, TopicName
from hub.said import Said
from warehouse import acts, batches, lost, receipt, way
from warehouse.changeset import event_ids, event_type
from warehouse.checking.pages import CheckedPages
from warehouse.engine import connection, driver, engine, holding, lock_transaction, translated
from warehouse.errors import RecordUnknown, TakedownRefused
from warehouse.feeds.tables import CORE, HISTORY, HUB_COLUMNS, core_table
from warehouse.landing.hub_key import hmac_key
from warehouse.loading import event_data
from warehouse.outbox import append_event, ensure_topic
from warehouse.store import Store, store
from warehouse.tables import fix, landed_object, quarantine, takedown
from warehouse.tables import receipt as receipt_table
from warehouse.takedown import events, files, finding
from warehouse.takedown.standing import UNFINISHED


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What was removed. Hashes and counts only."""

    number: int
    feed: str
    key: str
    batches: int
    rows: int  # landed rows
    files: int  # pages written anew, deliveries removed
    change_sets: int
    events: int  # dead letters sent again, which stand in the outbox themselves
    quarantined: int
    revisions: int  # rows of history
    receipts: int  # earlier versions that quoted a corrected value
    documents: int
    event_id: str | None  # of the withdrawal; None where the record was never loaded or had gone already
    seq: int | None  # its number in the topic's lane
    cut_asked: bool  # whether the topic is to be cut: said now, or by the order that is gone on with


def take_down(contract: FeedContract, key: str, *, operator: str, reason: str, cut: bool = False) -> TakenDown:
    """Takes a record out of every store and hands its withdrawal to the outbox. Doing it twice changes nothing more.

    One that is not finished is gone on with, under its own number. `cut`: noted, for whoever sees to the topic.

    Raises OperatorMissing, RecordUnknown, TakedownRefused.
    """
    by = acts.named("takedown", operator, reason)
    place = store()
    with way.opened(contract) as feed:
        conn = feed.conn
        with conn.begin():
            # What was pushed since the feed was opened would be neither finished nor kept out.
            lock_transaction(conn, "push", contract.id)
            if batches.unfinished(conn, contract.id):
                why = Said("a delivery has just landed; order it again", "刚有一次交付落地；请再次执行")
                raise TakedownRefused(feed=contract.id, reason=why)
            if events.waiting(conn, place, contract.id, key):
                why = Said(
                    "events of it wait for their topic: send them first, so that the withdrawal comes after them",
                    "其事件尚待发送：请先发送，撤回事件须在其后",
                )
                raise TakedownRefused(feed=contract.id, reason=why)
            found = finding.rows_of(conn, place, contract, key)
            number, known = _begun(conn, contract, key, by, found, cut=cut)
        crash.point("takedown.begun")
        values: set[str] = set()
        with conn.begin():
            for batch_id, rows in known.items():
                values |= files.values_of(place, _paths(conn, batch_id), rows)
        # Neither upkeep nor a backup meets files that are written anew before the database has their hashes.
        with holding("upkeep", "store"), conn.begin():
            done = _stores(conn, place, contract, key, (number, by, known, values))
    crash.point("takedown.stored")
    log.get("takedown").warning("a record was taken down", feed=contract.id, takedown=number, batches=len(known))
    return done


def finish(number: int, facts: Mapping[str, Any]) -> None:
    """Notes that the topic was seen to, and how."""
    with translated(), engine().begin() as conn:
        there = takedown.c.takedown_no == number
        before = conn.scalar(sa.select(takedown.c.facts).where(there)) or {}
        conn.execute(
            sa.update(takedown).where(there).values(state="done", ended_at=clock.now(), facts={**before, **facts})
        )


def withdrawal_of(contract: FeedContract, key: str) -> str | None:
    """The event id of the record's latest withdrawal by a takedown; None where it was never loaded."""
    event_id = takedown.c.facts["event_id"].astext
    mine = takedown.c.feed == contract.id, takedown.c.record_key == key, event_id.is_not(None)
    with connection() as conn:
        found = conn.scalar(sa.select(event_id).where(*mine).order_by(takedown.c.takedown_no.desc()).limit(1))
    return None if found is None else str(found)


def rewrite(contract: FeedContract, *, full: bool) -> None:
    """Lets PostgreSQL drop what was deleted: VACUUM, or with `full` the tables written anew, which locks them meanwhile."""
    quoted = engine().dialect.identifier_preparer.quote
    tables = [f"{CORE}.{quoted(contract.id)}", f"{HISTORY}.{quoted(contract.id)}"]
    tables += ["hub.quarantine", "hub.fix", "hub.receipt", "hub.outbox"]
    with translated(), engine().connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for table in tables:
            conn.exec_driver_sql(f"vacuum {'(full, analyze)' if full else ''} {table}")


def _begun(
    conn: sa.Connection,
    contract: FeedContract,
    key: str,
    by: tuple[str, str],
    found: dict[BatchId, set[int]],
    *,
    cut: bool,
) -> tuple[int, dict[BatchId, set[int]]]:
    """The takedown of this record that is unfinished, or a new one; and its rows, those found before too."""
    columns = takedown.c
    mine = columns.feed == contract.id, columns.record_key == key, columns.state.in_(UNFINISHED)
    before = conn.execute(sa.select(columns.takedown_no, columns.facts).where(*mine)).first()
    known = {batch_id: set(rows) for batch_id, rows in found.items()}
    if before is not None:
        for name, rows in before.facts["rows"].items():
            known.setdefault(BatchId(name), set()).update(rows)
    if not known and before is None and lost.last_of(conn, contract.id, key) is None:
        raise RecordUnknown(feed=contract.id)
    facts = {"rows": {str(batch_id): sorted(rows) for batch_id, rows in sorted(known.items())}, "cut_asked": cut}
    if before is not None:
        facts = {**before.facts, **facts, "cut_asked": cut or bool(before.facts.get("cut_asked"))}
        conn.execute(sa.update(takedown).where(columns.takedown_no == before.takedown_no).values(facts=facts))
        return int(before.takedown_no), known
    values = {"feed": contract.id, "record_key": key, "operator": by[0], "reason": by[1], "facts": facts}
    made = sa.insert(takedown).values(state="begun", begun_at=clock.now(), **values)
    return int(conn.scalar(made.returning(columns.takedown_no)) or 0), known


def _stores(
    conn: sa.Connection,
    place: Store,
    contract: FeedContract,
    key: str,
    about: tuple[int, tuple[str, str], dict[BatchId, set[int]], set[str]],
) -> TakenDown:
    number, by, known, values = about
    count = dict.fromkeys(("files", "events", "quarantined", "receipts", "documents"), 0)
    # Before any page is cut: killed after it, nobody would know any more what to look for in them.
    for batch_id in known:
        count["documents"] += files.drop_documents(contract.id, batch_id, values)
    for batch_id, rows in known.items():
        count["files"] += files.cut_landed(conn, place, batch_id, rows)
        crash.point("takedown.landed")
        CheckedPages(place, contract.id, batch_id).delete()
        quarantined, fixes = _quarantine(conn, batch_id, rows)
        count["quarantined"] += quarantined
        acts.note(conn, "takedown", batch_id, by, {"takedown": number, "rows": len(rows)})
        count["receipts"] += _receipts(conn, batch_id, quoted=fixes > 0)
    sets = events.cut_changes(conn, place, contract.id, key)
    count["events"] += events.cut_single(conn, contract.id, key)
    revisions = _history(conn, contract, key)
    event_id, data = _core(conn, contract, key)
    there = takedown.c.takedown_no == number
    noted = conn.scalar(sa.select(takedown.c.facts).where(there)) or {}
    seq = None
    if event_id is None:  # gone already: by this takedown, where it was stored before
        event_id, seq = noted.get("event_id"), noted.get("seq")
    else:
        ensure_topic(conn, contract.topic, contract.id)
        headers = {
            "ce_type": f"{event_type(contract.topic.name)}.withdrawn",
            "ce_id": event_id,
            "ce_source": f"/feeds/{contract.id}",
            "ce_subject": key,
            "ce_time": clock.now().isoformat(),
            "ce_dataschema": f"/contracts/{contract.id}/{contract.version}",
        }
        subject = data.pop("subject")
        seq = append_event(conn, topic_name=TopicName(contract.topic.name), key=subject, headers=headers, data=data)
    facts = {name: noted.get(name, 0) + done for name, done in (*count.items(), ("revisions", revisions))}
    facts |= {"change_sets": [*noted.get("change_sets", []), *(list(pair) for pair in sets)]}
    facts |= {"event_id": event_id, "seq": seq}
    conn.execute(sa.update(takedown).where(there).values(state="stored", facts={**noted, **facts}))
    in_all = sum(len(one) for one in known.values())
    return TakenDown(
        number,
        contract.id,
        key,
        len(known),
        in_all,
        change_sets=len(sets),
        revisions=revisions,
        event_id=event_id,
        seq=None if seq is None else int(seq),
        cut_asked=bool(noted.get("cut_asked")),
        **count,
    )


def _paths(conn: sa.Connection, batch_id: BatchId) -> list[str]:
    columns = landed_object.c
    query = sa.select(columns.path).where(
        columns.batch_id == batch_id, columns.kind == "rows", columns.purged_at.is_(None)
    )
    return list(conn.execute(query).scalars())


def _quarantine(conn: sa.Connection, batch_id: BatchId, rows: set[int]) -> tuple[int, int]:
    """Removes quarantined rows and their corrections; how many of each."""
    gone = []
    for table in (quarantine, fix):
        there = table.c.batch_id == batch_id, table.c.row_no.in_(sorted(rows))
        gone.append(conn.execute(sa.delete(table).where(*there)).rowcount)
    return gone[0], gone[1]


def _receipts(conn: sa.Connection, batch_id: BatchId, *, quoted: bool) -> int:
    """A next version that says so; earlier ones go where they quote a corrected value, all others stay."""
    version = receipt.make(conn, batches.get(conn, batch_id))
    if not quoted:
        return 0
    there = receipt_table.c.batch_id == batch_id, receipt_table.c.version < version
    return conn.execute(sa.delete(receipt_table).where(*there)).rowcount


def _history(conn: sa.Connection, contract: FeedContract, key: str) -> int:
    statement = sql.SQL("delete from {} where hub_key = %s").format(sql.Identifier(HISTORY, contract.id))
    with driver(conn).cursor() as cursor:
        return cursor.execute(statement, (key,)).rowcount


def _core(conn: sa.Connection, contract: FeedContract, key: str) -> tuple[str | None, dict[str, Any]]:
    """Empties the record, and withdraws it with a revision of its own; its event's id and data.

    Its hash becomes an HMAC under the hub's key: of a short record a plain one can be guessed.
    """
    table = core_table(contract)
    found = conn.execute(sa.select(table).where(table.c.hub_key == key).with_for_update()).mappings().first()
    if found is None:
        return _only_told(conn, contract, key)
    fields = {column.name: None for column in table.columns if column.name not in HUB_COLUMNS}
    if found["hub_withdrawn"] and all(found[name] is None for name in fields):
        return None, {}
    revision = lost.next_revision(conn, contract.id, key, found["hub_revision"])
    veiled = hmac.digest(hmac_key(), bytes(found["hub_hash"]), "sha256")
    own = {"hub_revision": revision, "hub_hash": veiled, "hub_withdrawn": True, "hub_loaded_at": sa.func.now()}
    conn.execute(sa.update(table).where(table.c.hub_key == key).values({**fields, **own}))
    lost.taken_down(conn, contract.id, key, revision, found["hub_subject"])
    batch_id = conn.scalar(
        sa.text("select batch_id from hub.batch where batch_no = :number"), {"number": found["hub_batch_no"]}
    )
    data = _withdrawal(contract, key, revision, veiled.hex())
    return _event_id(contract, key, revision), {**data, "batch": batch_id, "subject": found["hub_subject"]}


def _only_told(conn: sa.Connection, contract: FeedContract, key: str) -> tuple[str | None, dict[str, Any]]:
    """The withdrawal of a record that a restore lost and subscribers have."""
    last = lost.last_of(conn, contract.id, key)
    if last is None or last[1] == "withdrawn":
        return None, {}
    revision, subject = lost.next_revision(conn, contract.id, key, 0), last[3]
    lost.taken_down(conn, contract.id, key, revision, subject)
    data = _withdrawal(contract, key, revision, events.NO_HASH)
    return _event_id(contract, key, revision), {**data, "batch": "", "subject": subject}


def _withdrawal(contract: FeedContract, key: str, revision: int, record_hash: str) -> dict[str, Any]:
    """What its event says; that it is a takedown's is how a restored database learns of it again."""
    asked = {"ask": event_data.ask(contract, key)} if contract.publish == "reference" else {}
    return {
        **asked,
        "feed": contract.id,
        "contract": contract.version,
        "key": key,
        "revision": revision,
        "change": "withdrawn",
        "row": None,
        "record_hash": record_hash,
        "taken_down": True,
    }


def _event_id(contract: FeedContract, key: str, revision: int) -> str:
    ids = event_ids(contract.id, pa.array([key]), pa.array([revision], pa.int32()))
    return str(ids[0].as_py())
