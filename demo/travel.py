"""What happens once the parts are up: Airflow carries the feeds, an engineer mends a row, a subscriber reads, claims are held.

Apart from `demo.run`, because the hub's packages take seconds to import: they load while the parts boot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from contracts import catalogue
from contracts.model import FeedContract
from dags.client import AirflowClient, Run
from demo import outcome, proof
from demo.agencies.handle import Agencies
from demo.errors import FeedStopped, SubscriberFailed
from demo.outcome import FeedLine
from demo.proof import Claim
from demo.repair import Repair, candidate, done_before, examples, repair
from demo.show import Show
from demo.subscriber import Reading, read
from exchange import access, publication
from exchange.cluster import Cluster
from hub.ids import FeedId
from hub.settings import settings
from warehouse.batches import Batch
from warehouse.quarantine.view import QuarantinedRow

POLL_SECONDS = 0.5
SUBSCRIBER = "demo_subscriber"
DAG_PREFIX = "feed_"
"""A feed's DAG is feed_<id>; `dags.factory` says the same, but brings all of Airflow into the process."""


@dataclass
class Result:
    """What a run found; the report is written from it."""

    lines: list[FeedLine] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    repaired: Repair | None = None
    examples: list[tuple[QuarantinedRow, list[dict[str, str]]]] = field(default_factory=list)


class Travel:
    """The way of all feeds, once. `clock` notes that something is done."""

    def __init__(self, var: Path, agencies: Agencies, show: Show, clock: Callable[[str], None]) -> None:
        self.var, self.agencies, self.show, self._clock = var, agencies, show, clock
        self.result = Result()

    def go(self, *, keep: bool) -> Result:
        """Carries, mends, reads and holds. Raises a HubException where a feed or a part fails; claims are left to the caller."""
        feeds = self._feeds()
        before = outcome.last_batch_no()
        self._carry(feeds, before, keep=keep)
        self._put_right()
        self._read_back(feeds)
        self._prove(feeds, before)
        self.result.examples = examples(self.result.batches) or examples(outcome.since(0))
        return self.result

    def _feeds(self) -> list[FeedContract]:
        known = catalogue.load()
        for broken in known.broken:
            raise broken.error
        return list(known.feeds.values())

    # --- Airflow carries the feeds

    def _carry(self, feeds: Sequence[FeedContract], before: int, *, keep: bool) -> None:
        by_dag = {f"{DAG_PREFIX}{feed.id}": feed.id for feed in feeds}
        for name in by_dag.values():
            self.show.feed(name, "waiting")
        with AirflowClient.of_stack(self.var) as airflow:
            airflow.await_dags(by_dag)
            time.sleep(self.agencies.rest_seconds())
            self.show.say(f"ringing {len(by_dag)} DAGs in Airflow")
            runs = airflow.ring(list(by_dag))
            self._follow(airflow, runs, by_dag, before)
            if not keep:
                # Scheduled runs must not start by themselves when the stack comes up for something else.
                for dag_id in by_dag:
                    airflow.pause(dag_id)
        self._clock("feeds carried")

    def _follow(self, airflow: AirflowClient, runs: list[Run], by_dag: Mapping[str, FeedId], before: int) -> None:
        # Ten minutes, and more for many rows: a slow machine carries 2,000 a second.
        patience = 600.0 + sum(one.rows for one in proof.ledgers(self.agencies.folder.ledgers)) / 2_000
        end = time.monotonic() + patience
        while any(not run.ended for run in runs):
            time.sleep(POLL_SECONDS)
            runs = airflow.look(runs)
            self._show_progress(runs, by_dag, before)
            for run in runs:
                if run.state == "failed":
                    states = ", ".join(f"{task.task_id} {task.state}" for task in airflow.tasks(run))
                    raise FeedStopped(feed=by_dag[run.dag_id], reason=states, logs=self.var / "logs" / "airflow")
            if time.monotonic() > end:
                late = next(run for run in runs if not run.ended)
                reason = f"its run is still {late.state} after {patience:.0f} s"
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
                rows = one.rows_loaded if one.state == "loading" else one.rows_in
                self.show.feed(name, one.state, rows=rows, detail=one.delivery)
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
            seconds = 60 + sum(outcome.published_by_topic().values()) / 10_000
            self.result.readings = read(list(held), connection, group=f"{SUBSCRIBER}.", seconds=seconds)
        except (KafkaException, TimeoutError) as error:
            raise SubscriberFailed(reason=str(error)) from error
        self._clock("read back")

    def _prove(self, feeds: Sequence[FeedContract], before: int) -> None:
        planted = proof.ledgers(self.agencies.folder.ledgers)
        self.result.batches = outcome.since(before)
        self.result.lines = [outcome.line(one) for one in self.result.batches]
        quiet = {feed.id for feed in feeds} - {one.feed for one in self.result.batches}
        self.result.lines += [FeedLine(name, None, "", "", "nothing new") for name in sorted(quiet)]
        claims = proof.of_ledgers(planted, outcome.since(0))
        claims += [claim for one in self.result.batches for claim in proof.of_batch(one, planted)]
        claims += proof.of_topics(self.result.readings, outcome.published_by_topic())
        waiting = outcome.waiting(one.batch_id for one in self.result.batches)
        claims.append(Claim("every event of this run is on its topic", waiting == 0, f"{waiting:,} waiting"))
        self.result.claims = claims
        self._clock("claims held")
