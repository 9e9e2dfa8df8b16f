"""Kills relay, loader, PostgreSQL and the broker, at named points and at random: `python -m tests.crash.harness --kills N`.

This process is a zygote: it imports everything once, starts no thread and no client, and forks each victim, so that a
killed one is back within milliseconds. Kills are real SIGKILLs. An independent reader runs beside it. The last line is
`kills N lost N doubled N out-of-order N`, the exit code 0 only when all three are 0.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas  # noqa: F401  # pyarrow loads it when the loader makes its first table, for two seconds
import psycopg
import sqlalchemy as sa
from psycopg import sql

# What the victims need is imported here once; they are forked from this process.
import exchange.producer_confluent
import exchange.producer_kafka_python  # noqa: F401
from contracts.model import TopicSpec
from exchange import kafka_settings
from exchange.cluster import Cluster
from exchange.serve import Server
from exchange.topics import ensure_own, noted, settle
from hub import crash
from hub import log as hub_log
from hub.settings import load_settings, settings
from hub.stack import admin_conninfo, down, kill, start_part, status, up
from hub.stack.errors import PartFailed, StackSlow
from tests.crash.loader import load_for_ever
from tests.crash.verifier import Verdict, Verifier
from warehouse.engine import transaction
from warehouse.migrate import migrate
from warehouse.outbox import ensure_topic

PARTITIONS = 3
POISON_LIMIT = 100_000
"""max.message.bytes of the topic on which poisoned events are loaded."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux

LOADER_POINTS = ("load.changes_written", "load.before_commit", "load.part_committed")


@dataclass
class Victim:
    """A process that is killed and forked again."""

    kind: str
    run: Callable[[int], None]
    pid: int = 0
    born: float = 0.0
    generation: int = 0
    doomed_at: float = 0.0
    point: str | None = None


@dataclass
class Plan:
    """What a run does."""

    kills: int
    services: int
    seed: int
    producer: str
    var: Path
    relays: int = 2
    loaders: int = 2
    topics: list[str] = field(default_factory=list)

    @property
    def poison_topic(self) -> str:
        return self.topics[-1]


def main() -> int:
    """Runs and prints the line."""
    args = _arguments()
    hub_log.configure("error")
    own = args.var is None
    var = Path(tempfile.mkdtemp(prefix="hub-crash-")) if own else args.var
    try:
        up(var, {"postgres", "kafka"})
        plan = Plan(args.kills, args.services, args.seed, args.producer, var)
        _take_settings(plan)
        verdict = run(plan)
    finally:
        if own:
            down(var)
    sys.stdout.write(
        f"kills {args.kills} lost {verdict.lost} doubled {verdict.doubled} out-of-order {verdict.out_of_order}\n"
    )
    return 0 if verdict.good else 1


def run(plan: Plan) -> Verdict:
    """Kills `plan.kills` processes, then lets the relay finish and the reader judge."""
    chance = random.Random(plan.seed)
    tag = uuid.uuid4().hex[:8]
    plan.topics = [f"hub.crash.{tag}.one.v1", f"hub.crash.{tag}.two.v1"]
    if _in_child(lambda: _prepare(plan)) != 0:
        raise RuntimeError("the tables and topics could not be made; the lines above say why")
    gc.collect()
    gc.freeze()
    answer_read, answer_write = os.pipe()
    stop_read, stop_write = os.pipe()

    def judging() -> None:
        # Its own copy of the writing end would keep the pipe open for ever.
        os.close(stop_write)
        _judge(plan, stop_read, answer_write)

    judge = _fork(judging)
    os.close(answer_write)
    os.close(stop_read)
    started = time.monotonic()
    kills = _kill(plan, chance)
    _say(f"{plan.kills} kills in {time.monotonic() - started:.0f} s: {dict(kills)}")
    os.close(stop_write)
    finisher = _fork(lambda: _relay(plan))
    with os.fdopen(answer_read, encoding="utf-8") as answers:
        answer = answers.read()
    _end(finisher, signal.SIGTERM)
    _end(judge, signal.SIGTERM)
    if not answer:
        raise RuntimeError("the reader died; the lines above say why")
    verdict = Verdict(**json.loads(answer))
    _say(f"{verdict.events} events seen, {verdict.dead} dead letters; {json.dumps(verdict.examples, indent=1)}")
    return verdict


def _kill(plan: Plan, chance: random.Random) -> Counter[str]:
    """The killing itself; returns how often what was killed where."""
    victims = [Victim("relay", lambda _: _relay(plan)) for _ in range(plan.relays)]
    victims += [
        Victim("loader", lambda seed: load_for_ever(plan.topics, plan.poison_topic, seed)) for _ in range(plan.loaders)
    ]
    killed: Counter[str] = Counter()
    services = _service_schedule(plan, chance)
    done, told = 0, time.monotonic()
    for victim in victims:
        _start(victim, chance)
    try:
        while done < plan.kills:
            if services and done >= services[0][0]:
                _, part = services.pop(0)
                _say(f"{done} of {plan.kills} kills, now {part}")
                kill(plan.var, part)
                time.sleep(chance.uniform(0, 0.5))
                _start_service(plan.var, part)
                killed[part] += 1
                done += 1
                # The others get a moment to come back, so that the service's death itself is tested.
                now = time.monotonic()
                for victim in victims:
                    victim.doomed_at = max(victim.doomed_at, now + chance.uniform(0.3, 2.0))
                continue
            time.sleep(0.004)
            if time.monotonic() - told > 20:
                told = time.monotonic()
                _say(f"{done} of {plan.kills} kills")
            for victim in victims:
                how = _fate(victim)
                if how is not None and done < plan.kills:
                    killed[how] += 1
                    done += 1
                    _start(victim, chance)
    finally:
        for victim in victims:
            _end(victim.pid, signal.SIGKILL)
    return killed


