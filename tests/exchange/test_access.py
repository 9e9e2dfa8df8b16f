"""Access: a granted user reads, everybody else is denied; also from Java's own console consumer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from exchange import access
from exchange.cluster import Cluster
from exchange.consume import open_reader
from exchange.errors import KafkaForbidden, KafkaLoginRefused, TopicUnknown
from exchange.producer import open_producer
from hub.errors import HubError
from hub.settings import Settings, load_settings
from hub.stack import jars, java
from tests.exchange.conftest import Bench

pytestmark = pytest.mark.stack

CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer"


def ids(now: Settings, topic: str, group: str) -> list[str]:
    with open_reader(now, group) as reader:
        starts = {(topic, number): 0 for number in reader.partitions(topic)}
        return [dict(message.headers())["ce_id"].decode() for message in reader.read(starts)]


def console(stack_var: Path, now: Settings, folder: Path, topic: str, group: str) -> subprocess.CompletedProcess[str]:
    """The Java console consumer from the jars, as this user."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    assert now.kafka_password is not None
    settings = folder / f"{group}.properties"
    settings.write_text(
        f"security.protocol={now.kafka_security_protocol}\nsasl.mechanism={now.kafka_sasl_mechanism}\n"
        f'sasl.jaas.config={module} required username="{now.kafka_username}" '
        f'password="{now.kafka_password.get_secret_value()}";\nisolation.level=read_committed\n'
    )
    settings.chmod(0o600)
    path = jars.classpath(now.kafka_home, jars.cache_folder(now.cache, stack_var))
    words = ["--bootstrap-server", str(now.kafka_bootstrap), "--topic", topic, "--group", group, "--from-beginning"]
    words += ["--command-config", str(settings), "--timeout-ms", "12000", "--max-messages", "3"]
    words += ["--formatter-property", "print.key=true", "--formatter-property", "print.headers=true"]
    program = [str(java.find(now.java).program), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"]
    return subprocess.run(
        [*program, "-cp", os.pathsep.join(map(str, path)), CONSOLE, *words],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_granted_user_reads_its_topics_and_nothing_else(bench: Bench, unique: str, tmp_path: Path, stack) -> None:
    bench.load(["K1", "K2", "K1"])
    bench.relay()
    other = Bench(bench.now, bench.cluster, f"hub.test.o{unique}.v1")
    other.make()
    other.event("K", "of another topic")
    other.relay()
    user, group = f"reader-{unique}", f"office-{unique}."
    access.grant_reader(bench.cluster, user, "pass word,=1", [bench.topic], group)
    reader = load_settings(kafka_username=user, kafka_password="pass word,=1")
    assert sorted(ids(reader, bench.topic, group + "a")) == sorted(event_id for _, event_id in bench.loaded)
    with pytest.raises((KafkaForbidden, TopicUnknown)):
        ids(reader, other.topic, group + "a")
    # Nor may it write, relay, or see more than its own.
    with pytest.raises(HubError):
        writer = open_producer(f"hub.relay.{bench.lane}", reader)
        writer.begin()
    with Cluster(reader) as limited:
        assert set(limited.topics()) == {bench.topic}
    assert {right["name"] for right in access.rights(bench.cluster, user)} == {bench.topic, group}
    # Java's console consumer: with its own group it reads, in another's it does not, nor without a grant.
    said = console(stack.var, reader, tmp_path, bench.topic, group + "java")
    assert said.stdout.count("ce_id:bench:") == 3, said.stderr
    assert "ce_specversion:1.0" in said.stdout
    denied = console(stack.var, reader, tmp_path, bench.topic, f"other-{unique}")
    assert "ce_id" not in denied.stdout
    assert "Not authorized to access group" in denied.stdout + denied.stderr
    access.grant_reader(bench.cluster, f"nobody-{unique}", "p", [], f"nobody-{unique}.")
    nobody = load_settings(kafka_username=f"nobody-{unique}", kafka_password="p")
    denied = console(stack.var, nobody, tmp_path, bench.topic, f"nobody-{unique}.java")
    assert "ce_id" not in denied.stdout
    assert "Not authorized to access topics" in denied.stdout + denied.stderr
    access.revoke_reader(bench.cluster, user)
    with pytest.raises((KafkaLoginRefused, KafkaForbidden)):
        ids(reader, bench.topic, group + "a")
    assert access.rights(bench.cluster, user) == []
    access.revoke_reader(bench.cluster, user)


def test_a_new_password_replaces_the_old_one(bench: Bench, unique: str) -> None:
    user = f"reader-{unique}"
    access.grant_reader(bench.cluster, user, "first", [], unique)
    access.grant_reader(bench.cluster, user, "second", [], unique)
    with Cluster(load_settings(kafka_username=user, kafka_password="second")) as cluster:
        assert cluster.topics() == {}
    with (
        pytest.raises(KafkaLoginRefused),
        Cluster(load_settings(kafka_username=user, kafka_password="first")) as cluster,
    ):
        cluster.topics()
