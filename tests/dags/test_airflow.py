"""Real runs in a real Airflow: a trial agency's feeds through a whole stack of the test's own."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from dags.client import AirflowClient, Run
from dags.errors import AirflowRefused, DagUnknown, RunNotSucceeded
from hub.settings import ROOT, load_settings
from hub.stack import down, status, up
from hub.stack.airflow import NOTES
from hub.stack.environment import publish
from hub.stack.layout import Layout, write_private
from hub.stack.vault import Vault
from tests.connectors.serving import Server, serving
from tests.dags import trial
from tests.seeing.receiver import attributes, receiver

pytestmark = [pytest.mark.stack, pytest.mark.airflow, pytest.mark.timeout(600)]

GOOD, FLAKY, GONE, IDLE = "testing_good", "testing_flaky", "testing_gone", "testing_idle"
HANGING, STRICT, OFTEN = "testing_hanging", "testing_strict", "testing_often"
FEEDS = (GOOD, FLAKY, GONE, IDLE, HANGING, STRICT, OFTEN)
BEIJING = timezone(timedelta(hours=8))


@dataclass
class Trial:
    """The stack, its Airflow and the agency."""

    airflow: AirflowClient
    agency: Server
    contracts: Path
    var: Path
    failing: set[str] = field(default_factory=set)
    let_go: threading.Event = field(default_factory=threading.Event)

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        url = load_settings(var=self.var).url().replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url) as conn:
            return conn.execute(query, params).fetchall()

    def cursor(self, feed: str) -> list[tuple[Any, ...]]:
        return self.rows("select source, value, batch_id, moved_at from hub.cursor where feed = %s", feed)

    def await_rows(self, query: str, *params: Any, seconds: float = 90) -> list[tuple[Any, ...]]:
        """The rows once there are any."""
        end = time.monotonic() + seconds
        while not (found := self.rows(query, *params)) and time.monotonic() < end:
            time.sleep(0.3)
        assert found, query
        return found

    def live(self, feed: str) -> Run:
        return self.airflow.succeed(self.airflow.ring([f"feed_{feed}"]))[0]


@pytest.fixture(scope="module")
def on_trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("airflow")
    failing: set[str] = set()
    let_go = threading.Event()
    with serving(lambda asked: trial.answer(asked, failing, let_go)) as agency, pytest.MonkeyPatch.context() as patch:
        contracts = trial.contracts(folder / "contracts", [GOOD, FLAKY, GONE, IDLE])
        for feed, document in (
            (HANGING, trial.hasty(HANGING)),
            (STRICT, trial.strict(STRICT)),
            (OFTEN, trial.often(OFTEN)),
        ):
            (contracts / "feeds" / "testing" / f"{feed}.odcs.yaml").write_text(document, encoding="utf-8")
        broken = contracts / "feeds" / "testing" / "testing_broken.odcs.yaml"
        broken.write_text(
            trial.contract("testing_broken").replace("status: active", "stauts: active"), encoding="utf-8"
        )
        var = folder / "var"
        for name, value in {
            "HUB_CONTRACTS": contracts,
            "HUB_PLACES": trial.places(folder / "places.toml", agency.url),
            "HUB_VAR": var,
        }.items():
            patch.setenv(name, str(value))
        up(var, timeout=300)
        try:
            with AirflowClient.of_stack(var) as airflow:
                airflow.await_dags([f"feed_{feed}" for feed in FEEDS])
                yield Trial(airflow, agency, contracts, var, failing, let_go)
        finally:
            down(var)


def noted(on_trial: Trial, run: Run) -> str:
    """A run's note, which holds no secret and nothing of a record."""
    text = on_trial.airflow.note(run.dag_id, run.run_id)
    assert 0 < len(text) <= 1000
    for secret in (trial.TOKEN, "R-0001", load_settings(var=on_trial.var).url()):
        assert secret not in text
    return text


