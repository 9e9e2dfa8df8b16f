"""What is amiss now: of each feed against its contract, and of the space that the hub was given. Looks, changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from contracts.catalogue import BrokenContract, Catalogue
from contracts.model import SUFFIX, FeedContract
from exchange.desk.feed_status import FeedStatus, status
from hub import clock
from hub.ids import FeedId
from hub.settings import settings
from warehouse.agencies import keys
from warehouse.batches import NEW
from warehouse.checking.metrics import verdicts_from
from warehouse.engine import try_lock_session, unlock_session
from warehouse.feeds import versions
from warehouse.store import Store, store
from warehouse.tables import alarm, batch, source_look
from warehouse.takedown import standing
from warehouse.turns import book

VOLUME = ("row_count", "row_count_change")
"""Kinds of batch rules that judge how much came."""

Kind = Literal[
    "freshness", "latency", "volume", "held", "takedown", "deadline", "turns", "contract", "storage", "key_expires"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What an alarm may be about; subscribers of its topic read them. `deadline` is told by Airflow (`exchange.alarms.deadlines`); all others are found by looking."""

FAILED_TURNS = 3
"""Turns of a frequent feed that fail one after another before it is told."""

KEY_DAYS = 30
"""Days before an agency's last key ends, from which on it is told: as long as a new one may need through an office."""

LATE_MINUTES = 10.0
"""Minutes for which a frequent feed is due before it is told that nobody takes it."""

OF_CONTRACTS: tuple[Kind, ...] = ("freshness", "latency", "volume", "held", "deadline", "turns", "contract")
"""Kinds that can be looked at with a contract alone."""

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is amiss, in words, with the command that tells more."""

    object: str  # a feed, an agency, or `store`, `database`
    kind: Kind
    en: str
    zh: str
    next: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at everything found, and of which feeds it can't say anything."""

    amiss: tuple[Condition, ...]
    on_disk: Catalogue
    judged: frozenset[str]  # feeds that were held against a contract

    def tells(self, object_: str, kind: str) -> bool:
        """Whether the look would have found that alarm, were it not over. What was not looked at is not over."""
        if kind not in OF_CONTRACTS or object_ in self.judged:
            return True
        return bool(self.on_disk.feeds or self.on_disk.broken) and not self._behind(object_)

    def gone(self, object_: str, kind: str) -> bool:
        """Whether nobody looks any more, for the feed has no contract."""
        return kind in OF_CONTRACTS and object_ not in self.judged

    def _behind(self, feed: str) -> bool:
        """Whether the feed's contract is there and can't be read, or lies in a folder that can't."""
        folders = tuple(f"{one.id}_" for one in self.on_disk.broken if not one.path.endswith(SUFFIX))
        return feed in {one.id for one in self.on_disk.broken} or feed.startswith(folders)


def found(conn: sa.Connection, on_disk: Catalogue) -> Look:
    """Everything that is amiss now. In the caller's connection.

    A feed whose contract is broken is held against the one that was in use last: it stands still, and nobody is to think it well.
    """
    amiss: list[Condition] = []
    known = dict(on_disk.feeds.items())
    for one in on_disk.broken:
        if one.id not in known and (last := versions.readable(conn, one.id)) is not None:
            known[one.id] = last
    for contract in known.values():
        amiss += of_feed(conn, contract, status(conn, contract))
    amiss += [*of_takedowns(conn), *of_runs(conn, known), *of_contracts(on_disk.broken), *of_space(conn, store())]
    amiss += of_keys(conn)
    return Look(tuple(amiss), on_disk, frozenset(known))


