"""The stack as it runs: found again, private, durable, and stopped whole whatever became of its supervisor."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from hub import stack
from hub.settings import load_settings
from hub.stack import client, kafka_wire, processes
from hub.stack.errors import OwnerGone, PartFailed, StackDown
from hub.stack.layout import Layout
from hub.stack.postgres import plain_url
from tests.stack.conftest import PARTS, listening

pytestmark = pytest.mark.stack


def login(var: Path, **changes: object) -> kafka_wire.Login:
    now = load_settings(var=var)
    assert now.kafka_password
    given: dict[str, object] = {
        "address": now.kafka_bootstrap,
        "username": now.kafka_username,
        "password": now.kafka_password.get_secret_value(),
        "mechanism": now.kafka_sasl_mechanism,
    }
    return kafka_wire.Login(**{**given, **changes})  # type: ignore[arg-type]


def all_processes(var: Path) -> dict[str, list[psutil.Process]]:
    return {part.name: list(processes.members(part.kin)) for part in stack.status(var).parts.values()}


def test_up_says_what_runs_where(running: Path) -> None:
    state = stack.status(running)
    assert state.ready and set(state.parts) == set(PARTS)
    assert state.address("kafka") == load_settings(var=running).kafka_bootstrap
    for part in state.parts.values():
        assert psutil.pid_exists(state.pid(part.name)) and Path(part.log).exists()
        assert set(part.row()) >= {"part", "address", "state", "pid", "log"}


def test_a_second_up_finds_the_first(running: Path) -> None:
    before = stack.status(running)
    after = stack.up(running, PARTS)
    assert after.supervisor == before.supervisor
    assert {name: part.proc for name, part in after.parts.items()} == {n: p.proc for n, p in before.parts.items()}


def test_the_command_line_tells_the_same(running: Path) -> None:
    env = {**os.environ, "HUB_VAR": str(running)}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "stack", "status", "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "ready" and {part["part"] for part in told["parts"]} == set(PARTS)
    human = subprocess.run(
        [sys.executable, "-m", "hub", "stack", "status"], env=env, capture_output=True, text=True, check=False
    )
    assert human.returncode == 0 and "postgres" in human.stdout


def readable_by_others(var: Path) -> list[Path]:
    """What another user of the machine could list or read if the run directory itself let everybody in."""
    found: list[Path] = []
    for here, folders, files in os.walk(var):
        at = Path(here)
        modes = {name: (at / name).lstat().st_mode for name in [*folders, *files]}
        # PostgreSQL's own programs, where its user needs a copy, are nobody's secret.
        found += [at / name for name, mode in modes.items() if mode & 0o044 and (name in files or mode & 0o011)]
        folders[:] = [
            name for name in folders if modes[name] & 0o011 and not (at.name == "postgres" and name == "wheel")
        ]
    return [path for path in found if path != var / "postgres" / "wheel"]


def test_nothing_in_the_run_directory_can_be_read_by_others(running: Path) -> None:
    assert stat.S_IMODE(running.stat().st_mode) & 0o067 == 0
    assert (running / "kafka" / "node-1" / "data" / "meta.properties").exists()
    assert readable_by_others(running) == []
    kept = [path for path in (running / "kafka").rglob("*") if path.lstat().st_mode & 0o077]
    assert kept == [], "what the broker writes is private in itself too"


def test_nothing_listens_beyond_loopback(running: Path) -> None:
    heard = {name: listening(members) for name, members in all_processes(running).items()}
    assert heard == {"postgres": {"127.0.0.1"}, "kafka": {"127.0.0.1"}}


def test_database_takes_the_right_password_alone(running: Path) -> None:
    url = plain_url(load_settings(var=running).url())
    with psycopg.connect(url) as connection:
        row = connection.execute("select current_user, current_database(), current_setting('fsync')").fetchone()
        assert row == ("hub", "hub", "on")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(url.replace(url.split(":")[2].split("@")[0], ""), password="")


def test_the_hubs_role_can_do_no_more_than_it_must(running: Path) -> None:
    url = plain_url(load_settings(var=running).url())
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "create role x",
            "create database x",
            "select pg_read_file('/etc/passwd')",
            "copy (select 1) to program 'id'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url, dbname="airflow")


def test_broker_takes_the_right_password_alone(running: Path) -> None:
    assert kafka_wire.brokers(login(running)) == [load_settings(var=running).kafka_bootstrap]
    for changes in ({"password": "wrong"}, {"username": "nobody"}, {"mechanism": "PLAIN"}):
        with pytest.raises(kafka_wire.WireRefused):
            kafka_wire.brokers(login(running, **changes))
    with pytest.raises(kafka_wire.WireError):
        kafka_wire.brokers(login(running, username=None))


def test_brokers_are_asked_one_after_another(running: Path) -> None:
    known = load_settings(var=running).kafka_bootstrap
    for address in (f"127.0.0.1:1,{known}", f"nonsense, {known}", f"{known},127.0.0.1:1"):
        assert kafka_wire.brokers(login(running, address=address)) == [known]
    with pytest.raises(kafka_wire.WireRefused):
        kafka_wire.brokers(login(running, address=f"127.0.0.1:1,{known}", password="wrong"))


def test_the_authorizer_is_on(running: Path) -> None:
    """A user with a password and no grant is told of no topic, and may make none."""
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic, ScramMechanism, UserScramCredentialUpsertion
    from kafka.errors import TopicAuthorizationFailedError

    now = load_settings(var=running)
    assert now.kafka_password
    common = {"bootstrap_servers": now.kafka_bootstrap, "security_protocol": now.kafka_security_protocol}
    common["sasl_mechanism"] = now.kafka_sasl_mechanism
    admin = KafkaAdminClient(
        **common, sasl_plain_username="hub", sasl_plain_password=now.kafka_password.get_secret_value()
    )
    try:
        admin.create_topics([NewTopic("stack.secret", 1, 1)])
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("stranger", ScramMechanism.SCRAM_SHA_512, "pw")]
        )
    finally:
        admin.close()
    stranger = KafkaAdminClient(**common, sasl_plain_username="stranger", sasl_plain_password="pw")
    try:
        assert "stack.secret" not in stranger.list_topics()
        with pytest.raises(TopicAuthorizationFailedError):
            stranger.create_topics([NewTopic("stack.mine", 1, 1)])
    finally:
        stranger.close()


def test_kafkas_own_tools_run_from_the_jars(running: Path) -> None:
    folder = running / "kafka" / "node-1"
    java = psutil.Process(stack.status(running).pid("kafka")).exe()
    client = Layout.of(running).secrets / "kafka-client.properties"
    bootstrap = str(load_settings(var=running).kafka_bootstrap)
    for tool in ("org.apache.kafka.tools.TopicCommand", "org.apache.kafka.tools.consumer.ConsoleConsumer"):
        words = ["--list", "--command-config", str(client)] if tool.endswith("TopicCommand") else ["--help"]
        argv = [java, f"@{folder}/tool.args", tool, "--bootstrap-server", bootstrap, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env={"LC_ALL": "C.UTF-8"})
        assert "ClassNotFound" not in done.stderr + done.stdout and "NoClassDef" not in done.stderr + done.stdout
        assert done.returncode == 0 or "--help" in words, done.stderr


def test_no_secret_is_seen_by_others(running: Path) -> None:
    layout = Layout.of(running)
    files = list(layout.secrets.iterdir())
    secrets = {path.read_text().strip() for path in files if "." not in path.name}
    assert len(secrets) >= 5
    for path in [*files, layout.env_file, layout.state_file]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    seen = [" ".join(process.cmdline()) for members in all_processes(running).values() for process in members]
    seen += [path.read_text(errors="replace") for path in layout.logs.rglob("*.log")]
    seen += [path.read_text(errors="replace") for path in (running / "kafka").rglob("*.args")]
    assert not any(secret in text for secret in secrets for text in seen)


@pytest.mark.crash
def test_a_killed_part_is_reported_and_starts_again_on_its_data(running: Path) -> None:
    url = plain_url(load_settings(var=running).url())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table if not exists stack_kept as select 42 as n")
    _make_topic(running, "stack.kept")
    before = stack.status(running)
    children = all_processes(running)["postgres"]
    assert len(children) > 3
    for name in PARTS:
        stack.kill(running, name)
    state = stack.status(running)
    assert {part.state for part in state.parts.values()} == {"down"} and not state.ready
    for name in PARTS:
        after = stack.start_part(running, name)
        assert after.address(name) == before.address(name) and after.pid(name) != before.pid(name)
        assert after.parts[name].starts >= 2
    assert not any(process.is_running() for process in children)
    with psycopg.connect(url) as connection:
        assert connection.execute("select n from stack_kept").fetchone() == (42,)
    assert "stack.kept" in _topics(running)
    assert stack.start_part(running, "postgres").pid("postgres") == after.parts["postgres"].pid
    assert stack.status(running).ready


def _make_topic(var: Path, name: str) -> None:
    from kafka.admin import NewTopic

    with _admin(var) as admin:
        admin.create_topics([NewTopic(name, 1, 1)])


def _topics(var: Path) -> list[str]:
    with _admin(var) as admin:
        return list(admin.list_topics())


@contextmanager
def _admin(var: Path) -> Iterator[Any]:
    from kafka import KafkaAdminClient

    now = load_settings(var=var)
    assert now.kafka_password
    admin = KafkaAdminClient(
        bootstrap_servers=now.kafka_bootstrap,
        security_protocol=now.kafka_security_protocol,
        sasl_mechanism=now.kafka_sasl_mechanism,
        sasl_plain_username=now.kafka_username,
        sasl_plain_password=now.kafka_password.get_secret_value(),
    )
    try:
        yield admin
    finally:
        admin.close()


@pytest.mark.crash
def test_down_stops_everything_after_the_supervisor_was_killed(var: Path) -> None:
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        stack.up(var, ["postgres"])
        state = stack.status(var)
        assert state.supervisor
        os.kill(state.supervisor.pid, signal.SIGKILL)
        processes.wait_gone(state.supervisor, 5)
        orphan = stack.status(var)
        assert not orphan.ready and not orphan.running
        assert orphan.parts["postgres"].state == "ready", "it still answers, and status says so"
        left = all_processes(var)["postgres"]
        assert left
        stack.down(var)
        assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)
        assert stranger.poll() is None
        assert not Layout.of(var).env_file.exists()
        with pytest.raises(StackDown):
            stack.kill(var, "postgres")
        # And up again on the same data and port.
        again = stack.up(var, ["postgres"])
        assert again.address("postgres") == state.address("postgres")
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.crash
def test_up_after_the_supervisor_was_killed_replaces_what_it_left(var: Path) -> None:
    first = stack.up(var, ["postgres"])
    assert first.supervisor
    os.kill(first.supervisor.pid, signal.SIGKILL)
    processes.wait_gone(first.supervisor, 5)
    second = stack.up(var, ["postgres"])
    assert second.ready and second.supervisor != first.supervisor
    assert second.pid("postgres") != first.pid("postgres")


@pytest.mark.crash
def test_a_stack_goes_with_the_process_that_it_was_started_for(var: Path) -> None:
    code = "import sys, time, os; from pathlib import Path; from hub import stack\n"
    code += "stack.up(Path(sys.argv[1]), ['postgres'], owner=os.getpid()); print('up', flush=True); time.sleep(300)"
    owner = subprocess.Popen([sys.executable, "-c", code, str(var)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout and owner.stdout.readline() == "up\n"
    state = stack.status(var)
    assert state.ready and state.supervisor
    owner.kill()
    owner.wait()
    assert processes.wait_gone(state.supervisor, 30)
    assert not any(all_processes(var).values()) and stack.status(var).parts["postgres"].state == "stopped"


def test_a_stack_for_a_process_that_is_gone_is_not_started(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setenv(client.OWNER, str(gone.pid))
    with pytest.raises(OwnerGone):
        stack.up(var, ["postgres"])
    assert not stack.status(var).parts


def test_a_recycled_process_id_is_never_killed(var: Path) -> None:
    """The state names the id of a process that is not the one that was started."""
    stack.up(var, ["postgres"])
    stack.down(var)
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        layout = Layout.of(var)
        raw = json.loads(layout.state_file.read_text())
        raw["supervisor"] = {"pid": stranger.pid, "born": 1_000_000.0}
        for part in raw["parts"]:
            part.update(state="ready", pid=stranger.pid, born=1_000_000.0)
        layout.state_file.write_text(json.dumps(raw))
        assert not stack.status(var).running
        stack.down(var)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_parts_are_added_to_a_stack_that_runs(var: Path) -> None:
    first = stack.up(var, ["postgres"])
    second = stack.up(var, ["warehouse"])
    assert second.supervisor == first.supervisor
    assert second.parts["postgres"].proc == first.parts["postgres"].proc
    assert second.parts["warehouse"].state in ("done", "skipped")


def test_a_part_that_cannot_come_up_is_reported_with_its_last_words(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = var.parent / "java"
    broken.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-version*) echo \'openjdk version "21"\' >&2;; *kafka.Kafka*) echo "no room for kaboom"; exit 7;;'
        f' *) exec {sys.executable} -c "import pathlib;'
        f" d=pathlib.Path({str(var)!r}, 'kafka/node-1/data.new'); d.mkdir(); (d / 'meta.properties').touch()\";; esac\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("HUB_JAVA", str(broken))
    with pytest.raises(PartFailed) as caught:
        stack.up(var, PARTS)
    told = str(caught.value)
    assert "kafka" in told and "code 7" in told and "no room for kaboom" in told
    assert "kafka.log" in caught.value.remedy()
    state = stack.status(var)
    assert not state.running
    assert not any(members for members in all_processes(var).values()), "what this up started is stopped again"


def test_a_step_that_fails_is_reported(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_JAVA", str(var.parent / "no-such-java"))
    with pytest.raises(PartFailed, match="no java of version 17"):
        stack.up(var, ["kafka"])


def test_the_operators_own_database_and_brokers_are_used(
    running: Path, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = load_settings(var=running)
    monkeypatch.setenv("HUB_DATABASE_URL", now.url())
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", str(now.kafka_bootstrap))
    state = stack.up(var, PARTS)
    assert state.ready and all(part.external and part.pid is None for part in state.parts.values())
    assert state.address("postgres") == stack.status(running).address("postgres")
    stack.down(var)
    assert stack.status(running).ready, "down must not touch what up did not start"