def test_every_readable_contract_has_its_dag_and_no_file_fails(on_trial: Trial) -> None:
    on_trial.airflow.await_dags(["alarms", "broken_contracts", "frequent", "relay", "upkeep"])
    feeds = {f"feed_{feed}" for feed in FEEDS}
    assert set(on_trial.airflow.dag_ids()) == feeds | {"alarms", "broken_contracts", "frequent", "relay", "upkeep"}
    assert on_trial.airflow.import_errors() == []


def test_a_run_that_the_schedule_has_due_is_started_once_whoever_comes_first(on_trial: Trial) -> None:
    dag_id = f"feed_{IDLE}"
    dag = on_trial.airflow._ask("GET", f"/dags/{dag_id}")
    assert dag["is_paused"] and dag["next_dagrun_run_after"] is not None
    first, second = on_trial.airflow._due(dag), on_trial.airflow._due(dag)
    (rung,) = on_trial.airflow.ring([dag_id])
    assert first and second and first.run_id == second.run_id == rung.run_id
    on_trial.airflow.succeed([rung])
    assert on_trial.airflow._due(dag) is None, "one that has begun is told as due until the schedule moves on"
    # Let run since, and its due run is that one: the schedule has made no other.
    assert [run.run_id for run in on_trial.airflow.runs(dag_id)] == [first.run_id]
    for paused, word in ((True, "off"), (False, "on")):
        on_trial.airflow.pause(dag_id, paused)
        (told,) = json.loads(trial.hub("feed", "status", IDLE, "--json"))
        assert (told["airflow"]["switch"], told["paused"]) == (word, None), "it is no pause of the hub's"
        assert (f"own switch of {dag_id} is off" in trial.hub("feed", "status", IDLE)) == paused


def test_a_run_takes_the_feed_the_whole_way_and_xcom_holds_ids_and_counts(on_trial: Trial) -> None:
    run = on_trial.live(GOOD)
    carried, published = (on_trial.airflow.figures(run, task) for task in ("carry", "published"))
    assert (carried["rows_in"], carried["loaded"], carried["quarantined"]) == (10, 10, 0)
    assert published["published"] == 10
    assert [task.state for task in on_trial.airflow.tasks(run)] == ["success", "success"]
    loaded = on_trial.rows(
        "select batch_id, rows_loaded, kind from hub.batch where feed = %s and state = 'loaded'", GOOD
    )
    assert loaded == [(carried["batches"][0], 10, "pull")]
    assert len(on_trial.cursor(GOOD)) == 1
    asset = on_trial.airflow._ask(
        "GET", "/assets/events", params={"source_dag_id": run.dag_id, "source_run_id": run.run_id}
    )
    assert [(event["source_task_id"], event["uri"]) for event in asset["asset_events"]] == [
        ("published", f"kafka://hub/hub.testing.{GOOD}.v1")
    ]
    only_ids_and_counts({"carry": carried, "published": published})
    text = noted(on_trial, run)
    assert text.startswith("**loaded 已入库**") and "rows 行 10 · loaded 入库 10" in text
    assert f"`hub batch receipt {carried['batches'][0]}`" in text


def test_another_run_reads_from_the_cursor_and_publishes_nothing_twice(on_trial: Trial) -> None:
    on_trial.live(GOOD)
    events = on_trial.rows("select sum(records) from hub.outbox where topic = %s", f"hub.testing.{GOOD}.v1")
    run = on_trial.live(GOOD)
    carried = on_trial.airflow.figures(run, "carry")
    assert carried["loaded"] == 0
    assert noted(on_trial, run).startswith("**loaded 已入库**" if carried["batches"] else "**nothing new 没有新数据**")
    assert "since" in [one.query for one in on_trial.agency.asked if one.path == f"/{GOOD}"][-1]
    assert on_trial.rows("select sum(records) from hub.outbox where topic = %s", f"hub.testing.{GOOD}.v1") == events


