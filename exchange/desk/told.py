"""What became of a delivery, said so that nobody takes it for more than it is, with the command that comes next.

Figures alone mislead: a batch all of whose rows are in quarantine, one that waits for a decision, or one that was taken
long ago look like success in a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from contracts.model import FeedContract
from hub.clock import BEIJING
from warehouse import batches
from warehouse.batches import Batch, BatchOutcome
from warehouse.checking.metrics import verdicts_from, why_held
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
    elif done.state == "loaded":
        said += _loaded(batch, done)
    if done.state != "refused" and done.refused:
        said += [_left_out(contract, rule, rows) for rule, rows in _refusals(conn, batch).items()]
    return said


def _repeated(conn: sa.Connection, contract: FeedContract, batch: Batch) -> Told:
    when = batch.opened_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    en = f"repeated: this delivery is batch {batch.batch_id} of {when} (+08:00); nothing was done again, the figures are of that time"
    zh = f"重复：该交付即 {when}（北京时间）的批次 {batch.batch_id}；未再次处理，以上为当时的数字"
    if batch.contract_sha256 != contract.sha256:
        en += "; the contract has changed since"
        zh += "；此后契约已修改"
    query = sa.select(sa.func.count()).where(
        quarantine.c.batch_id == batch.batch_id, quarantine.c.state.in_(("open", "fixed"))
    )
    waiting = int(conn.scalar(query) or 0)
    if not waiting or batch.state == "held":
        return Told(en, zh, well=True)
    return Told(
        f"{en}; {waiting:,} of its rows wait in quarantine, and a replay judges them again by the contract as it is now",
        f"{zh}；其中 {waiting:,} 行仍在隔离区，重放会按现行契约重新判定",
        (f"hub quarantine replay {batch.batch_id} --all {SIGNED}",),
    )


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