def of_feed(conn: sa.Connection, contract: FeedContract, now: FeedStatus) -> list[Condition]:
    """What is amiss with a feed. One that a person paused is not expected to be fresh."""
    amiss = []
    tell = f"hub feed status {contract.id}"
    if now.fresh is False and now.paused is None:
        facts = {"age_hours": now.age_hours, "freshness_hours": now.freshness_hours}
        en = f"nothing new came of {contract.id} for {now.age_hours} h; its contract promises {now.freshness_hours:g} h"
        zh = f"数据源 {contract.id} 已 {now.age_hours} 小时没有新数据，契约承诺 {now.freshness_hours:g} 小时"
        amiss.append(Condition(contract.id, "freshness", en, zh, tell, facts))
    if now.in_time is False:
        facts = {"lag_minutes": now.lag_minutes, "latency_minutes": now.latency_minutes, "events": now.lag_events}
        en = f"events of {contract.id} wait for their topic for {now.lag_minutes} min; its contract promises {now.latency_minutes:g} min"
        zh = (
            f"数据源 {contract.id} 的事件已等待 {now.lag_minutes} 分钟仍未上主题，契约承诺 {now.latency_minutes:g} 分钟"
        )
        amiss.append(Condition(contract.id, "latency", en, zh, "hub relay status", facts))
    if now.held:
        en = f"{now.held} batch(es) of {contract.id} are held and wait for a decision"
        zh = f"数据源 {contract.id} 有 {now.held} 个批次挂起，等待决定"
        amiss.append(Condition(contract.id, "held", en, zh, "hub batch list --state held", {"batches": now.held}))
    return amiss + _turns(conn, contract) + _volume(conn, contract)


def _turns(conn: sa.Connection, contract: FeedContract) -> list[Condition]:
    """Of a frequent feed: turns that fail one after another, or that nobody takes."""
    turn = book.of(conn, contract.id) if book.frequent(contract) else None
    if turn is None or not turn.served:
        return []
    if turn.failures >= FAILED_TURNS:
        error = turn.error or {}
        facts: dict[str, Any] = {"failures": turn.failures, "code": error.get("code")}
        en = f"{turn.failures} turns of {contract.id} in a row failed: {error.get('code')} {error.get('error')}"
        zh = f"数据源 {contract.id} 连续 {turn.failures} 轮处理失败：{error.get('code')} {error.get('error_zh')}"
        return [Condition(contract.id, "turns", en, zh, "hub worker status", facts)]
    late = round(turn.late(clock.now()) / 60, 1)
    if late >= LATE_MINUTES:
        en = f"{contract.id} is due for {late} min, and no worker takes it"
        zh = f"数据源 {contract.id} 已到期 {late} 分钟，无工作进程处理"
        return [Condition(contract.id, "turns", en, zh, "hub worker status", {"late_minutes": late})]
    return []


def of_takedowns(conn: sa.Connection) -> list[Condition]:
    """Takedowns that were begun and that nobody is at: a record may still be somewhere, a topic may have a takedown's settings."""
    left: dict[str, list[int]] = {}
    for row in standing.unfinished(conn):
        left.setdefault(row.feed, []).append(row.number)
    amiss = []
    for feed, numbers in left.items():
        if not try_lock_session(conn, "takedown", feed):
            continue
        unlock_session(conn, "takedown", feed)
        named = ", ".join(map(str, numbers))
        en = f"takedown {named} of {feed} was begun and is not finished; the nightly upkeep goes on with it, or order it again"
        zh = f"数据源 {feed} 的撤下 {named} 已开始但未完成；每晚维护会继续，也可重新执行"
        amiss.append(Condition(feed, "takedown", en, zh, f"hub takedown list --feed {feed}", {"takedowns": numbers}))
    return amiss


def of_runs(conn: sa.Connection, contracts: Mapping[FeedId, FeedContract]) -> list[Condition]:
    """Runs that were not done by their deadline, as Airflow told; over once each source was looked at since: a later run came so far."""
    query = sa.select(alarm).where(alarm.c.kind == "deadline", alarm.c.cleared_at.is_(None)).order_by(alarm.c.alarm_no)
    amiss = []
    for row in conn.execute(query).all():
        contract = contracts.get(row.object)
        if contract is None:
            continue
        since = source_look.c.feed == contract.id, source_look.c.looked_at > row.raised_at
        looked = set(conn.scalars(sa.select(source_look.c.source).where(*since)))
        if not {source.id for source in contract.sources} <= looked:
            facts = dict(row.facts)
            en, zh = str(facts.pop("en")), str(facts.pop("zh"))
            amiss.append(Condition(contract.id, "deadline", en, zh, f"hub feed status {contract.id}", facts))
    return amiss