def test_a_backfill_reads_its_day_again_and_moves_no_cursor(on_trial: Trial) -> None:
    on_trial.live(GOOD)
    before = on_trial.cursor(GOOD)
    day = datetime(2026, 3, 5, tzinfo=BEIJING)
    with recorded(on_trial, GOOD) as asked:
        runs = on_trial.airflow.succeed(
            on_trial.airflow.backfill(f"feed_{GOOD}", day, day + timedelta(hours=23, minutes=59))
        )
    assert [run.run_type for run in runs] == ["backfill"]
    # The schedule is at 02:00, so the interval that begins on that day runs from 02:00 to 02:00, Asia/Shanghai.
    assert asked == [{"since": "2026-03-04T18:00:00Z", "until": "2026-03-05T18:00:00Z"}]
    assert on_trial.airflow.figures(runs[0], "carry")["rows_in"] == 1
    assert on_trial.cursor(GOOD) == before
    kind = on_trial.rows(
        "select kind, cursor_after from hub.batch where feed = %s order by batch_no desc limit 1", GOOD
    )
    assert kind == [("backfill", None)]


def test_a_person_may_have_any_interval_read_again(on_trial: Trial) -> None:
    on_trial.live(GOOD)
    before = on_trial.cursor(GOOD)
    start = datetime(2026, 3, 7, tzinfo=UTC)
    with recorded(on_trial, GOOD) as asked:
        run = on_trial.airflow.succeed([on_trial.airflow.again(f"feed_{GOOD}", start, start + timedelta(days=2))])[0]
    assert asked == [{"since": "2026-03-07T00:00:00Z", "until": "2026-03-09T00:00:00Z"}]
    assert on_trial.airflow.figures(run, "carry")["rows_in"] == 2
    assert on_trial.cursor(GOOD) == before


def test_a_transient_error_is_tried_again(on_trial: Trial) -> None:
    on_trial.failing.add(f"/{FLAKY}")
    run = on_trial.live(FLAKY)
    tries = {task.task_id: task.tries for task in on_trial.airflow.tasks(run)}
    assert tries == {"carry": 2, "published": 1}
    assert on_trial.airflow.figures(run, "carry")["loaded"] == 10
    first = on_trial.airflow.log(run, "carry", 1)
    assert "[transient]" in first
    assert trial.TOKEN not in first


def test_an_agencys_error_fails_at_once_and_says_code_and_remedy(on_trial: Trial) -> None:
    from connectors.errors import HttpRefused

    run = on_trial.airflow.wait(on_trial.airflow.ring([f"feed_{GONE}"]))[0]
    assert run.state == "failed"
    states = {task.task_id: (task.state, task.tries) for task in on_trial.airflow.tasks(run)}
    assert states["carry"] == ("failed", 1)
    assert states["published"][0] == "upstream_failed"
    log = on_trial.airflow.log(run, "carry")
    assert HttpRefused.code in log
    assert "[agency]" in log
    assert "remedy: " in log
    assert trial.TOKEN not in log
    assert load_settings(var=on_trial.var).url() not in log
    text = noted(on_trial, run)
    assert text.startswith(f"**failed 失败** `{HttpRefused.code} [agency]`") and "→ `" in text
    with pytest.raises(RunNotSucceeded) as raised:
        on_trial.airflow.succeed([run])
    assert "carry failed" in raised.value.sentence()


def test_a_held_run_explains_itself(on_trial: Trial) -> None:
    run = on_trial.live(STRICT)
    (batch,) = on_trial.airflow.figures(run, "carry")["held"]
    text = noted(on_trial, run)
    assert text.startswith("**held 已挂起**") and "quarantined 隔离 10" in text
    assert "`enough`" in text and f"`hub batch show {batch}`" in text


