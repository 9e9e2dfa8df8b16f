"""Secrets, ports, jars and configuration files, each on its own."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from hub.settings import ROOT
from hub.stack import catalogue, jars, java, kafka_config, ports, postgres_home, state
from hub.stack.airflow import AirflowPart
from hub.stack.errors import (
    JarDiffers,
    JarsUnreachable,
    JavaMissing,
    LockUnreadable,
    PartUnknown,
    PostgresMissing,
    SecretUnsafe,
    StateUnreadable,
    UserMissing,
)
from hub.stack.layout import Layout, write_private
from hub.stack.postgres_home import RunAs
from hub.stack.vault import Vault


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "var")
    layout.make()
    vault = Vault(layout.secrets)
    first = vault.get("kafka-hub")
    assert len(first) == 48 and vault.get("kafka-hub") == first
    assert vault.get("other") != first
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE(vault.path("kafka-hub").stat().st_mode) == 0o600


def test_a_run_directory_of_before_is_closed(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "var")
    for name in ("kafka", "data_docs", "logs", "store"):
        (layout.var / name).mkdir(parents=True, mode=0o755)
        (layout.var / name).chmod(0o755)
    layout.var.chmod(0o755)
    assert layout.var in layout.open_to_others() and layout.var / "kafka" in layout.open_to_others()
    layout.make()
    assert layout.open_to_others() == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in layout.var.iterdir()} == {0o700}
    layout.var.chmod(0o710)  # PostgreSQL of another user passes through
    layout.make()
    assert stat.S_IMODE(layout.var.stat().st_mode) == 0o710 and layout.open_to_others() == []


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.get("password")
    vault.path("password").chmod(0o644)
    with pytest.raises(SecretUnsafe) as caught:
        vault.get("password")
    assert vault.path("password").read_text() not in str(caught.value)


def test_a_secrets_name_never_leaves_its_folder(tmp_path: Path) -> None:
    assert Vault(tmp_path / "s").path("../../etc/passwd").parent == tmp_path / "s"


def test_a_file_is_private_from_its_first_byte_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    old = os.umask(0)
    try:
        write_private(path, "new")
    finally:
        os.umask(old)
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_ports_are_kept_while_free_and_never_given_twice() -> None:
    first = ports.choose(["a", "b", "c"], {})
    assert len(set(first.values())) == 3
    assert all(ports.LOW <= port <= ports.HIGH for port in first.values())
    assert ports.choose(["a", "b", "c"], first) == first
    with socket.create_server((ports.HOST, first["a"])):
        again = ports.choose(["a", "b", "c"], first)
    assert again["a"] != first["a"] and again["b"] == first["b"]


def test_what_needs_what() -> None:
    assert catalogue.choose(["relay"]) == {"relay", "warehouse", "postgres", "kafka"}
    assert catalogue.choose(["postgres", "kafka"]) == {"postgres", "kafka"}
    without = catalogue.choose(None, ["airflow"])
    assert without == {"postgres", "kafka", "warehouse", "relay", "worker"}
    assert catalogue.choose(["worker"]) == {"worker", "warehouse", "postgres"}
    assert catalogue.choose(None, ["postgres"]) == {"kafka"}
    assert catalogue.choose(["relay"], brokers=3) == catalogue.choose(["relay"]) | {"kafka-2", "kafka-3"}
    assert catalogue.choose(["postgres"], brokers=3) == {"postgres"}
    assert catalogue.choose(["kafka-3"]) == {"kafka", "kafka-2", "kafka-3"}
    assert not {"kafka", "kafka-2", "relay"} & catalogue.choose(None, ["kafka"], brokers=3)
    with pytest.raises(PartUnknown):
        catalogue.choose(["postgresql"])


@pytest.mark.parametrize("name", sorted(catalogue.known()))
def test_any_part_can_be_asked_for_alone(tmp_path: Path, name: str) -> None:
    """What is started with it has every port that its configuration names."""
    chosen = catalogue.choose([name])
    parts = catalogue.build(Layout.of(tmp_path), "id", chosen, {})
    assert {need for part in chosen for need in catalogue.known()[part].needs} <= chosen
    if isinstance(parts[name], AirflowPart):
        (tmp_path / "secrets").mkdir(mode=0o700)
        assert ("AIRFLOW__API__PORT" in parts[name].environment()) == (name != "airflow-db")


def test_airflows_services_go_with_its_api_server() -> None:
    assert "airflow-api" in catalogue.choose(["airflow-scheduler"])
    left = catalogue.choose(None, ["airflow-api"])
    assert not left & {"airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
    assert "airflow-db" in left


def test_the_lock_names_every_jar_by_hash_and_no_address() -> None:
    wanted = jars.locked()
    names = {jar.artifact for jar in wanted}
    assert {"kafka_2.13", "kafka-server", "kafka-tools", "kafka-clients", "log4j-slf4j-impl", "log4j-core"} <= names
    assert {jar.version for jar in wanted if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in wanted)
    assert "://" not in jars.LOCK.read_text(encoding="utf-8")


def test_a_jar_with_other_bytes_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock.toml"
    lock.write_text(f'[[dependencies]]\ngroupId="g"\nartifactId="a"\nversion="1"\nsha256="{"0" * 64}"\n')
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "a-1.jar").write_bytes(b"other")
    with pytest.raises(JarDiffers) as caught:
        jars.classpath(None, tmp_path, lock)
    assert "a-1.jar" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[[dependencies]]\n", "\x00", '[[dependencies]]\ngroupId="g"\nartifactId="../a"\nversion="1"\nsha256="00"\n'],
)
def test_a_lock_that_says_too_little_is_refused(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "lock.toml"
    lock.write_text(text)
    with pytest.raises(LockUnreadable):
        jars.locked(lock)


def test_a_kafka_home_without_jars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JarsUnreachable):
        jars.classpath(tmp_path, tmp_path)


def test_a_java_that_the_operator_names_is_used_or_refused(tmp_path: Path) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019' >&2\n")
    old.chmod(0o755)
    assert java.version_of(old) == 11
    with pytest.raises(JavaMissing, match="version 11"):
        java.find(old)
    with pytest.raises(JavaMissing):
        java.find(tmp_path / "none")
    assert java.find(None).version >= 17


def test_postgres_is_found_or_its_absence_named(tmp_path: Path) -> None:
    assert (postgres_home.find(None) / "bin" / "initdb").exists()
    with pytest.raises(PostgresMissing):
        postgres_home.find(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become another user")
def test_root_becomes_an_unprivileged_user() -> None:
    assert postgres_home.run_as(None).uid not in (None, 0)
    for wrong in ("root", "nobody-of-this-name"):
        with pytest.raises(UserMissing):
            postgres_home.run_as(wrong)


def test_a_user_can_reach_only_what_every_folder_lets_it_pass(tmp_path: Path) -> None:
    stranger = RunAs(54_321, 54_321)
    open_, shut = tmp_path / "open", tmp_path / "shut"
    for folder, mode in ((open_, 0o755), (shut, 0o700)):
        (folder / "in").mkdir(parents=True)
        folder.chmod(mode)
    if postgres_home.can_reach(open_, stranger):
        assert postgres_home.can_reach(open_ / "in", stranger)
    assert not postgres_home.can_reach(shut / "in", stranger)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z.]{1,10}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    )
)
def test_properties_are_read_back_as_written(values: dict[str, str]) -> None:
    text = kafka_config.properties(values)
    assert text.isascii()
    found: dict[str, str] = {}
    for line in text.split("\n")[:-1]:
        name, _, value = line.partition("=")
        units = re.sub(r"\\u([0-9a-f]{4})|\\(\\)", lambda m: chr(int(m[1], 16)) if m[1] else "\\", value)
        found[name] = units.encode("utf-16", "surrogatepass").decode("utf-16")
    assert found == values


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 1}', "\x00\x00"])
def test_a_broken_state_is_named(tmp_path: Path, text: str) -> None:
    layout = Layout.of(tmp_path)
    layout.state_file.write_text(text)
    with pytest.raises(StateUnreadable):
        state.read(layout)


def test_a_state_is_read_back_as_written(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    made = state.StackState(str(tmp_path), "x", None, {"a": 1}, {"kafka": state.PartState("kafka", tail=["审计"])})
    state.write(layout, made)
    assert state.read(layout) == made
    assert json.loads(layout.state_file.read_text(encoding="utf-8"))["id"] == "x"


def test_an_installation_has_the_lock_of_kafkas_jars(tmp_path: Path) -> None:
    """The wheel, unpacked: no folder docker/ beside it."""
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "dist"), versions=["standard"]))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    assert not (tmp_path / "site" / "docker").exists()
    probe = "from hub.stack import jars; print(jars.LOCK, len(jars.locked()))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe],
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "site/hub/stack/kafka.lock.toml"), str(len(jars.locked()))]
