"""The timer behind the worker of frequent feeds, and its switch: a feed is served while its DAG is on.

`hub worker serve` needs none of this to go on; it is told here which feeds somebody has switched on or off. What has been due for
so long that no worker seems to serve it is taken here.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from dags.factory import chore_dag
from dags.names import dag_id_of
from dags.operators import HubTask, told

LATE_SECONDS = 180.0
"""Due for longer, and nobody serves it."""

PATIENCE_SECONDS = 90.0
"""After which no further feed is begun; the next run goes on."""

WORDS = """
# 高频数据源 · Frequent feeds

每两分钟：各数据源的 DAG 开启或暂停即告知工作进程 `hub worker serve`；长时间无人处理的到期数据源由本 DAG 处理。
Each two minutes: tells `hub worker serve` which feeds' DAGs are on, and takes what is due and nobody serves.

状态 state: `hub worker status`
"""

_LOG = logging.getLogger("hub.task")


class ServeFrequent(HubTask):
    """XCom: feeds served, those that changed, turns taken here and those of them that failed."""

    def work(self, context: Any) -> dict[str, Any]:
        """Red only when it could not look: a feed whose turns fail has a red run of its own DAG and an alarm."""
        from airflow.sdk.exceptions import AirflowRuntimeError

        from contracts import catalogue
        from warehouse.engine import transaction
        from warehouse.listening import application
        from warehouse.turns import book, taking

        found = catalogue.load()
        feeds = [contract for contract in found.feeds.values() if book.frequent(contract)]
        wanted: dict[str, bool] = {}
        for contract in feeds:
            try:
                wanted[contract.id] = not context["ti"].get_dag(dag_id_of(contract.id)).is_paused
            except AirflowRuntimeError as error:  # Airflow has not read it yet
                _LOG.info("no DAG of %s yet: %s", contract.id, error.error.error.value)
        with transaction() as conn:
            book.sync(conn, feeds, broken=found.broken)
            changed = book.serve(conn, wanted)
        done = taking.take_late(application("turns"), late_seconds=LATE_SECONDS, patience_seconds=PATIENCE_SECONDS)
        for one in done:
            if one.error is not None:
                _LOG.error("%s: %s", one.feed, told(one.error))
        return {
            "served": sum(wanted.values()),
            "changed": len(changed),
            "turns": len(done),
            "failed": sum(one.error is not None for one in done),
        }


dag: DAG = chore_dag("frequent", "高频数据源", "*/2 * * * *", WORDS)
ServeFrequent(task_id="serve", dag=dag, owner="hub", retries=1, retry_delay=timedelta(seconds=20))
