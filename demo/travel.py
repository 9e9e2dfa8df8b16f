"""What happens once the parts are up: Airflow carries the feeds, an engineer mends a row, a subscriber reads, claims are held.

Apart from `demo.run`, because the hub's packages take seconds to import: they load while the parts boot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException

from connectors.places import load_places
from contracts import catalogue
from contracts.model import FeedContract
from dags.client import AirflowClient, Run
from dags.errors import ContractsBroken
from demo import outcome, proof, report, selection
from demo.agencies import places
from demo.agencies.handle import Agencies
from demo.errors import FeedStopped, SubscriberFailed
from demo.facts import Result
from demo.generate.ledger import Ledger
from demo.outcome import FeedLine
from demo.proof import Claim
from demo.repair import candidate, done_before, examples, repair
from demo.show import Show
from demo.subscriber import read
from exchange.brokers import access
from exchange.brokers.cluster import Cluster
from exchange.relay import publication
from hub.errors import HubException
from hub.ids import FeedId
from hub.settings import settings

POLL_SECONDS = 0.5
SUBSCRIBER = "demo_subscriber"
DAG_PREFIX = "feed_"
"""A feed's DAG is feed_<id>; `dags.factory` says the same, but brings all of Airflow into the process."""


class Travel:
    """The way of all feeds, once. `clock` notes that something is done."""

    def __init__(self, var: Path, agencies: Agencies, show: Show, clock: Callable[[str], None]) -> None:
        self.var, self.agencies, self.show, self._clock = var, agencies, show, clock
        self.result = Result()
        self.wrong: list[HubException] = []
        """Feeds that failed and contracts that are broken: the others were carried, read back and held all the same."""

    def go(self, *, keep: bool) -> Result:
        """Carries, mends, reads and holds. Raises a HubException where a part fails; claims and `wrong` are left to the caller."""
        known = catalogue.load()
        chosen = selection.choose(known, places.OWN & set(load_places(self.agencies.folder.places)))
        self.result.not_run = chosen.not_run
        for line in chosen.told:
            self.show.say(line)
        before = outcome.last_batch_no()
        failed = self._carry(chosen.feeds, before, keep=keep)
        feeds = [feed for feed in chosen.feeds if feed.id not in failed]
        planted = [
            one for one in proof.ledgers(self.agencies.folder.ledgers) if one.feed in {feed.id for feed in feeds}
        ]
        self._put_right(planted)
        self._read_back(feeds)
        self._prove(feeds, planted, before)
        self.result.examples = examples(self.result.batches, known.feeds) or examples(outcome.since(0), known.feeds)
        if known.broken:
            listing = "; ".join(f"{one.feed}: {one.why}" for one in chosen.not_run if one.broken)
            self.wrong.append(ContractsBroken(count=len(known.broken), listing=listing))
        return self.result

    # --- Airflow carries the feeds

    def _carry(self, feeds: Sequence[FeedContract], before: int, *, keep: bool) -> set[FeedId]:
        """Rings the feeds and follows them to their ends; returns those that failed."""
        by_dag = {f"{DAG_PREFIX}{feed.id}": feed.id for feed in feeds}
        for name in by_dag.values():
            self.show.feed(name, "waiting")
        with AirflowClient.of_stack(self.var) as airflow:
            airflow.await_dags(by_dag)
            time.sleep(self.agencies.rest_seconds())
            self.show.say(f"ringing {len(by_dag)} DAGs in Airflow")
            runs = airflow.ring(list(by_dag))
            failed = self._follow(airflow, runs, by_dag, before)
            if not keep:
                # Scheduled runs must not start by themselves when the stack comes up for something else.
                for dag_id in by_dag:
                    airflow.pause(dag_id)
        self._clock("feeds carried")
        return failed

    def _follow(
        self, airflow: AirflowClient, runs: list[Run], by_dag: Mapping[str, FeedId], before: int
    ) -> set[FeedId]:
        # Ten minutes, and more for many rows: a slow machine carries 2,000 a second.
        patience = 600.0 + sum(one.rows for one in proof.ledgers(self.agencies.folder.ledgers)) / 2_000
        end = time.monotonic() + patience
        failed: set[FeedId] = set()
        while any(not run.ended for run in runs):
            time.sleep(POLL_SECONDS)
            runs = airflow.look(runs)
            self._show_progress(runs, by_dag, before)
            for run in runs:
                if run.state == "failed" and by_dag[run.dag_id] not in failed:
                    failed.add(by_dag[run.dag_id])
                    self.wrong.append(self._stopped(airflow, run, by_dag[run.dag_id]))
            if time.monotonic() > end:
                late = next(run for run in runs if not run.ended)
                reason = f"its run is still {late.state} after {patience:.0f} s"
                zh = f"运行 {patience:.0f} 秒后仍为 {late.state}"
                told = {"reason": reason, "reason_zh": zh, "advice": "", "advice_zh": ""}
                raise FeedStopped(feed=by_dag[late.dag_id], **told, log=report.short(self.var / "logs" / "airflow"))
        return failed

    def _stopped(self, airflow: AirflowClient, run: Run, feed: FeedId) -> FeedStopped:
        """Why a run failed, in the words of the task that did."""
        logs, bad = self.var / "logs" / "airflow", airflow.failure(run)
        if bad is None or not bad.code:
            states = ", ".join(f"{task.task_id} {task.state}" for task in airflow.tasks(run))
            log = logs / bad.log if bad else logs
            error = FeedStopped(
                feed=feed, reason=states, reason_zh=states, advice="", advice_zh="", log=report.short(log)
            )
        else:
            error = FeedStopped(
                feed=feed,
                reason=f"{bad.code} {bad.en}",
                reason_zh=f"{bad.code} {bad.zh}",
                advice=f"{bad.remedy_en}; ",
                advice_zh=f"{bad.remedy_zh}；",
                log=report.short(logs / bad.log),
            )
        self.show.say(error.sentence())
        return error

    def _show_progress(self, runs: Sequence[Run], by_dag: Mapping[str, FeedId], before: int) -> None:
        newest = {one.feed: one for one in outcome.since(before)}
        for run in runs:
            name = by_dag[run.dag_id]
            one = newest.get(name)
            if run.state == "failed":
                self.show.feed(name, "failed")
            elif run.state == "success":
                nothing = "" if one else "nothing new"
                self.show.feed(name, "published", rows=one.rows_in if one else 0, detail=nothing)
            elif one is not None:
                rows = one.rows_loaded if one.state == "loading" else one.rows_in
                self.show.feed(name, one.state, rows=rows, detail=one.delivery)
            else:
                self.show.feed(name, "triggered")

    # --- an engineer, a subscriber, and the proof

    def _put_right(self, planted: list[Ledger]) -> None:
        fresh = outcome.since(0)
        found = candidate([one for one in fresh if one.kind == "pull"], planted)
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

    def _prove(self, feeds: Sequence[FeedContract], planted: list[Ledger], before: int) -> None:
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
