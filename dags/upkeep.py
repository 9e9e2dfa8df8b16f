"""Once a night: files that nobody needs any more, and batches that nobody will finish."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from dags.factory import FIRST_DAY, every
from dags.operators import HubTask
from hub.ids import FeedId

if TYPE_CHECKING:
    from contracts.catalogue import Catalogue

FOREVER_DAYS = 100 * 365

WORDS = """
# 维护 · Upkeep

每晚一次:按数据契约的保留期清理落地文件和变更集,放弃没有落地的批次,清除被中止进程的残留。
Once a night: clears landed files and change sets after the contract's retention, abandons batches that never landed,
removes what killed processes left. 运行中的数据源不受影响 safe beside running feeds.
"""


class Upkeep(HubTask):
    """Calls `warehouse.upkeep`. XCom: how many of each it removed."""

    def work(self, context: Any) -> dict[str, Any]:
        """With the retention that the contracts say now."""
        from dataclasses import asdict

        from contracts import catalogue
        from warehouse.upkeep import upkeep

        return asdict(upkeep(retention(catalogue.load())))


def retention(found: Catalogue) -> dict[FeedId, Mapping[str, int]]:
    """Feed -> layer -> days. Of a feed whose contract can't be read nothing goes: it may ask for longer than the default."""
    kept: dict[FeedId, Mapping[str, int]] = {
        feed: contract.sla.retention_days for feed, contract in found.feeds.items()
    }
    return kept | {item.id: {"landing": FOREVER_DAYS, "changes": FOREVER_DAYS} for item in found.broken}


dag = DAG(
    dag_id="upkeep",
    dag_display_name="维护 upkeep",
    schedule=every("17 3 * * *"),
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags={"hub"},
    doc_md=WORDS,
)
Upkeep(task_id="tidy", dag=dag, owner="hub", retries=2, retry_delay=timedelta(minutes=5))
