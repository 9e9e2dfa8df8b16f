"""Three brokers as one cluster: any one of them may die and the way goes on; the stack treats them as it treats one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from exchange.brokers.cluster import Cluster
from exchange.relay.serve import drain
from hub import stack
from hub.cli import shell
from hub.settings import Settings, load_settings, settings
from hub.stack import catalogue, kafka_cluster, kafka_wire, ports, processes
from hub.stack.errors import ClusterSizeDiffers
from hub.stack.layout import Layout
from tests.crash.test_crash import survived
from tests.exchange.conftest import Bench
from warehouse import engine
from warehouse.migrate import migrate

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.timeout(600)]

BROKERS = catalogue.brokers()
PARTS = {"postgres", *BROKERS}


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("three") / "var"
    assert stack.up(folder, {"postgres", "kafka"}, brokers=3).ready
    yield folder
    stack.down(folder)


@pytest.fixture
def three(var: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """This process and its children work on the cluster of three."""
    monkeypatch.setenv("HUB_VAR", str(var))
    settings.cache_clear()
    migrate()
    yield settings()
    engine.dispose()
    settings.cache_clear()


def login(now: Settings, address: str, password: str | None = None) -> kafka_wire.Login:
    assert now.kafka_password is not None
    return kafka_wire.Login(address, "hub", password or now.kafka_password.get_secret_value())


def test_three_are_one_cluster_with_passwords_and_listed_apart(var: Path, three: Settings) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "hub", "stack", "status", "--json"], capture_output=True, text=True, check=True
    )
    parts = {part["part"]: part for part in json.loads(told.stdout)["parts"]}
    assert set(parts) == PARTS and {part["state"] for part in parts.values()} == {"ready"}
    addresses = [parts[name]["address"] for name in BROKERS]
    assert three.kafka_bootstrap == ",".join(addresses) and three.kafka_replication == 3
    for address in addresses:
        assert sorted(kafka_wire.brokers(login(three, address))) == sorted(addresses)
        with pytest.raises(kafka_wire.WireRefused):
            kafka_wire.brokers(login(three, address, "wrong"))
    for name in BROKERS:
        members = list(processes.members(stack.status(var).parts[name].kin))
        heard = {c.laddr.ip for one in members for c in one.net_connections("all") if c.status == psutil.CONN_LISTEN}
        assert {ip.removeprefix("::ffff:") for ip in heard} == {"127.0.0.1"}
    written = [(Layout.of(var).secrets / f"kafka-{number}.properties").read_text() for number in (1, 2, 3)]
    for text in written:
        assert "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n" in text
        assert "min.insync.replicas=2\n" in text and "transaction.state.log.min.isr=2\n" in text
        assert "default.replication.factor=3\n" in text and "offsets.topic.replication.factor=3\n" in text


def test_the_way_goes_on_without_the_first_of_them(var: Path, three: Settings, unique: str) -> None:
    """The one by whose name others need it; also for a topic that is made meanwhile. Any of them dies in the run below."""
    dead = BROKERS[0]
    with Cluster(three) as cluster:
        bench = Bench(three, cluster, f"hub.test.t{unique}.v1", feed=unique)
        bench.make()
        bench.load([f"K{n % 5}" for n in range(50)])
        assert bench.relay() == 50
        assert cluster.topics([bench.topic])[bench.topic].replication == 3
    stack.kill(var, dead)
    assert stack.status(var).parts[dead].state == "down" and not stack.status(var).ready
    with Cluster(three) as cluster:
        bench.load([f"K{n % 5}" for n in range(50)])
        fresh = Bench(three, cluster, f"hub.test.t{unique}b.v1", feed=f"{unique}b")
        fresh.make()
        fresh.load(["K1", "K2"])
        sent = drain([bench.lane, fresh.lane], now=three)
        assert [(one.state, one.events) for one in sent] == [("sent", 50), ("sent", 2)], sent
        bench.agrees()
        fresh.agrees()
    assert stack.start_part(var, dead).parts[dead].state == "ready"
    assert stack.status(var).ready


def test_killed_without_end_nothing_is_lost_doubled_or_reordered(var: Path) -> None:
    line, killed = survived(var, "--kills", "10", "--services", "2")
    assert line == "kills 10 lost 0 doubled 0 out-of-order 0"
    assert killed["postgres"] == 1 and sum(killed.get(name, 0) for name in BROKERS) == 1
    assert stack.status(var).ready


def test_another_number_is_refused(var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterSizeDiffers, match="has 3 broker"):
        stack.up(var, brokers=1)
    assert stack.up(var, {"kafka"}).ready, "without a number it is what it was made for"
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "none"))
    answer = CliRunner().invoke(shell, ["stack", "up", "--brokers", "2"])
    assert answer.exit_code == 2 and not (tmp_path / "none").exists()


def test_it_comes_back_after_its_supervisor_was_killed_with_every_port_taken_meanwhile(
    var: Path, three: Settings, unique: str
) -> None:
    with Cluster(three) as cluster:
        bench = Bench(three, cluster, f"hub.test.t{unique}.v1", feed=unique)
        bench.make()
        bench.load(["K1", "K2", "K1"])
        assert bench.relay() == 3
    engine.dispose()
    before = stack.status(var)
    assert before.supervisor is not None
    os.kill(before.supervisor.pid, signal.SIGKILL)
    processes.wait_gone(before.supervisor, 10)
    left = [one for part in before.parts.values() for one in processes.members(part.kin)]
    assert len(left) > 3, "the brokers outlive it"
    stack.down(var)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in left)
    taken = [port for name, port in before.ports.items() if name.startswith("kafka")]
    assert len(taken) == 9
    strangers = [socket.create_server((ports.HOST, port)) for port in taken]
    try:
        after = stack.up(var, {"postgres", "kafka"})
    finally:
        for stranger in strangers:
            stranger.close()
    assert after.ready and set(after.parts) == PARTS
    assert not set(taken) & {port for name, port in after.ports.items() if name.startswith("kafka")}
    settings.cache_clear()
    now = load_settings(var=var)
    with Cluster(now) as cluster:
        moved = Bench(now, cluster, bench.topic, feed=unique, loaded=bench.loaded)
        moved.load(["K2"])
        assert moved.relay() == 1
        moved.agrees()


def test_a_cluster_is_noted_for_as_long_as_its_data_lie_there(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    assert kafka_cluster.size(layout) == 1 and kafka_cluster.size(layout, 3) == 3
    store = tmp_path / "kafka" / "node-1" / "data" / "meta.properties"
    store.parent.mkdir(parents=True)
    first = kafka_cluster.note(layout, 3, "run-1")
    assert kafka_cluster.note(layout, 3, "run-1") == first, "all three stores are of one cluster"
    store.touch()
    assert kafka_cluster.note(layout, 3, "run-2") == first
    assert kafka_cluster.size(layout) == 3
    store.unlink()
    again = kafka_cluster.note(layout, 1, "run-3")
    assert again.id != first.id and again.brokers == 1, "the id of events that are gone is not used again"
    (tmp_path / "kafka" / "cluster.json").unlink()
    store.touch()
    assert kafka_cluster.size(layout) == 1, "a store of before was of one broker"