def of_contracts(broken: Iterable[BrokenContract]) -> list[Condition]:
    """Contracts on disk that can't be used: their feeds stand still, and no run is there to fail."""
    amiss: dict[str, Condition] = {}
    for one in broken:
        codes = ", ".join(sorted({problem.code for problem in one.problems}))
        facts = {"file": one.path, "problems": len(one.problems), "codes": codes}
        en = f"a contract of {one.id} can't be used: {len(one.problems)} problem(s) ({codes}) in {one.path}"
        zh = f"数据源 {one.id} 的契约无法使用：{one.path} 有 {len(one.problems)} 个问题（{codes}）"
        amiss.setdefault(one.id, Condition(one.id, "contract", en, zh, "hub contract lint", facts))
    return list(amiss.values())


def of_keys(conn: sa.Connection) -> list[Condition]:
    """Agencies whose last key ends soon, or ended: nobody else can make them a new one. Over when one is there that lasts."""
    now = clock.now()
    amiss = []
    for agency, end in keys.ending(conn, now + timedelta(days=KEY_DAYS)):
        facts = {"ends_at": end.isoformat(), "days": (end - now).days}
        until = clock.shown(end, seconds=False)
        en = f"the last key of the agency {agency} {'ends' if end > now else 'ended'} on {until} ({clock.ZONE[1]})"
        zh = f"机构 {agency} 的最后一个密钥{'将于' if end > now else '已于'} {until}（{clock.ZONE[0]}）失效"
        amiss.append(Condition(agency, "key_expires", en, zh, f"hub agency show {agency}", facts))
    return amiss


def of_space(conn: sa.Connection, place: Store) -> list[Condition]:
    """Store and database, where the operator set them a limit and the share at which to warn is reached."""
    now = settings()
    limits = {"store": now.store_limit_gib, "database": now.database_limit_gib}
    amiss = []
    for name, limit in limits.items():
        if limit is None:
            continue
        size = size_of(place) if name == "store" else int(conn.scalar(sa.text(_DATABASE)) or 0)
        percent = 100 * size / (limit * _GIB)
        if percent < now.storage_warning_percent:
            continue
        facts = {"bytes": size, "limit_gib": limit, "percent": round(percent, 1)}
        zh_name = {"store": "存储区", "database": "数据库"}[name]
        en = f"the {name} takes {percent:.0f} % of the {limit:g} GiB it may take"
        zh = f"{zh_name}已占用上限 {limit:g} GiB 的 {percent:.0f} %"
        amiss.append(Condition(name, "storage", en, zh, "hub doctor", facts))
    return amiss


_DATABASE = "select pg_database_size(current_database())"


def size_of(place: Store) -> int:
    """Bytes of all files of the store; what goes meanwhile counts as gone."""
    total = 0
    waiting = [place.root]
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                    continue
                with suppress(FileNotFoundError):  # this one alone: its neighbours are there
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _volume(conn: sa.Connection, contract: FeedContract) -> list[Condition]:
    """Rules on how much came that the newest delivery of a source breaks; a release is a person's word that it is right."""
    rules = {rule.id: rule for rule in contract.batch_rules if rule.kind in VOLUME}
    if not rules:
        return []
    query = (
        sa.select(batch.c.batch_id, batch.c.source, batch.c.facts, batch.c.rows_in)
        .ext(distinct_on(batch.c.source))
        .where(batch.c.feed == contract.id, batch.c.kind.in_(NEW))
        .where(batch.c.state.in_(("loaded", "held", "rejected", "released")))
        .order_by(batch.c.source, batch.c.batch_no.desc())
    )
    if not (rows := [row for row in conn.execute(query).all() if row.facts.get("verdicts")]):
        return []
    amiss = []
    for row in rows:
        broken = [one for one in verdicts_from(row.facts) if not one.passed and one.rule in rules]
        if broken and not _released(conn, row.batch_id):
            names = ", ".join(str(one.rule) for one in broken)
            facts = {"batch": row.batch_id, "source": row.source, "rows": row.rows_in, "rules": names}
            en = f"the volume of {contract.id} is not as agreed: {row.rows_in} rows in batch {row.batch_id} ({names})"
            zh = f"数据源 {contract.id} 的数据量与约定不符：批次 {row.batch_id} 有 {row.rows_in} 行（{names}）"
            amiss.append(Condition(contract.id, "volume", en, zh, f"hub batch show {row.batch_id}", facts))
    return amiss[:1]


def _released(conn: sa.Connection, batch_id: str) -> bool:
    return conn.scalar(sa.select(batch.c.state).where(batch.c.batch_id == batch_id)) == "released"
