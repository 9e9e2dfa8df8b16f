"""Every five minutes: are the feeds as fresh, as large and as quick as their contracts promise, and is there room."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from dags.factory import chore_dag
from dags.operators import HubTask

WORDS = """
# 告警 · Alarms

每五分钟对照数据契约检查时效、数据量、延迟、挂起批次以及存储占用；告警只发出一次，按设置重复，恢复后解除。超过时限仍未完成的运行由 Airflow 即时告知。
Every five minutes: freshness, volume, latency, held batches and space. An alarm is raised once, repeated as set, cleared when it is over.
A run that is not done by its deadline is told by Airflow at once.

未解除的告警 open alarms: `hub alarm list`
"""


class LookForAlarms(HubTask):
    """Calls `exchange.alarms`. XCom: notices made, webhook notices sent and given up."""

    def work(self, context: Any) -> dict[str, Any]:
        """Red only when it could not look: that a feed is late is an alarm, no failure of this task."""
        from contracts import catalogue
        from dags import deadline
        from exchange.alarms import book, webhook

        deadline.settle()
        notices = book.look(catalogue.load())
        sent = webhook.send_due()
        return {"notices": len(notices), "sent": sent.sent, "later": sent.later, "given_up": sent.given_up}


dag: DAG = chore_dag("alarms", "告警", "*/5 * * * *", WORDS)
LookForAlarms(task_id="look", dag=dag, owner="hub", retries=1, retry_delay=timedelta(seconds=30))
