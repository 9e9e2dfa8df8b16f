"""What became of a delivery, said so that nobody takes it for more than it is, with the command that comes next.

Figures alone mislead: a batch all of whose rows are in quarantine, one that waits for a decision, or one that was taken
long ago look like success in a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from contracts.model import FeedContract
from hub.clock import BEIJING
from hub.ids import BatchId
from warehouse import batches
from warehouse.batches import Batch, BatchOutcome
from warehouse.checking.metrics import verdicts_from, why_held
from warehouse.feeds.pausing import Pause
from warehouse.quarantine.view import sentences
from warehouse.tables import quarantine, refusal

SIGNED = "--operator NAME --reason TEXT"
ARRIVED = ("loaded", "released")


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence in both languages, what to do about it where it says more than the commands, and the commands."""

    en: str
    zh: str
    next: tuple[str, ...] = ()
    remedy_en: str = ""
    remedy_zh: str = ""
    well: bool = field(default=False)  # nothing is amiss


NOTHING_NEW = Told(
    "nothing new: the sources were looked at and hold no delivery that was not taken before",
    "没有新数据：已查看各来源，没有尚未接收的交付",
    well=True,
)


def arrived(done: BatchOutcome) -> bool:
    """Whether something of the delivery is in the warehouse, or it held nothing: not refused, held or all in quarantine."""
    return done.state in ARRIVED and (done.state == "released" or not _none_loaded(done))


def told(conn: sa.Connection, contract: FeedContract, done: BatchOutcome) -> list[Told]:
    """What to say of a batch beside its figures. Reads, in the open connection."""
    batch = batches.get(conn, done.batch_id)
    said = [_repeated(conn, contract, batch)] if done.repeated else []
    if done.state == "held":
        said.append(_held(batch))
    elif done.state == "refused":
        said.append(_unreadable(done) if done.error is not None else _refused(conn, contract, batch))
    elif done.state == "loaded" and (not done.repeated or _as_then(conn, done)):
        said += _loaded(batch, done)
    if done.state != "refused" and done.refused:
        said += [_left_out(contract, rule, rows) for rule, rows in _refusals(conn, batch).items()]
    return said


def paused(feed: str, pause: Pause) -> Told:
    """That a feed is paused of which something was taken all the same: only a file given by hand is."""
    return Told(
        f"{feed} is paused by {pause.operator}: {pause.reason}; a file given by hand is taken all the same, and nothing is pulled",
        f"{feed} 已由 {pause.operator} 暂停：{pause.reason}；手工给出的文件仍予接收，不从来源拉取",
    )


def settled_since(conn: sa.Connection, done: BatchOutcome) -> bool:
    """Whether what did not arrive with a repeated delivery is there now: corrected, replayed, and nothing of it waits."""
    if not done.repeated or done.state != "loaded":
        return False
    followed = [batches.get(conn, one) for one in batches.family(conn, done.batch_id)]
    return not _waiting(conn, done.batch_id) and any(one.rows_loaded or one.rows_unchanged for one in followed)


def _repeated(conn: sa.Connection, contract: FeedContract, batch: Batch) -> Told:
    """That it was taken before, and how its rows stand now: the figures are of that time."""
    when = batch.opened_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    en = f"repeated: this delivery is batch {batch.batch_id} of {when} (+08:00); nothing was done again, the figures are of that time"
    zh = f"重复：该交付即 {when}（北京时间）的批次 {batch.batch_id}；未再次处理，以上为当时的数字"
    if batch.contract_sha256 != contract.sha256:
        en += "; the contract has changed since"
        zh += "；此后契约已修改"
    waiting = {} if batch.state == "held" else _waiting(conn, batch.batch_id)
    if waiting:
        rows = sum(waiting.values())
        return Told(
            f"{en}; {rows:,} of its rows wait in quarantine now, and a replay judges them again by the contract as it is now",
            f"{zh}；其中 {rows:,} 行现仍在隔离区，重放会按现行契约重新判定",
            tuple(f"hub quarantine replay {batch_id} --all {SIGNED}" for batch_id in waiting),
        )
    if batch.state == "loaded" and batch.rows_quarantined:
        en += f"; of the {batch.rows_quarantined:,} rows that went into quarantine then none waits now"
        zh += f"；当时进入隔离区的 {batch.rows_quarantined:,} 行现均已处理完毕"
    return Told(en, zh, well=True)


def _as_then(conn: sa.Connection, done: BatchOutcome) -> bool:
    """Whether the figures of a repeated delivery still say how it stands, so that they may be put into words: `_repeated` says the rest."""
    if not done.quarantined:
        return True
    return _none_loaded(done) and sum(_waiting(conn, done.batch_id).values()) == done.quarantined


