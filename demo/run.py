"""The whole way on real parts: `make demo`, or `python -m demo.run`.

    stack up ─┬─ agencies start beside it ─▶ DAGs triggered ─▶ batches on their topics ─▶ one row fixed and replayed
              └─ Airflow boots                                     ─▶ read back by a subscriber ─▶ claims held ─▶ report

ROWS=n payments (default 20,000), SEED=n other records, KEEP=1 leaves everything running. Exit code 0 only when every
claim holds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from confluent_kafka import KafkaException
from rich.console import Console

from contracts import catalogue
from contracts.model import FeedContract
from dags.client import AirflowClient, Run
from demo import outcome, proof, report
from demo.agencies.handle import Agencies
from demo.errors import ClaimBroken, FeedStopped, RequestInvalid, SubscriberFailed
from demo.outcome import FeedLine
from demo.proof import Claim
from demo.repair import Repair, candidate, done_before, examples, repair
from demo.show import Show
from demo.subscriber import Reading, read
from exchange import access, publication
from exchange.cluster import Cluster
from hub import log
from hub.errors import HubException
from hub.ids import FeedId
from hub.output import emit_error
from hub.settings import load_settings, settings
from hub.stack import StackState, down, up
from warehouse.batches import Batch
from warehouse.quarantine import QuarantinedRow

ARRIVAL_SECONDS = 600.0
POLL_SECONDS = 0.5
LEAST_ROWS = 1_000
SUBSCRIBER = "demo_subscriber"
DAG_PREFIX = "feed_"
"""A feed's DAG is feed_<id>; `dags.factory` says the same, but brings all of Airflow into the process."""


@dataclass(frozen=True)
class Request:
    """What was asked for, from the environment."""

    rows: int
    seed: int
    keep: bool

    @classmethod
    def of_environment(cls) -> Request:
        """ROWS, SEED, KEEP. Raises RequestInvalid."""
        return cls(_number("ROWS", 20_000, LEAST_ROWS, 50_000_000), _number("SEED", 1, 0, 9_999), _yes("KEEP"))


