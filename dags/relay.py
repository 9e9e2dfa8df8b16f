"""The timer behind the relay: whatever waits although no relay serves is sent here.

`hub relay serve` is woken by PostgreSQL and needs none of this. A lane that it holds is left to it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from dags.factory import chore_dag
from dags.operators import HubTask, told

PATIENCE_SECONDS = 60.0
"""How long a lane's passing troubles are tried again; the next run goes on."""

WORDS = """
# 转发 · Relay

每两分钟查看一次：已入库而无人转发的事件由本 DAG 发送；常驻转发服务 `hub relay serve` 持有的通道不动。
Each two minutes: sends what is committed and no relay serves; a lane that `hub relay serve` holds is left to it.

积压 lag: `hub relay status`
"""

_LOG = logging.getLogger("hub.task")


class DrainLanes(HubTask):
    """Sends all that waits in lanes that nobody holds. XCom: lanes looked at, those held elsewhere, events sent, dead letters.

    Raises the error of a lane that stopped (an operator must act), else that of one that is late (tried again).
    """

    def work(self, context: Any) -> dict[str, Any]:
        """Every lane gets its turn before any lane's error is raised."""
        from exchange.relay.serve import drain

        lanes = drain(timeout=PATIENCE_SECONDS)
        for lane in lanes:
            if lane.error is not None and lane.state != "held":
                _LOG.error("lane %s %s: %s", lane.lane, lane.state, told(lane.error))
        for state in ("stopped", "late"):
            for lane in lanes:
                if lane.state == state and lane.error is not None:
                    raise lane.error
        return {
            "lanes": len(lanes),
            "held": sum(lane.state == "held" for lane in lanes),
            "events": sum(lane.events for lane in lanes),
            "dead": sum(lane.dead for lane in lanes),
        }


dag: DAG = chore_dag("relay", "转发", "*/2 * * * *", WORDS)
DrainLanes(task_id="drain", dag=dag, owner="hub", retries=1, retry_delay=timedelta(seconds=20))
