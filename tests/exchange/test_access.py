"""Access: a granted user reads, everybody else is denied; also from Java's own console consumer."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exchange.brokers import access
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import open_reader
from exchange.brokers.own_topics import DEAD_LETTERS_TOPIC
from exchange.commands import topic
from exchange.errors import (
    GrantFileRefused,
    KafkaForbidden,
    KafkaLoginRefused,
    ReaderNameInvalid,
    ReaderUnknown,
    TopicUnknown,
)
from exchange.producers.opening import open_producer
from hub.errors import HubError
from hub.settings import Settings, load_settings
from hub.stack import jars, java
from tests.exchange.conftest import Bench
from tests.exchange.test_commands import ran
from warehouse.errors import OperatorMissing

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


def test_an_operator_grants_and_revokes(bench: Bench, unique: str, tmp_path: Path) -> None:
    bench.load(["K1", "K2"])
    bench.relay()
    user, by = f"office-{unique}", ["--operator", "demo-operator", "--reason", "agreed", "--json"]
    first = json.loads(ran(topic.app, "grant", user, bench.topic, *by))
    assert (first["user"], first["topics"], first["groups"]) == (user, [bench.topic], f"{user}.*")
    reader = load_settings(kafka_username=user, kafka_password=first["password"])
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2
    # A further topic leaves the password as it is; a file or --new-password changes it.
    assert json.loads(ran(topic.app, "grant", user, DEAD_LETTERS_TOPIC, *by))["password"] is None
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2
    mine = [row for row in json.loads(ran(topic.app, "readers", "--json")) if row["user"] == user]
    assert sorted(row["topic"] for row in mine) == sorted([bench.topic, DEAD_LETTERS_TOPIC])
    assert all(row["groups"] == [f"{user}.*"] and row["password"] for row in mine)
    assert [row["user"] for row in json.loads(ran(topic.app, "readers", bench.topic, "--json"))] == [user]
    assert user in ran(topic.app, "readers", bench.topic)
    (tmp_path / "word").write_text("a word of its own\n")
    words = ["--password-file", str(tmp_path / "word")]
    assert json.loads(ran(topic.app, "grant", user, bench.topic, *words, *by))["password"] is None
    reader = load_settings(kafka_username=user, kafka_password="a word of its own")
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2
    # A password is handed over in a file that nobody else may read; what stands there already is left as it is.
    target, umask = tmp_path / "grant.json", os.umask(0)
    try:
        told = json.loads(ran(topic.app, "grant", user, bench.topic, "--new-password", "--to", str(target), *by))
    finally:
        os.umask(umask)
    written = json.loads(target.read_text())
    assert target.stat().st_mode & 0o777 == 0o600
    assert written["password"] and "password" not in told and told["file"] == str(target)
    reader = load_settings(kafka_username=user, kafka_password=written["password"])
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2
    again = CliRunner().invoke(topic.app, ["grant", user, bench.topic, "--new-password", "--to", str(target), *by])
    assert isinstance(again.exception, GrantFileRefused) and json.loads(target.read_text()) == written
    nowhere = CliRunner().invoke(topic.app, ["grant", user, "no.such.topic", "--to", str(tmp_path / "b.json"), *by])
    assert isinstance(nowhere.exception, TopicUnknown) and not (tmp_path / "b.json").exists()
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2, "the password that was written is the one that holds"
    left = json.loads(ran(topic.app, "revoke", user, DEAD_LETTERS_TOPIC, *by))["left"]
    assert [row["topic"] for row in left] == [bench.topic]
    assert len(ids(reader, bench.topic, f"{user}.a")) == 2
    assert json.loads(ran(topic.app, "revoke", user, *by))["left"] == []
    with pytest.raises((KafkaLoginRefused, KafkaForbidden)):
        ids(reader, bench.topic, f"{user}.a")
    noted = bench.sql("select action, object, operator, facts::text as facts from hub.act order by act_no")
    assert [(row.action, row.object) for row in noted] == [("grant", user)] * 4 + [("revoke", user)] * 2
    for word in (first["password"], written["password"], "a word"):
        assert not any(word in row.facts for row in noted)


def test_a_grant_needs_a_person_a_reader_s_name_and_a_topic_of_the_hub(bench: Bench, unique: str) -> None:
    by = ["--operator", "demo-operator", "--reason", "agreed"]
    nobody = ["--operator", " ", "--reason", "x"]
    for words, kind in (
        (["grant", f"office-{unique}", bench.topic, *nobody], OperatorMissing),
        (["revoke", f"office-{unique}", *nobody], OperatorMissing),
        (["grant", f"office-{unique}", "no.such.topic", *by], TopicUnknown),
        (["revoke", f"office-{unique}", *by], ReaderUnknown),
        # The hub's own users keep their passwords, and nobody's groups are the start of another one's.
        (["grant", "hub", bench.topic, *by], ReaderNameInvalid),
        (["grant", "broker", bench.topic, *by], ReaderNameInvalid),
        (["revoke", "controller", *by], ReaderNameInvalid),
        (["grant", "office.a", bench.topic, *by], ReaderNameInvalid),
        (["grant", "*", bench.topic, *by], ReaderNameInvalid),
    ):
        assert isinstance(CliRunner().invoke(topic.app, words).exception, kind), words
    assert bench.sql("select * from hub.act") == []
    assert not access.has_password(bench.cluster, f"office-{unique}")


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
