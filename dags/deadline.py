"""The deadline of a run, from its contract: Airflow keeps the time, and the hub's own alarm is raised when it passes.

The time runs from when the run was queued: a run that waits because another one hangs is late as well. A backfill reads past
days and promises nothing, so none is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from contracts.model import Sla
from hub import failure
from hub.errors import HubException
from hub.ids import FeedId

if TYPE_CHECKING:
    from dags.client import AirflowClient

LONGEST = timedelta(hours=12)
"""A task that takes longer hangs: it is stopped and tried again, and goes on where it was. No run has more time than that."""

_LOG = logging.getLogger("hub.task")


def time_of(sla: Sla) -> timedelta:
    """What a run may take: the shortest of what the contract promises, and never more than a task may."""
    return LONGEST if sla.run_minutes is None else min(LONGEST, timedelta(minutes=sla.run_minutes))


def alert(feed: FeedId, sla: Sla) -> DeadlineAlert:
    """Airflow's alert for the runs of a feed."""
    within = time_of(sla)
    given = {"feed": feed, "minutes": within.total_seconds() / 60}
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=within,
        callback=SyncCallback(missed, kwargs=given),
        name="契约时限 · the contract's deadline",
    )


def missed(context: Mapping[str, Any], feed: str, minutes: float) -> None:
    """What Airflow calls, in a process like a task's, once the deadline of a run has passed. Raises RuntimeError with a code."""
    from dags.operators import mask_secrets, told

    run = context["dag_run"]
    past = run.get("run_type") == "backfill" or (run.get("conf") or {}).get("interval_start")
    if run.get("state") == "success" or past:
        return
    mask_secrets()
    try:
        _raise(FeedId(feed), str(run["dag_run_id"])[:250], minutes, str(run.get("state")))
        return
    except Exception as error:  # noqa: BLE001 - Airflow logs what a callback raises, text and all
        known = failure.told(error)
        _LOG.error("frames:\n%s", failure.story(error))
    _LOG.error("%s", told(known))
    raise RuntimeError(known.code)


def _raise(feed: FeedId, run: str, minutes: float, state: str) -> None:
    from exchange.alarms import deadlines, webhook

    deadlines.tell(deadlines.Late(feed, run, minutes, state))
    webhook.send_due()


def settle() -> int:
    """Clears the alarms of runs that ended well after all, that Airflow does not know any more, or after which another ended
    well; how many.

    Where Airflow can't be asked they stay until the feed's sources were looked at (`exchange.alarms.conditions`). Raises DatabaseUnavailable.
    """
    from dags.account import airflow
    from dags.names import dag_id_of
    from exchange.alarms import book, deadlines

    waiting = deadlines.open_ones()
    session = airflow() if waiting else None
    if session is None:
        return 0
    cleared = 0
    with session:
        for one in waiting:
            try:
                is_over = _is_over(session, dag_id_of(one.feed), one.run)
            except HubException as error:
                _LOG.warning("how a late run stands can't be asked: %s", error.code)
                break
            cleared += len(book.over(one.alarm)) if is_over else 0
    return cleared


def _is_over(session: AirflowClient, dag_id: str, run_id: str) -> bool:
    run = session.find(dag_id, run_id)
    if run is None or run.state == "success":
        return True
    later = (one for one in session.runs(dag_id, 20) if one.run_type != "backfill" and one.start and run.start)
    return any(one.state == "success" and one.start > run.start for one in later)  # type: ignore[operator]  # both are there
