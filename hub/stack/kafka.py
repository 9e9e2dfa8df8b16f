"""Apache Kafka in KRaft mode, from the official jars: SASL/SCRAM and the authorizer on from the first start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hub.stack import java, kafka_wire, ports
from hub.stack.errors import PasswordRefused, StoreNotFormatted
from hub.stack.jars import cache_folder, classpath
from hub.stack.kafka_config import LOGGING, Node, Passwords, argument, cluster_id, properties, server
from hub.stack.parts import Part, run_step
from hub.stack.processes import Launch

USER = "hub"
HEAP = ("-Xms128m", "-Xmx512m")


class Kafka(Part):
    """One broker that is also its own controller. A cluster of three would be three of these with one list of nodes."""

    name = "kafka"
    title = "Apache Kafka"
    port_names = ("kafka", "kafka-internal", "kafka-controller")
    stop_order = 20
    grace = 20.0
    patience = 60.0

    @property
    def external(self) -> bool:
        """Whether the operator named brokers."""
        return self.plan.operator.kafka_bootstrap is not None

    @property
    def address(self) -> str | None:
        """Where clients connect."""
        return self.plan.operator.kafka_bootstrap if self.external else super().address

    @property
    def folder(self) -> Path:
        """The node's folder."""
        return self.plan.layout.var / "kafka" / "node-1"

    @property
    def node(self) -> Node:
        """The node's id, ports and data."""
        ports_now = self.plan.ports
        client, internal, controller = (ports_now[name] for name in self.port_names)
        return Node(1, client, internal, controller, self.folder / "data")

    def prepare(self) -> None:
        """Formats the store at the first start; writes the configuration at each."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        self.plan.vault.put("kafka-1.properties", self._properties(self.node))
        self.plan.vault.put("kafka-client.properties", properties(self.client_properties()))
        # For Kafka's own command line tools: java @tool.args <class> --bootstrap-server ...
        (self.folder / "tool.args").write_text(self._java_arguments("-Xmx256m"), encoding="utf-8")

    def launch(self) -> Launch:
        """The broker; its class path stands in an argument file, so that `ps` stays readable."""
        arguments = self.folder / "broker.args"
        arguments.write_text(self._java_arguments(*HEAP, "-XX:+ExitOnOutOfMemoryError"), encoding="utf-8")
        program = java.find(self.plan.operator.java).program
        argv = [str(program), f"@{arguments}", "kafka.Kafka", str(self.plan.vault.path("kafka-1.properties"))]
        return Launch(argv, self._env(), self.folder)

    def ready(self) -> bool:
        """Whether the broker takes the hub's password and serves. Raises PasswordRefused."""
        if self.external:
            return ports.answers(self.address or "")
        try:
            return bool(kafka_wire.brokers(self.login()))
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
            password=self.plan.vault.get("kafka-hub"),
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
            "HUB_KAFKA_BOOTSTRAP": self.address or "",
            "HUB_KAFKA_USERNAME": USER,
            "HUB_KAFKA_PASSWORD": self.plan.vault.get("kafka-hub"),
            "HUB_KAFKA_SASL_MECHANISM": self._mechanism,
            "HUB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL" if tls else "SASL_PLAINTEXT",
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
    def _mechanism(self) -> str:
        wanted = self.plan.operator.kafka_sasl_mechanism
        return "SCRAM-SHA-512" if wanted == "PLAIN" else wanted

    def _passwords(self) -> Passwords:
        get = self.plan.vault.get
        return Passwords(get("kafka-hub"), get("kafka-broker"), get("kafka-controller"))

    def _properties(self, node: Node) -> str:
        return properties(server(node, [node], self._passwords(), self.plan.operator))

    def _java_arguments(self, *more: str) -> str:
        operator = self.plan.operator
        jars = classpath(operator.kafka_home, cache_folder(operator.cache, self.plan.layout.var))
        lines = [
            *more,
            "-XX:+UseSerialGC",
            # The second compiler took a third of the broker's processor time for the first million events and won nothing.
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
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
        node = self.node
        draft = Node(node.id, node.client, node.internal, node.controller, new)
        settings = self.plan.vault.put("kafka-format.properties", self._properties(draft))
        words = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id(), "-c", str(settings)]
        for user, password in (("broker", passwords.broker), (USER, passwords.hub)):
            words += ["--add-scram", f"{self._mechanism}=[name={user},password={password}]"]
        text = self._java_arguments("-Xmx128m") + "".join(argument(word) + "\n" for word in words)
        arguments = self.plan.vault.put("kafka-format.args", text)
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
