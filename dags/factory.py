"""One DAG from one contract. Imports `airflow.sdk` and the contract model, nothing heavy."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta
from functools import lru_cache
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, CronTriggerTimetable, Param

from contracts.model import FeedContract
from dags.carry import AwaitPublished, CarryFeed
from dags.deadline import LONGEST, alert
from dags.names import dag_id_of
from dags.words import contract_in_words

ZONE = pendulum.timezone("Asia/Shanghai")
"""The hub's legal time zone: schedules and the days of a backfill are its days."""

FIRST_DAY = pendulum.datetime(2000, 1, 1, tz=ZONE)
"""Where backfills may begin; fixed, so that the DAG is the same at each parse."""

_UNTAGGABLE = re.compile(r"[^\w .:-]+")


@lru_cache(maxsize=4096)
def asset_of(topic: str) -> Asset:
    """The asset that stands for a feed's topic: updated when a run's events are on it."""
    return Asset(name=topic, uri=f"kafka://hub/{topic}")


def build(contract: FeedContract, *, described: bool = True) -> DAG:
    """The DAG of a contract. `described=False` leaves out the page, for a task that starts. Raises what Airflow raises
    for a contract it can't take (the caller skips it)."""
    sla = contract.sla
    dag = DAG(
        dag_id=dag_id_of(contract.id),
        # The id first: what is typed into the page's search box is looked for at the beginning of this name.
        dag_display_name=f"{contract.id} {plain(contract.name_zh, 120)}",
        description=plain(f"{contract.name_zh} · {contract.name_en}", 250),
        schedule=CronDataIntervalTimetable(cron, timezone=ZONE) if (cron := rhythm(contract)) else None,
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        tags={"feed", tag(contract.domain), tag(contract.owner), tag(contract.publish)},
        params=run_params(tuple(source.id for source in contract.sources)),
        doc_md=contract_in_words(contract) if described else None,
        deadline=alert(contract.id, sla),
    )
    ring: dict[str, Any] = {
        "dag": dag,
        "feed": contract.id,
        "owner": tag(contract.owner),
        "retries": max(0, sla.retries),
        "retry_delay": timedelta(seconds=max(1, sla.retry_delay_seconds)),
        "execution_timeout": LONGEST,
    }
    carry = CarryFeed(task_id="carry", **ring)
    published = AwaitPublished(task_id="published", outlets=[asset_of(contract.topic.name)], **ring)
    carry >> published
    return dag


def rhythm(contract: FeedContract) -> str | None:
    """When a feed's DAG runs: by its schedule. Of a feed that the worker takes, once an hour, each at a minute of its own."""
    if contract.latency in ("frequent", "immediate"):
        return f"{zlib.crc32(contract.id.encode()) % 60} * * * *"
    return contract.sla.schedule


def chore_dag(name: str, display: str, cron: str, words: str) -> DAG:
    """The DAG of one of the hub's own chores: on from the first day, one run at a time, nothing made up for."""
    return DAG(
        dag_id=name,
        dag_display_name=f"{name} {display}",
        schedule=CronTriggerTimetable(cron, timezone=ZONE),
        start_date=FIRST_DAY,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"hub"},
        doc_md=words,
    )


def run_params(sources: tuple[str, ...]) -> dict[str, Param]:
    """What a person may fill in when starting a run; `dags.window` judges it again."""
    params = {
        "interval_start": Param(
            None, type=["null", "string"], description="补数起点 backfill from, RFC 3339, 含 inclusive"
        ),
        "interval_end": Param(
            None, type=["null", "string"], description="补数终点 backfill to, RFC 3339, 不含 exclusive"
        ),
    }
    if len(sources) > 1:
        words = "一个来源 one source; 空 empty: 全部 all"
        params["source"] = Param(None, type=["null", "string"], enum=[None, *sources], description=words)
    return params


def plain(text: str, most: int) -> str:
    """A contract's text as one bounded line, for places that show text as it is."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def tag(text: str) -> str:
    """A text as a tag: word characters only, at most 90 of them (Airflow takes 100)."""
    return _UNTAGGABLE.sub("-", text)[:90] or "-"
