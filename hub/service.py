"""One part in the foreground, as a container or a system's own supervisor wants it; and whether it does what it should.

The parts are those of the local stack (`hub.stack`): the same configuration, the same checks, at addresses that are
given (HUB_BIND, HUB_BROKER_HOST, HUB_AIRFLOW_HOST) in place of free ports of this machine.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import psycopg

from hub.settings import settings
from hub.stack import catalogue, kafka_wire, processes
from hub.stack.airflow import AirflowPart, health
from hub.stack.errors import PartUnknown, PartUnrunnable, ServiceUnwell
from hub.stack.kafka import Kafka
from hub.stack.layout import Layout
from hub.stack.parts import Part, Plan
from hub.stack.postgres import plain_url

STACK_ONLY = frozenset({"postgres", "kafka-2", "kafka-3"})
"""Run by the stack alone: a server brings its own PostgreSQL, and brokers on several machines are a cluster of their own."""

BEAT_SECONDS = 45
"""How old the last heartbeat of an Airflow service may be."""

LATE_SECONDS = 600
"""How long a feed may be due before its worker counts as unwell; a turn alone may take HUB_TURN_SECONDS."""


JOBS = {
    "airflow-scheduler": "SchedulerJob",
    "airflow-dag-processor": "DagProcessorJob",
    "airflow-triggerer": "TriggererJob",
}
"""Which of Airflow's jobs a service is."""


def names() -> list[str]:
    """Parts that can be run alone."""
    return [name for name in catalogue.known() if name not in STACK_ONLY]


def part_of(name: str) -> Part:
    """That part, at the addresses of the settings. Raises PartUnknown."""
    if name not in names():
        raise PartUnknown(part=name, known=", ".join(names()))
    kind = catalogue.known()[name]
    now = settings()
    layout = Layout.of(now.var)
    operator = catalogue.operator_settings(layout)
    first = now.broker_port
    ports = {"kafka": first, "kafka-internal": first + 1, "kafka-controller": first + 2, "airflow": now.airflow_port}
    airflow = issubclass(kind, AirflowPart)
    host = now.airflow_host if airflow else now.broker_host
    # Of Airflow's services all know the API server's address.
    mine = {key: ports[key] for key in (("airflow",) if airflow else kind.port_names)}
    wanted = frozenset({name, *(("airflow-api",) if airflow else ())})
    return kind(Plan(layout, operator, "service", wanted, mine, host, now.bind))


def run(name: str) -> None:
    """Prepares the part and becomes its process; returns only where there is nothing to do.

    Raises PartUnknown, PartUnrunnable, and what the part's preparation raises.
    """
    part = part_of(name)
    os.umask(0o077)
    part.plan.layout.make()
    part.prepare()
    if part.oneshot and part.done_already():
        return
    launch = part.launch()
    os.chdir(launch.cwd)
    # The mark is the stack's: a supervisor that runs beside this would take it for one of its own.
    env = {key: value for key, value in launch.env.items() if key != processes.MARK}
    try:
        os.execve(launch.argv[0], list(launch.argv), env)  # noqa: S606 - an argument list, no shell wanted
    except OSError as error:
        raise PartUnrunnable(program=launch.argv[0], reason=error.strerror or str(error)) from error


def check(name: str) -> None:
    """Whether a running part does what it should, asked of the part itself. Raises ServiceUnwell, PasswordRefused."""
    part = part_of(name)
    reason = CHECKS[name](part) if name in CHECKS else "it ends by itself; there is nothing to look at"
    if reason is not None:
        raise ServiceUnwell(part=part.title, reason=reason)


def _broker(part: Part) -> str | None:
    """It takes the hub's password, and the cluster counts it among those that serve."""
    assert isinstance(part, Kafka)
    try:
        return None if part.address in kafka_wire.brokers(part.login()) else "the cluster has fenced it"
    except kafka_wire.WireError as error:
        return str(error)


def _listens(part: Part) -> str | None:
    """Whether it has a session in PostgreSQL from this machine."""
    try:
        with psycopg.connect(plain_url(part.plan.operator.url()), connect_timeout=5) as connection:
            # Another hub may have its database in the same PostgreSQL, and its parts on this machine.
            query = (
                "select count(*) from pg_stat_activity where application_name like %s and datname = current_database()"
            )
            row = connection.execute(query, (f"hub {part.name} %@{socket.gethostname()}"[:63],)).fetchone()
    except psycopg.Error as error:
        return _first_line(error)
    return None if row and row[0] else f"no {part.name} of this machine listens in the database"


def _worker(part: Part) -> str | None:
    """It is there, and what is due does not wait for it."""
    if (reason := _listens(part)) is not None:
        return reason
    query = (
        "select count(*), extract(epoch from now() - min(due_at)) from hub.feed_turn"
        " where served and failures = 0 and due_at < now() - make_interval(secs => %s)"
    )
    try:
        with psycopg.connect(plain_url(part.plan.operator.url()), connect_timeout=5) as connection:
            row = connection.execute(query, (LATE_SECONDS,)).fetchone()
    except psycopg.Error as error:
        return _first_line(error)
    return f"{row[0]} feeds are due, the first since {row[1]:.0f} s" if row and row[0] else None


def _relay(part: Part) -> str | None:
    """It listens in PostgreSQL from this machine, and the brokers take its password."""
    if (reason := _listens(part)) is not None:
        return reason
    now = part.plan.operator
    secret = now.kafka_password.get_secret_value() if now.kafka_password else None
    sasl = now.kafka_security_protocol.startswith("SASL")
    login = kafka_wire.Login(
        now.kafka_bootstrap or "",
        now.kafka_username if sasl else None,
        secret if sasl else None,
        now.kafka_sasl_mechanism,
        now.kafka_security_protocol.endswith("SSL"),
        now.kafka_ssl_cafile,
        now.kafka_ssl_certfile,
        now.kafka_ssl_keyfile,
    )
    try:
        kafka_wire.brokers(login)
    except kafka_wire.WireError as error:
        return str(error)
    return None


def _api(part: Part) -> str | None:
    """Its health page answers and says that it reaches its database."""
    return None if health(part.plan, "metadatabase") is not None else "its health page does not answer"


def _service(part: Part) -> str | None:
    """Its heartbeat in Airflow's own database, whether or not the API server lives."""
    assert isinstance(part, AirflowPart)
    query = (
        "select extract(epoch from now() - max(latest_heartbeat)) from job where job_type = %s and state = 'running'"
    )
    try:
        with psycopg.connect(plain_url(part.database_url()), connect_timeout=5) as connection:
            row = connection.execute(query, (JOBS[part.name],)).fetchone()
    except psycopg.Error as error:
        return _first_line(error)
    if row is None or row[0] is None:
        return "it has no running job"
    return None if row[0] <= BEAT_SECONDS else f"its last heartbeat was {row[0]:.0f} s ago"


def _first_line(error: psycopg.Error) -> str:
    return str(error).splitlines()[0][:300]  # later lines may repeat the connection string


CHECKS: dict[str, Callable[[Part], str | None]] = {
    "kafka": _broker,
    "relay": _relay,
    "worker": _worker,
    "airflow-api": _api,
    **dict.fromkeys(JOBS, _service),
}