def _waiting(conn: sa.Connection, batch_id: BatchId) -> dict[str, int]:
    """Batch → rows of the delivery that wait in its quarantine now: where it came in, or where they were sent the way again."""
    columns = quarantine.c
    mine = columns.batch_id.in_(batches.family(conn, batch_id)), columns.state.in_(("open", "fixed"))
    query = sa.select(columns.batch_id, sa.func.count()).where(*mine)
    return {
        str(one): int(rows) for one, rows in conn.execute(query.group_by(columns.batch_id).order_by(columns.batch_id))
    }


def _held(batch: Batch) -> Told:
    why = why_held(verdicts_from(batch.facts))
    return Told(
        f"held: nothing of it is loaded until a named person decides: {why}",
        f"已挂起：在具名人员决定之前不入库：{why.zh}",
        (f"hub batch release {batch.batch_id} {SIGNED}", f"hub batch reject {batch.batch_id} {SIGNED}"),
    )


def _unreadable(done: BatchOutcome) -> Told:
    error = done.error or {}
    code = error.get("code", "")
    return Told(
        f"not taken: {code} {error.get('error', '')}",
        f"未接收：{code} {error.get('error_zh', '')}",
        remedy_en=str(error.get("remedy", "")),
        remedy_zh=str(error.get("remedy_zh", "")),
    )


def _refused(conn: sa.Connection, contract: FeedContract, batch: Batch) -> Told:
    rules = list(_refusals(conn, batch))
    if not rules:
        return Told(f"refused: {batch.state_reason or ''}", f"已拒收：{batch.state_reason or ''}")
    named = [_label(contract, rule) for rule in rules]
    return Told(
        f"refused as a whole at the gate, nothing of it is kept: {'; '.join(en for en, _ in named)}",
        f"整份交付被闸口拒收，内容未保存：{'；'.join(zh for _, zh in named)}",
        (f"hub batch show {batch.batch_id}",),
        "the sender takes out what may not be sent and delivers anew; where the gate is wrong, mend `hub.gate` in the contract first",
        "请报送方删去不得报送的内容后重新交付；若闸口规则有误，请先更正契约中的 `hub.gate`",
    )


def _loaded(batch: Batch, done: BatchOutcome) -> list[Told]:
    look = (f"hub quarantine list --batch {batch.batch_id}",)
    if not done.rows_in:
        return [Told("the delivery holds no row", "该交付没有任何数据行", well=True)]
    if _none_loaded(done):
        en = f"NO ROW WAS LOADED: of {done.rows_in:,} rows {done.quarantined:,} are in quarantine and {done.refused:,} were refused"
        zh = f"没有任何行入库：共 {done.rows_in:,} 行，隔离 {done.quarantined:,} 行，拒收 {done.refused:,} 行"
        return [Told(en, zh, look if done.quarantined else ())]
    if done.quarantined:
        en = f"{done.quarantined:,} of {done.rows_in:,} rows are in quarantine, each with every rule it breaks"
        return [Told(en, f"{done.rows_in:,} 行中 {done.quarantined:,} 行进入隔离区，每行附其违反的全部规则", look)]
    if done.unchanged == done.rows_in:
        return [Told("no row has changed since it was loaded before", "所有行与此前入库的相同", well=True)]
    return []


def _left_out(contract: FeedContract, rule: str, rows: int) -> Told:
    en, zh = _label(contract, rule)
    return Told(
        f"{rows:,} row(s) refused at the gate, only a trace is kept: {en}",
        f"闸口拒收 {rows:,} 行，仅留痕：{zh}",
        remedy_en="the sender takes out what may not be sent and delivers these rows anew",
        remedy_zh="请报送方删去不得报送的内容后重新报送这些行",
    )


def _none_loaded(done: BatchOutcome) -> bool:
    return done.state == "loaded" and bool(done.rows_in) and not done.loaded and not done.unchanged


def _refusals(conn: sa.Connection, batch: Batch) -> dict[str, int]:
    query = sa.select(refusal.c.rule, sa.func.count()).where(refusal.c.batch_id == batch.batch_id)
    return {
        str(rule): int(rows) for rule, rows in conn.execute(query.group_by(refusal.c.rule).order_by(refusal.c.rule))
    }


def _label(contract: FeedContract, rule: str) -> tuple[str, str]:
    """A gate rule in words; the hub's own and those that the contract no longer has name themselves."""
    found = next((one for one in contract.gate_rules if one.id == rule), None)
    if found is None:
        (words,) = sentences(contract, [rule])
        return words["en"], words["zh"]
    return (f"{rule}: {found.label_en}" if found.label_en else rule), (
        f"{rule}：{found.label_zh}" if found.label_zh else rule
    )