def _fate(victim: Victim) -> str | None:
    """Kills a victim whose time has come; says how it died, or None while it lives."""
    pid, ended = os.waitpid(victim.pid, os.WNOHANG)
    if pid == 0:
        if time.monotonic() < victim.doomed_at:
            return None
        os.kill(victim.pid, signal.SIGKILL)
        os.waitpid(victim.pid, 0)
        return f"{victim.kind} at random"
    if os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL:
        return str(victim.point)
    raise RuntimeError(f"a {victim.kind} ended by itself ({ended}); the lines above say why")


def _start(victim: Victim, chance: random.Random) -> None:
    points = crash.RELAY_POINTS if victim.kind == "relay" else LOADER_POINTS
    victim.generation += 1
    # Half die at a named point, if they come to it in time, half at a random moment.
    victim.point = f"{chance.choice(points)}:{chance.choice((1, 1, 2, 5))}" if chance.random() < 0.5 else None
    if victim.kind == "loader":
        patience = chance.uniform(0.5, 1.5)
    else:
        # Half of a relay's life is opening its lanes; some live long enough to send for a while.
        patience = 2.5 if victim.point else chance.random() * chance.choice((0.2, 0.8, 0.8, 1.5, 2.5))
    seed, name = chance.randrange(1 << 30), victim.point
    victim.pid = _fork(lambda: victim.run(seed), crash_at=name)
    victim.born = time.monotonic()
    victim.doomed_at = victim.born + patience


def _start_service(var: Path, part: str) -> None:
    """Starts it again and sees that it runs; on a machine with much else to do it may take more than one attempt."""
    for patience in range(5, -1, -1):
        try:
            start_part(var, part)
        except (PartFailed, StackSlow) as error:
            if not patience:
                raise
            _say(f"{part}: {error}"[:200])
        # The supervisor may not have noticed the death yet when it was asked.
        if status(var).parts[part].state == "ready":
            return
        time.sleep(0.5)


def _service_schedule(plan: Plan, chance: random.Random) -> list[tuple[int, str]]:
    at = sorted(chance.randrange(1, max(2, plan.kills)) for _ in range(plan.services))
    return [(when, ("postgres", "kafka")[number % 2]) for number, when in enumerate(at)]


def _fork(work: Callable[[], None], crash_at: str | None = None) -> int:
    """Forks a child that does `work` and exits; the child has no way back into this function's caller."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # Nobody outlives this harness, however it ends.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.pop(crash.VARIABLE, None)
        if crash_at:
            os.environ[crash.VARIABLE] = crash_at
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # whatever it is, it is shown and the child ends here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _in_child(work: Callable[[], None]) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(_fork(work), 0)[1])


def _end(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _relay(plan: Plan) -> None:
    """A relay as `hub relay serve` runs it."""
    server = Server(load_settings(var=plan.var, producer=plan.producer))
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()


def _judge(plan: Plan, stop: int, answer: int) -> None:
    """Reads until the other end of `stop` closes and all is there; writes the verdict."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    now = load_settings(var=plan.var)
    dsn = sa.make_url(now.url()).set(drivername="postgresql").render_as_string(hide_password=False)
    partitions = dict.fromkeys(plan.topics, PARTITIONS)
    verifier = Verifier(dsn, now.landing_dir, kafka_settings.confluent(now), partitions)
    os.set_blocking(stop, False)
    while True:
        verifier.step()
        try:
            if os.read(stop, 1) == b"":
                break
        except BlockingIOError:
            pass
    verdict = verifier.finish(quiet=3.0, timeout=120.0)
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(verdict.as_dict(), out)


def _prepare(plan: Plan) -> None:
    """The database's tables and the topics; in a child, because clients start threads."""
    migrate()
    with Cluster() as cluster:
        ensure_own(cluster)
        for name in plan.topics:
            config = {"max.message.bytes": str(POISON_LIMIT)} if name == plan.poison_topic else {}
            with transaction() as conn:
                ensure_topic(conn, TopicSpec(name, PARTITIONS, config), None)
                settle(conn, cluster, noted(conn, name=name))


def _take_settings(plan: Plan) -> None:
    """Makes the run's own database and puts the settings into the environment, for every child."""
    now = load_settings(var=plan.var)
    url, name = sa.make_url(now.url()), f"crash_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(admin_conninfo(plan.var), autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(str(url.username)))
        )
    os.environ["HUB_VAR"] = str(plan.var)
    os.environ["HUB_DATABASE_URL"] = url.set(database=name).render_as_string(hide_password=False)
    settings.cache_clear()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--services", type=int, default=None, help="how many of them hit PostgreSQL or the broker")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--producer", choices=("confluent", "kafka-python"), default="confluent")
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
