"""Apache Kafka in KRaft mode, from the official jars: SASL/SCRAM and the authorizer on from the first start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hub.stack import java, kafka_cluster, kafka_wire, ports
from hub.stack.errors import PasswordRefused, StoreNotFormatted
from hub.stack.jars import cache_folder, classpath
from hub.stack.kafka_config import LOGGING, Node, Passwords, argument, properties, server
from hub.stack.parts import Part, run_step
from hub.stack.processes import Launch

USER = "hub"
HEAP = ("-Xms128m", "-Xmx512m")


class Kafka(Part):
    """A broker that is a controller too: alone, or the first of three that make one cluster."""

    name = "kafka"
    title = "Apache Kafka"
    port_names = ("kafka", "kafka-internal", "kafka-controller")
    peers = ("kafka-2", "kafka-3")
    stop_order = 20
    grace = 20.0
    patience = 120.0
    number: ClassVar[int] = 1

    @property
    def external(self) -> bool:
        """Whether the operator named brokers."""
        return self.plan.operator.kafka_bootstrap is not None

    @property
    def address(self) -> str | None:
        """Where clients connect to this one."""
        return self.plan.operator.kafka_bootstrap if self.external else super().address

    @property
    def bootstrap(self) -> str:
        """Where clients find the cluster: all of its brokers."""
        return ",".join(f"{node.host}:{node.client}" for node in self.cluster)

    @property
    def folder(self) -> Path:
        """The node's folder."""
        return self.plan.layout.var / "kafka" / f"node-{self.number}"

    @property
    def node(self) -> Node:
        """The node's id, ports and data."""
        ports_now = self.plan.ports
        client, internal, controller = (ports_now[name] for name in self.port_names)
        return Node(self.number, client, internal, controller, self.folder / "data", self.plan.host, self.plan.bind)

    @property
    def cluster(self) -> list[Node]:
        """All nodes of the cluster: those that are wanted of it."""
        return [kind(self.plan).node for kind in BROKERS if kind.name in self.plan.wanted]

    def prepare(self) -> None:
        """Formats the store at the first start; writes the configuration at each."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        self.plan.vault.put(self._settings, self._properties(self.node))
        self.plan.vault.put("kafka-client.properties", properties(self.client_properties()))
        # For Kafka's own command line tools: java @tool.args <class> --bootstrap-server ...
        (self.folder / "tool.args").write_text(self._java_arguments("-Xmx256m"), encoding="utf-8")

    def launch(self) -> Launch:
        """The broker; its class path stands in an argument file, so that `ps` stays readable."""
        arguments = self.folder / "broker.args"
        arguments.write_text(self._java_arguments(*HEAP, "-XX:+ExitOnOutOfMemoryError"), encoding="utf-8")
        program = java.find(self.plan.operator.java).program
        argv = [str(program), f"@{arguments}", "kafka.Kafka", str(self.plan.vault.path(self._settings))]
        return Launch(argv, self._env(), self.folder)

    def ready(self) -> bool:
        """Whether it takes the hub's password, and the cluster counts it among those that serve. Raises PasswordRefused."""
        if self.external:
            return ports.answers(self.address or "")
        try:
            return self.address in kafka_wire.brokers(self.login())
        except kafka_wire.WireRefused:
            layout = self.plan.layout
            raise PasswordRefused(
                part=self.title, address=self.address, user=USER, secrets=layout.secrets, data=self.folder
            ) from None
        except kafka_wire.WireError:
            return False

    def login(self) -> kafka_wire.Login:
        """How the hub's own user enters."""
        operator = self.plan.operator
        return kafka_wire.Login(
            address=self.address or "",
            username=USER,
            password=self._hub_password,
            mechanism=self._mechanism,
            tls=operator.kafka_security_protocol == "SASL_SSL",
            cafile=operator.kafka_ssl_cafile,
            certfile=operator.kafka_ssl_certfile,
            keyfile=operator.kafka_ssl_keyfile,
        )

    def hub_env(self) -> Mapping[str, str]:
        """The hub's own user on this broker."""
        if self.external:
            return {}
        tls = self.plan.operator.kafka_security_protocol == "SASL_SSL"
        return {
            "HUB_KAFKA_BOOTSTRAP": self.bootstrap,
            "HUB_KAFKA_USERNAME": USER,
            "HUB_KAFKA_PASSWORD": self._hub_password,
            "HUB_KAFKA_SASL_MECHANISM": self._mechanism,
            "HUB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL" if tls else "SASL_PLAINTEXT",
            **({"HUB_KAFKA_REPLICATION": str(len(self.cluster))} if len(self.cluster) > 1 else {}),
        }

    def client_properties(self) -> dict[str, str]:
        """Properties with which Kafka's own Java tools enter as the hub's user."""
        env, module = self.hub_env(), "org.apache.kafka.common.security.scram.ScramLoginModule"
        cafile = self.plan.operator.kafka_ssl_cafile
        trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(cafile)} if cafile else {}
        return {
            "bootstrap.servers": env["HUB_KAFKA_BOOTSTRAP"],
            "security.protocol": env["HUB_KAFKA_SECURITY_PROTOCOL"],
            "sasl.mechanism": self._mechanism,
            "sasl.jaas.config": f'{module} required username="{USER}" password="{env["HUB_KAFKA_PASSWORD"]}";',
            **trust,
        }

    @property
    def _settings(self) -> str:
        return f"kafka-{self.number}.properties"

    @property
    def _mechanism(self) -> str:
        wanted = self.plan.operator.kafka_sasl_mechanism
        return "SCRAM-SHA-512" if wanted == "PLAIN" else wanted

    @property
    def _hub_password(self) -> str:
        given = self.plan.operator.kafka_password
        return given.get_secret_value() if given is not None else self.plan.vault.get("kafka-hub")

    def _passwords(self) -> Passwords:
        get = self.plan.vault.get
        return Passwords(self._hub_password, get("kafka-broker"), get("kafka-controller"))

    def _properties(self, node: Node) -> str:
        return properties(server(node, self.cluster, self._passwords(), self.plan.operator))

    def _java_arguments(self, *more: str) -> str:
        operator = self.plan.operator
        jars = classpath(operator.kafka_home, cache_folder(operator.cache, self.plan.layout.var))
        lines = [
            *more,
            "-XX:+UseSerialGC",
            # The second compiler took a third of the broker's processor time for the first million events and won nothing.
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
            # Compression's native code is unpacked there and run; /tmp may be closed to programs.
            f"-Djava.io.tmpdir={self.folder}",
            f"-Dlog4j2.configurationFile={(self.folder / 'log4j2.properties').as_uri()}",
            "-cp",
            os.pathsep.join(map(str, jars)),
        ]
        return "".join(argument(line) + "\n" for line in lines)

    def _env(self) -> dict[str, str]:
        return self.plan.step_env(self.name, HOME=str(self.folder))

    def _format(self) -> None:
        """Formats the store beside its place and moves it there.

        The passwords of the first users go in by an argument file, not on the command line, where `ps` would show
        them; the tool prints the users' verifiers, so its output is thrown away.
        """
        new, passwords = self.folder / "data.new", self._passwords()
        shutil.rmtree(new, ignore_errors=True)
        settings = self.plan.vault.put(
            f"kafka-{self.number}-format.properties", self._properties(replace(self.node, data=new))
        )
        cluster = kafka_cluster.note(self.plan.layout, len(self.cluster), self.plan.id)
        words = ["kafka.tools.StorageTool", "format", "-t", cluster.id, "-c", str(settings)]
        words += ["--standalone"] if len(self.cluster) == 1 else []
        for user, password in (("broker", passwords.broker), (USER, passwords.hub)):
            words += ["--add-scram", f"{self._mechanism}=[name={user},password={password}]"]
        text = self._java_arguments("-Xmx128m") + "".join(argument(word) + "\n" for word in words)
        arguments = self.plan.vault.put(f"kafka-{self.number}-format.args", text)
        try:
            run_step(
                [str(java.find(self.plan.operator.java).program), f"@{arguments}"],
                env=self._env(),
                cwd=self.folder,
                failed=lambda reason: StoreNotFormatted(reason=reason, folder=self.folder),
                quiet=True,
            )
        finally:
            arguments.unlink(missing_ok=True)
            settings.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        new.rename(self.folder / "data")


class SecondBroker(Kafka):
    """The second of three."""

    name = "kafka-2"
    title = "Apache Kafka, second broker"
    port_names = ("kafka-2", "kafka-2-internal", "kafka-2-controller")
    peers = ("kafka", "kafka-3")
    works_with = peers
    number = 2

    def absent(self) -> str | None:
        """Nothing to start where the operator runs the brokers."""
        return "the operator's own brokers are used" if self.external else None


class ThirdBroker(SecondBroker):
    """The third."""

    name = "kafka-3"
    title = "Apache Kafka, third broker"
    port_names = ("kafka-3", "kafka-3-internal", "kafka-3-controller")
    peers = ("kafka", "kafka-2")
    works_with = peers
    number = 3


BROKERS: tuple[type[Kafka], ...] = (Kafka, SecondBroker, ThirdBroker)
