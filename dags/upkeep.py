"""Once a night: files that nobody needs any more, and batches that nobody will finish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from dags.factory import chore_dag
from dags.operators import HubTask

WORDS = """
# 维护 · Upkeep

每晚一次：按数据契约的保留期逐层清理（落地文件、记录、隔离区、发件箱、回执），放弃没有落地的批次，完成中断的撤下，清除被中止进程的残留。
Once a night: clears every layer after the contract's retention (landing, core, quarantine, outbox, receipts), abandons
batches that never landed, goes on with takedowns that were killed, removes what killed processes left. 运行中的数据源不受影响 safe beside running feeds.
"""


class Upkeep(HubTask):
    """Calls `warehouse.upkeep`, then `exchange.desk.takedown.take_up`. XCom: how many of each it removed, and takedowns finished."""

    def work(self, context: Any) -> dict[str, Any]:
        """With the retention that the contracts say now. Of a feed whose contract can't be read nothing goes."""
        from dataclasses import asdict

        from contracts import catalogue
        from exchange.desk.takedown import take_up
        from warehouse.upkeep import upkeep

        feeds = list(catalogue.load().feeds.values())
        return {**asdict(upkeep(feeds)), "takedowns": len(take_up(feeds))}


dag: DAG = chore_dag("upkeep", "维护", "17 3 * * *", WORDS)
Upkeep(task_id="tidy", dag=dag, owner="hub", retries=2, retry_delay=timedelta(minutes=5))
