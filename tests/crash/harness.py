"""Kills loaders, the worker, relays, PostgreSQL and the broker under load: `python -m tests.crash.harness --kills N`.

An agency drops small deliveries without end (agency.py); loaders take them the whole way through the functions that the
command line and the DAGs call (victims.py), a frequent feed's by the worker; relays publish; an independent subscriber reads (reader.py). In the end
every row is followed from its delivery to the events, through a model of its own (model.py, verdict.py).

This process is a zygote: it imports everything once, starts no thread and no client, and forks each victim. Kills are
real SIGKILLs. The last line is `kills N lost N doubled N out-of-order N`, the exit code 0 only when all three are 0.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pandas  # noqa: F401  # pyarrow loads it when the loader makes its first table, for two seconds
import psycopg
import sqlalchemy as sa
from psycopg import sql

# What the victims need is imported here once; they are forked from this process.
import connectors.file_drop  # noqa: F401
import exchange.producers.confluent
import exchange.producers.kafka_python  # noqa: F401
from contracts.model import FeedContract
from exchange.brokers import kafka_settings
from exchange.brokers.cluster import Cluster
from exchange.brokers.topics import ensure_own, noted, settle
from hub import crash
from hub import log as hub_log
from hub.settings import load_settings, settings
from hub.stack import admin_conninfo, down, up
from tests.crash import planted, victims
from tests.crash.agency import Agency
from tests.crash.feeds import BALANCES, ENTRIES, FREQUENTS, PARTITIONS, feeds
from tests.crash.forking import end, fork, in_child, until_closed
from tests.crash.killing import Killer, Victim
from tests.crash.reader import Reader
from tests.crash.verdict import Trial, Verdict
from warehouse.engine import transaction
from warehouse.feeds import registry
from warehouse.migrate import migrate
from warehouse.turns import book

LAST_EVENTS_SECONDS = 90.0
"""How long the relay may take for what is left in the end."""


@dataclass
class Plan:
    """What a run does."""

    kills: int
    services: int
    seed: int
    producer: str
    var: Path
    folder: Path
    contracts: dict[str, FeedContract]
    at: tuple[str, ...] = ()
    relays: int = 2

    def place(self, feed: str) -> Path:
        """Where the feed's agency drops its files."""
        return self.folder / feed

    def points(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a kind of victim at which it is to be killed."""
        return tuple(point for point in known if point in self.at) or known


def main() -> int:
    """Runs and prints the line."""
    args = _arguments()
    hub_log.configure("error")
    if args.plant:
        os.environ[planted.VARIABLE] = args.plant
    own = args.var is None
    folder = Path(tempfile.mkdtemp(prefix="hub-crash-"))
    var = folder / "var" if own else args.var
    try:
        up(var, {"postgres", "kafka"}, brokers=args.brokers)
        tag = uuid.uuid4().hex[:8]
        plan = Plan(
            args.kills, args.services, args.seed, args.producer, var, folder / "drop", feeds(tag), tuple(args.at)
        )
        _take_settings(plan)
        verdict = run(plan)
    finally:
        if own:
            down(var)
    if verdict.good:
        shutil.rmtree(folder)
    else:
        _say(f"what was delivered lies in {folder / 'drop'}")
    sys.stdout.write(
        f"kills {args.kills} lost {verdict.lost} doubled {verdict.doubled} out-of-order {verdict.out_of_order}\n"
    )
    return 0 if verdict.good else 1


def run(plan: Plan) -> Verdict:
    """Kills `plan.kills` processes, lets what is left go the whole way, and judges."""
    chance = random.Random(plan.seed)
    if in_child(lambda: _prepare(plan)) != 0:
        raise RuntimeError("the tables and topics could not be made; the lines above say why")
    gc.collect()
    gc.freeze()
    answer_read, answer_write = os.pipe()
    agency, stop_agency = _fork_until_told(lambda stopped: _deliver(plan, stopped))
    judge, stop_judge = _fork_until_told(lambda stopped: _judge(plan, stopped, answer_write), stop_agency)
    os.close(answer_write)
    started = time.monotonic()
    killer = Killer(plan.var, _victims(plan), chance, _say)
    killer.run(plan.kills, plan.services)
    _say(f"{plan.kills} kills in {time.monotonic() - started:.0f} s: {json.dumps(dict(killer.killed.most_common()))}")
    os.close(stop_agency)
    os.waitpid(agency, 0)
    finisher = fork(lambda: (os.close(stop_judge), victims.relay(plan.var, plan.producer)))
    if in_child(lambda: victims.finish(list(plan.contracts.values()))) != 0:
        raise RuntimeError("what was left could not be loaded; the lines above say why")
    os.close(stop_judge)
    with os.fdopen(answer_read, encoding="utf-8") as answers:
        answer = answers.read()
    end(finisher, signal.SIGTERM)
    end(judge, signal.SIGTERM)
    if not answer:
        raise RuntimeError("the reader died; the lines above say why")
    verdict = Verdict(**json.loads(answer))
    _say(
        f"{verdict.deliveries} deliveries, {verdict.rows} rows, {verdict.replays} replays, {verdict.events} events seen,"
        f" {verdict.turns} turns, {verdict.dead} dead letters; {json.dumps(verdict.examples, indent=1, ensure_ascii=False)}"
    )
    return verdict


def _victims(plan: Plan) -> list[Victim]:
    def loader(feed: str, *corrected: str) -> Victim:
        contract, mended = plan.contracts[feed], [plan.contracts[one] for one in (feed, *corrected)]
        return Victim("loader", plan.points(crash.WAREHOUSE_POINTS), lambda seed: victims.load(contract, seed, mended))

    # Two loaders contend for one feed, an engineer and the worker for another.
    crowd = [loader(ENTRIES), loader(ENTRIES), loader(BALANCES, FREQUENTS)]
    met = tuple(point for point in (*crash.TURN_POINTS, *crash.WAREHOUSE_POINTS) if not point.startswith("replay."))
    crowd.append(Victim("worker", plan.points(met), lambda seed: victims.work(plan.contracts, seed)))
    relays = plan.points(crash.RELAY_POINTS)
    crowd += [Victim("relay", relays, lambda _: victims.relay(plan.var, plan.producer)) for _ in range(plan.relays)]
    return crowd


def _fork_until_told(work: Callable[[Callable[[], bool]], None], *others: int) -> tuple[int, int]:
    """A child that works until the pipe is closed whose writing end is returned; it lets go of `others`."""
    stop_read, stop_write = os.pipe()

    def told() -> None:
        # Its own copies of the writing ends would keep the pipes open for ever.
        for pipe in (stop_write, *others):
            os.close(pipe)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work(until_closed(stop_read))

    pid = fork(told)
    os.close(stop_read)
    return pid, stop_write


def _deliver(plan: Plan, stopped: Callable[[], bool]) -> None:
    Agency(plan.folder, _dsn(plan), plan.seed).run(stopped)


def _judge(plan: Plan, stopped: Callable[[], bool], answer: int) -> None:
    """Reads until it is told that all is loaded, then until all is there; writes the verdict."""
    topics = {contract.topic.name: PARTITIONS for contract in plan.contracts.values()}
    reader = Reader(kafka_settings.confluent(load_settings(var=plan.var)), topics)
    while not stopped():
        reader.step()
    verdict, until, quiet = Verdict(), time.monotonic() + LAST_EVENTS_SECONDS, time.monotonic()
    with psycopg.connect(_dsn(plan), autocommit=True) as conn:
        while time.monotonic() < until and (waiting := _waiting(conn)) + (time.monotonic() - quiet < 2.0):
            quiet = time.monotonic() if reader.step() or waiting else quiet
        reader.close()
        for feed, contract in plan.contracts.items():
            Trial(conn, verdict, feed, plan.folder / f"{feed}.jsonl").judge(reader.seen[contract.topic.name])
        verdict.turns = _one(conn, "select turns from hub.feed_turn")
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(verdict.as_dict(), out)


def _waiting(conn: psycopg.Connection[tuple[int]]) -> int:
    return _one(conn, "select count(*) from hub.outbox where published_at is null")


def _one(conn: psycopg.Connection[tuple[int]], query: LiteralString) -> int:
    row = conn.execute(query).fetchone()
    return row[0] if row else 0


def _prepare(plan: Plan) -> None:
    """The database's tables and the topics; in a child, because clients start threads."""
    migrate()
    with Cluster() as cluster:
        ensure_own(cluster)
        for contract in plan.contracts.values():
            with transaction() as conn:
                registry.ensure(conn, contract)
                settle(conn, cluster, noted(conn, name=contract.topic.name))
    with transaction() as conn:
        book.sync(conn, plan.contracts.values(), serve_all=True)


def _dsn(plan: Plan) -> str:
    url = sa.make_url(load_settings(var=plan.var).url())
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _take_settings(plan: Plan) -> None:
    """Makes the run's own database, the folders, and puts the settings into the environment, for every child."""
    now = load_settings(var=plan.var)
    url, name = sa.make_url(now.url()), f"crash_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(admin_conninfo(plan.var), autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(str(url.username)))
        )
    places = []
    for feed in plan.contracts:
        plan.place(feed).mkdir(parents=True)
        places.append(f'[places.{feed}]\nroot = "{plan.place(feed)}"\n')
    (plan.folder / "places.toml").write_text("\n".join(places), encoding="utf-8")
    os.environ["HUB_VAR"] = str(plan.var)
    os.environ["HUB_PLACES"] = str(plan.folder / "places.toml")
    os.environ["HUB_DATABASE_URL"] = url.set(database=name).render_as_string(hide_password=False)
    settings.cache_clear()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=None, help="of the stack that is started")
    parser.add_argument("--services", type=int, default=None, help="how many of them hit PostgreSQL or a broker")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--producer", choices=("confluent", "kafka-python"), default="confluent")
    parser.add_argument("--plant", choices=sorted(planted.PLANTS), default=None, help="a bug that must be found")
    parser.add_argument(
        "--at", nargs="*", choices=crash.POINTS, default=(), help="crash points; all unless some are named"
    )
    parser.add_argument(
        "--var", type=Path, default=None, help="run directory of a stack that runs; else one is started"
    )
    args = parser.parse_args()
    args.services = max(2, args.kills // 40) if args.services is None else args.services
    args.seed = random.SystemRandom().randrange(1 << 30) if args.seed is None else args.seed
    _say(f"seed {args.seed}")
    return args


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