def test_the_account_that_writes_notes_may_do_no_more_than_it_must(on_trial: Trial) -> None:
    address = str(on_trial.airflow._http.base_url)
    vault = Vault(Layout.of(on_trial.var).secrets)
    run = (on_trial.airflow.runs(f"feed_{IDLE}") or [on_trial.live(IDLE)])[0]
    with AirflowClient(address, NOTES, vault.get("airflow-notes")) as account:
        account.put_note(run.dag_id, run.run_id, "by the account")
        for path in ("/connections", "/variables", "/pools/default_pool"):
            with pytest.raises(AirflowRefused) as refused:
                account._ask("PATCH" if "pools" in path else "GET", path, body={"slots": 1})
            assert refused.value.facts["status"] == 403, path
    assert on_trial.airflow.note(run.dag_id, run.run_id) == "by the account"
    environments = [
        psutil.Process(pid).environ()
        for name in ("airflow-scheduler", "airflow-api", "airflow-dag-processor")
        if (pid := status(on_trial.var).pid(name))
    ]
    assert [("HUB_AIRFLOW_NOTES_PASSWORD_FILE" in one) for one in environments] == [True, False, False]
    assert not any(vault.get("airflow-notes") in one.values() for one in environments)


ALARMS = "select alarm_no, facts->>'run', cleared_at from hub.alarm where object = %s and kind = 'deadline'"


def test_a_run_that_hangs_is_told_by_the_hubs_own_alarm_and_cleared_when_it_is_done(on_trial: Trial) -> None:
    (run,) = on_trial.airflow.ring([f"feed_{HANGING}"])
    ((number, told, _),) = on_trial.await_rows(ALARMS, HANGING)
    assert told == run.run_id
    assert on_trial.airflow.run(run).state == "running", "it was told while it hung"
    ((event,),) = on_trial.rows(
        "select event->'data' from hub.outbox where topic = 'hub.ops.alarm.v1' and event->>'key' = %s", HANGING
    )
    assert (event["alarm"], event["kind"], event["change"]) == (number, "deadline", "raised")
    on_trial.let_go.set()
    on_trial.airflow.succeed([run])
    on_trial.airflow.succeed([on_trial.airflow.trigger("alarms")])
    assert on_trial.rows(ALARMS, HANGING)[0][2] is not None


def test_observers_are_told_by_a_task_of_airflow(on_trial: Trial) -> None:
    on_trial.live(GOOD)
    layout = Layout.of(on_trial.var)
    before = layout.env_file.read_text(encoding="utf-8")
    with receiver() as got:
        told = {"HUB_OTLP_ENDPOINT": got.url, "HUB_LINEAGE_URL": f"{got.url}/api/v1/lineage"}
        publish(on_trial.var, told)
        try:
            day = datetime(2026, 3, 2, tzinfo=UTC)
            run = on_trial.airflow.succeed([on_trial.airflow.again(f"feed_{GOOD}", day, day + timedelta(days=1))])[0]
        finally:
            write_private(layout.env_file, before)
    (batch,) = on_trial.airflow.figures(run, "carry")["batches"]
    assert got.wrong == []
    span = got.span("batch")
    assert span.trace_id.hex() == batch.replace("-", "") and attributes(span)["batch"] == batch
    assert got.points("hub.rows")[(GOOD, "in")].as_int == 1
    assert [one["eventType"] for one in got.documents] == ["START", "COMPLETE"]
    assert {one["job"]["name"] for one in got.documents} == {GOOD}
    assert len({one["run"]["runId"] for one in got.documents}) == 1


def test_the_broken_contract_is_told_while_the_others_run(on_trial: Trial) -> None:
    run = on_trial.airflow.wait([on_trial.airflow.trigger("broken_contracts")])[0]
    assert run.state == "failed"
    log = on_trial.airflow.log(run, "tell")
    assert "HUB-DAG-001" in log
    assert "testing_broken.odcs.yaml" in log
    assert on_trial.live(IDLE).state == "success"