@dataclass
class Result:
    """What a run found; the report is written from it."""

    lines: list[FeedLine] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    repaired: Repair | None = None
    stack: StackState | None = None
    examples: list[tuple[QuarantinedRow, list[dict[str, str]]]] = field(default_factory=list)
    where: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Demo:
    """One run in one run directory."""

    def __init__(self, request: Request, var: Path, show: Show) -> None:
        self.request, self.var, self.show = request, var, show
        self.agencies = Agencies(var, request.rows, request.seed)
        self.result = Result()

    def go(self) -> Result:
        """Does all of it. Raises a HubException where a part, an agency, a feed or a claim fails."""
        self._bring_up()
        feeds = self._feeds()
        before = outcome.last_batch_no()
        self._carry(feeds, before)
        self._put_right()
        self._read_back(feeds)
        self._prove(feeds, before)
        self.result.examples = examples(self.result.batches or outcome.since(0))
        self.result.where = report.where(self.var, self.result.stack)
        path = report.write(self.agencies.folder.report, self.result, self.request)
        broken = [claim for claim in self.result.claims if not claim.holds]
        if broken:
            raise ClaimBroken(count=len(broken), claims="\n".join(f"  {claim}" for claim in broken[:20]), report=path)
        return self.result

    # --- parts and agencies, side by side

    def _bring_up(self) -> None:
        self.show.say("starting PostgreSQL, Kafka, Airflow and the relay; beside them four agency systems")
        self.agencies.start()
        self.result.stack = up(self.var, watch=self._watch_parts)
        # The stack wrote where its parts answer; what was read of the settings before is out of date.
        settings.cache_clear()
        while not self.agencies.ready():
            self._watch_agencies()
            time.sleep(0.1)
        self._watch_agencies()
        self._clock("parts up")
        if not (settings().shared_data / "real").is_dir():
            where = settings().shared_data
            self.show.say(
                f"published records are not here (HUB_SHARED_DATA={where}): their feeds will find nothing new"
            )

    def _watch_parts(self, state: StackState) -> None:
        for name, part in state.parts.items():
            seconds = f"{part.seconds:.1f} s" if part.seconds else ""
            self.show.part(name, part.state, part.detail or " ".join(filter(None, [part.address, seconds])))
        self._watch_agencies()

    def _watch_agencies(self) -> None:
        self.agencies.ready()
        for name, where in self.agencies.state().get("ready", {}).items():
            self.show.part(name, "ready", where)

    def _feeds(self) -> list[FeedContract]:
        known = catalogue.load()
        for broken in known.broken:
            raise broken.error
        return list(known.feeds.values())

    # --- Airflow carries the feeds

    def _carry(self, feeds: Sequence[FeedContract], before: int) -> None:
        by_dag = {f"{DAG_PREFIX}{feed.id}": feed.id for feed in feeds}
        for name in by_dag.values():
            self.show.feed(name, "waiting")
        with AirflowClient.of_stack(self.var) as airflow:
            airflow.await_dags(by_dag)
            time.sleep(self.agencies.rest_seconds())
            self.show.say(f"ringing {len(by_dag)} DAGs in Airflow")
            runs = airflow.ring(list(by_dag))
            self._follow(airflow, runs, by_dag, before)
            if not self.request.keep:
                # Scheduled runs must not start by themselves when the stack comes up for something else.
                for dag_id in by_dag:
                    airflow.pause(dag_id)
        self._clock("feeds carried")

    def _follow(self, airflow: AirflowClient, runs: list[Run], by_dag: Mapping[str, FeedId], before: int) -> None:
        end = time.monotonic() + ARRIVAL_SECONDS
        while any(not run.ended for run in runs):
            time.sleep(POLL_SECONDS)
            runs = [run if run.ended else airflow.run(run) for run in runs]
            self._show_progress(runs, by_dag, before)
            for run in runs:
                if run.state == "failed":
                    states = ", ".join(f"{task.task_id} {task.state}" for task in airflow.tasks(run))
                    raise FeedStopped(feed=by_dag[run.dag_id], reason=states, logs=self.var / "logs" / "airflow")
            if time.monotonic() > end:
                late = next(run for run in runs if not run.ended)
                reason = f"its run is still {late.state} after {ARRIVAL_SECONDS:.0f} s"
                raise FeedStopped(feed=by_dag[late.dag_id], reason=reason, logs=self.var / "logs" / "airflow")

    def _show_progress(self, runs: Sequence[Run], by_dag: Mapping[str, FeedId], before: int) -> None:
        newest = {one.feed: one for one in outcome.since(before)}
        for run in runs:
            name = by_dag[run.dag_id]
            one = newest.get(name)
            if run.state == "success":
                nothing = "" if one else "nothing new"
                self.show.feed(name, "published", rows=one.rows_in if one else 0, detail=nothing)
            elif one is not None:
                self.show.feed(name, one.state, rows=one.rows_loaded or one.rows_in, detail=one.delivery)
            else:
                self.show.feed(name, "triggered")

    # --- an engineer, a subscriber, and the proof

    def _put_right(self) -> None:
        fresh = outcome.since(0)
        found = candidate([one for one in fresh if one.kind == "pull"], proof.ledgers(self.agencies.folder.ledgers))
        if found is None:
            return
        one, row = found
        earlier = done_before(one.feed)
        if earlier is not None:
            self.show.say(f"row {earlier.row} of {one.feed} was fixed and replayed by an earlier demonstration")
            self.result.repaired = earlier
            return
        self.show.say(f"fixing row {row} of {one.delivery} and replaying it")
        self.result.repaired = repair(one, row, self.agencies.folder.root)
        publication.wait([self.result.repaired.replayed_as], 60)
        self._clock("row fixed and replayed")

    def _read_back(self, feeds: Sequence[FeedContract]) -> None:
        topics = [feed.topic.name for feed in feeds]
        self.show.say(f"a subscriber with a user of its own reads {len(topics)} topics to their end")
        now, password = settings(), self.agencies.folder.secret("subscriber")
        with Cluster(now) as cluster:
            access.grant_reader(cluster, SUBSCRIBER, password, topics, f"{SUBSCRIBER}.")
            held = cluster.topics(topics)
        connection = {
            "bootstrap.servers": now.kafka_bootstrap or "",
            "security.protocol": now.kafka_security_protocol,
            "sasl.mechanism": now.kafka_sasl_mechanism,
            "sasl.username": SUBSCRIBER,
            "sasl.password": password,
        }
        if now.kafka_ssl_cafile is not None:
            connection["ssl.ca.location"] = str(now.kafka_ssl_cafile)
        try:
            # A feed that never had an event has no topic yet.
            self.result.readings = read(list(held), connection, group=f"{SUBSCRIBER}.")
        except (KafkaException, TimeoutError) as error:
            raise SubscriberFailed(reason=str(error)) from error
        self._clock("read back")

    def _prove(self, feeds: Sequence[FeedContract], before: int) -> None:
        planted = proof.ledgers(self.agencies.folder.ledgers)
        self.result.batches = outcome.since(before)
        self.result.lines = [outcome.line(one) for one in self.result.batches]
        quiet = {feed.id for feed in feeds} - {one.feed for one in self.result.batches}
        self.result.lines += [FeedLine(name, None, "", "nothing new") for name in sorted(quiet)]
        claims = [claim for one in self.result.batches for claim in proof.of_batch(one, planted)]
        claims += proof.of_topics(self.result.readings, outcome.published_by_topic())
        waiting = outcome.waiting(one.batch_id for one in self.result.batches)
        claims.append(Claim("every event of this run is on its topic", waiting == 0, f"{waiting:,} waiting"))
        self.result.claims = claims
        self._clock("claims held")

    def _clock(self, what: str) -> None:
        self.result.seconds[what] = round(self.show.seconds, 1)


def main() -> int:
    """Runs the demonstration; the exit code is 0 only when every claim holds."""
    log.configure("error")
    signal.signal(signal.SIGTERM, _interrupted)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    try:
        request = Request.of_environment()
    except HubException as error:
        emit_error(error, as_json=False)
        return error.exit_code
    var = load_settings().var.absolute()
    os.environ["HUB_VAR"] = str(var)
    os.environ["HUB_PLACES"] = str(var / "demo" / "places.toml")
    settings.cache_clear()
    failure: HubException | None = None
    with Show(console) as show:
        demo = Demo(request, var, show)
        stop = True
        try:
            demo.go()
            stop = not request.keep
        except HubException as error:
            failure = error
        except KeyboardInterrupt:
            show.say("interrupted")
            return 130
        finally:
            # A part that runs on after a failure or an interruption would be nobody's.
            if stop:
                show.say("stopping everything")
                demo.agencies.stop()
                down(var)
    report.show(console, demo.result, kept=not stop)
    if failure is not None:
        emit_error(failure, as_json=False)
        return failure.exit_code
    return 0


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise RequestInvalid(name=name, value=text[:40], reason=f"a whole number from {least:,} to {most:,} is due")
    return int(text)


def _yes(name: str) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text not in ("", "0", "1", "no", "yes", "false", "true"):
        raise RequestInvalid(name=name, value=text[:40], reason="1 or 0 is due")
    return text in ("1", "yes", "true")


if __name__ == "__main__":
    sys.exit(main())