def test_a_frequent_feed_is_taken_by_the_worker_while_its_dag_is_on(on_trial: Trial) -> None:
    """The worker of the stack takes it, its DAG's run tells of the hour, and who pauses the DAG has it stop."""

    before = {run.run_id for run in on_trial.airflow.runs("frequent") if run.ended}

    def told() -> tuple[dict[str, Any], int]:
        """What a run says that is triggered now; and how many switches it and its timer's runs told since the last time."""
        run = on_trial.airflow.succeed([on_trial.airflow.trigger("frequent")])[0]
        since = [one for one in on_trial.airflow.runs("frequent") if one.run_id not in before]
        said = [on_trial.airflow.figures(one, "serve") for one in on_trial.airflow.succeed(since)]
        before.update(one.run_id for one in since)
        return dict(on_trial.airflow.figures(run, "serve")), sum(one["changed"] for one in said)

    def turn() -> tuple[Any, ...]:
        return on_trial.rows("select served, turns, failed, holder from hub.feed_turn where feed = %s", OFTEN)[0]

    assert told()[0]["served"] == 0
    assert turn()[:3] == (False, 0, 0), "a new feed waits until somebody lets it run"
    on_trial.airflow.pause(f"feed_{OFTEN}", paused=False)
    # Its own timer may have been quicker than the run that is triggered here: then that one told the change.
    said, changed = told()
    assert (said["served"], said["turns"], said["failed"], changed) == (1, 0, 0, 1)
    end = time.monotonic() + 120
    while not (turn()[1] >= 1 and on_trial.rows("select 1 from hub.batch where feed = %s and state = 'loaded'", OFTEN)):
        assert time.monotonic() < end, "no turn was taken"
        time.sleep(0.2)
    assert turn()[3].startswith("hub turns ")
    run = on_trial.live(OFTEN)
    assert on_trial.airflow.figures(run, "carry")["loaded"] == 0, "the worker had taken it all"
    on_trial.airflow.pause(f"feed_{OFTEN}")
    said, changed = told()
    assert (said["served"], changed) == (0, 1)
    assert turn()[0] is False


@pytest.mark.parametrize(("dag_id", "task_id"), [("relay", "drain"), ("upkeep", "tidy")])
def test_the_hubs_own_chores_run(on_trial: Trial, dag_id: str, task_id: str) -> None:
    run = on_trial.airflow.succeed([on_trial.airflow.trigger(dag_id)])[0]
    only_ids_and_counts(on_trial.airflow.figures(run, task_id))


def test_tasks_start_warm(on_trial: Trial) -> None:
    logs = (on_trial.var / "logs" / "airflow-scheduler.log").read_text(encoding="utf-8", errors="replace")
    assert "workers start warm" in logs
    assert "can't warm" not in logs


def test_the_client_says_what_is_wrong(on_trial: Trial) -> None:
    with pytest.raises(DagUnknown):
        on_trial.airflow.await_dags(["feed_that_is_not"], seconds=1)
    with pytest.raises(AirflowRefused) as raised:
        on_trial.airflow.trigger("feed_that_is_not")
    assert raised.value.facts["status"] == 404
    address = str(on_trial.airflow._http.base_url)
    with AirflowClient(address, "admin", "wrong") as stranger, pytest.raises(AirflowRefused) as refused:
        stranger.dag_ids()
    assert refused.value.facts["status"] == 401
    assert "wrong" not in refused.value.sentence()


@contextmanager
def recorded(on_trial: Trial, feed: str) -> Iterator[list[dict[str, str]]]:
    """The queries that the agency is asked in the block."""
    seen = len(on_trial.agency.asked)
    asked: list[dict[str, str]] = []
    yield asked
    asked += [one.query for one in on_trial.agency.asked[seen:] if one.path == f"/{feed}"]


def only_ids_and_counts(value: Any) -> None:
    """Fails for anything but numbers and batch ids, and for anything large."""
    assert len(json.dumps(value)) < 2000
    if isinstance(value, dict):
        for item in value.values():
            only_ids_and_counts(item)
    elif isinstance(value, list):
        for item in value:
            uuid.UUID(item)
    else:
        assert isinstance(value, int | float), value


def test_no_feed_is_named_in_the_wiring() -> None:
    feeds = [path.name.removesuffix(".odcs.yaml") for path in (ROOT / "contracts" / "feeds").glob("*/*.odcs.yaml")]
    for module in (ROOT / "dags").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        assert [feed for feed in feeds if feed in text] == []
