"""What needs a broker of its own: TLS from every client, and one that falls silent."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.brokers import access, consume
from exchange.brokers.cluster import Cluster
from exchange.brokers.consume import Reader, any_committed, tail
from exchange.brokers.topics import ensure_own
from exchange.errors import BrokerFailed, BrokerUnreachable
from exchange.producers.opening import open_producer
from exchange.relay import rebase
from hub import stack
from hub.settings import Settings, load_settings
from tests.exchange.conftest import Bench

pytestmark = pytest.mark.stack


class Authority:
    """A CA of the test's own; `issue` writes PEM files of key and certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.cafile = folder / f"{name}.ca.pem"
        self.cafile.write_bytes(_pem(self._signed(self._name, self._key, authority=True)))

    def issue(self, name: str) -> tuple[Path, Path, Path]:
        """Certificate, key, and both in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = _pem(self._signed(subject, key, authority=False))
        plain = serialization.NoEncryption()
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        paths = [self.folder / f"{name}.{kind}.pem" for kind in ("crt", "key", "both")]
        for path, content in zip(paths, (certificate, secret, secret + certificate), strict=True):
            path.write_bytes(content)
            path.chmod(0o600)
        return paths[0], paths[1], paths[2]

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class OwnBroker:
    """A broker that speaks mutual TLS with its clients, and can be stopped for a moment."""

    var: Path
    authority: Authority
    settings: Settings

    def now(self, base: Settings, **more: object) -> Settings:
        """`base` with this broker instead of the run's."""
        mine = {
            name: getattr(self.settings, name) for name in type(self.settings).model_fields if name.startswith("kafka_")
        }
        return base.model_copy(update={**mine, **more})

    @contextmanager
    def silent(self) -> Iterator[None]:
        """The process stands still: connections stay open, nothing answers."""
        process = stack.status(self.var).parts["kafka"].pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    folder = tmp_path_factory.mktemp("own")
    authority = Authority(folder, "authority")
    certificate, key, _ = authority.issue("client")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "HUB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "HUB_KAFKA_BROKER_KEYSTORE": authority.issue("broker")[2],
            "HUB_KAFKA_SSL_CAFILE": authority.cafile,
            "HUB_KAFKA_SSL_CERTFILE": certificate,
            "HUB_KAFKA_SSL_KEYFILE": key,
        }.items():
            patch.setenv(name, str(value))
        stack.up(folder / "var", ["kafka"])
        try:
            yield OwnBroker(folder / "var", authority, load_settings(var=folder / "var"))
        finally:
            stack.down(folder / "var")


@pytest.mark.parametrize("producer", ["confluent", "kafka-python"])
def test_every_client_speaks_tls(own: OwnBroker, migrated: Settings, unique: str, producer: str) -> None:
    now = own.now(migrated, producer=producer)
    assert (now.kafka_security_protocol, now.kafka_ssl_certfile is None) == ("SASL_SSL", False)
    with Cluster(now) as cluster:
        bench = Bench(now, cluster, f"hub.test.t{unique}.v1")
        bench.make()
        bench.load(["K1", "K2", "K1"])
        assert bench.relay() == 3
        bench.agrees()
        assert len(list(tail(bench.topic, 5, now))) == 3
        # A rebase and a reader's grant go the same way.
        plan = rebase.plan(cluster, bench.lane, "1:0")
        rebase.apply(cluster, plan, "demo-operator", "test")
        assert bench.relay() == 3
        access.grant_reader(cluster, f"reader-{unique}", "pass word", [bench.topic], unique)
        reader = now.model_copy(update={"kafka_username": f"reader-{unique}"})
        assert access.rights(cluster, str(reader.kafka_username))


@pytest.mark.parametrize("producer", ["confluent", "kafka-python"])
def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(
    own: OwnBroker, migrated: Settings, unique: str, producer: str
) -> None:
    stranger = Authority(own.authority.folder, f"stranger-{producer}")
    for update in (
        {"kafka_ssl_cafile": stranger.cafile},
        {"kafka_ssl_cafile": None},
        {"kafka_ssl_certfile": stranger.issue("nobody")[0], "kafka_ssl_keyfile": stranger.issue("nobody")[1]},
        {"kafka_security_protocol": "SASL_PLAINTEXT"},
    ):
        now = own.now(migrated, producer=producer, **update)
        with pytest.raises(BrokerUnreachable):
            open_producer(f"tls.{unique}", now)
        with pytest.raises(BrokerUnreachable), Cluster(now) as cluster:
            cluster.topics()
        with pytest.raises(BrokerUnreachable), consume.open_reader(now) as reader:
            reader.partitions("any")


def test_silence_is_not_taken_for_an_empty_topic(
    own: OwnBroker, migrated: Settings, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane whose topics hold records must not start over because nobody could look."""
    now = own.now(migrated)
    with Cluster(now) as cluster:
        bench = Bench(now, cluster, f"hub.test.t{unique}.v1")
        bench.make()
        bench.load(["K1", "K2", "K1"])
        bench.relay()
    assert any_committed([bench.topic], now)
    look = Reader.partitions
    stopped = own.silent()

    def then_silence(reader: Reader, topic: str) -> list[int]:
        found = look(reader, topic)
        stopped.__enter__()
        return found

    monkeypatch.setattr(Reader, "partitions", then_silence)
    try:
        with pytest.raises(BrokerFailed, match="10 s of silence"):
            any_committed([bench.topic], now)
    finally:
        stopped.__exit__(None, None, None)
    monkeypatch.undo()
    assert any_committed([bench.topic], now)


def test_a_queue_that_stays_full_ends_with_a_word(
    own: OwnBroker, migrated: Settings, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred thousand records fit; then brokers that take nothing are waited for, but not for ever."""
    now = own.now(migrated, producer="confluent")
    with Cluster(now) as cluster:
        ensure_own(cluster)
        cluster.create(f"full.{unique}", 1, {})
    producer = open_producer(f"full.{unique}", now)
    try:
        producer.begin()
        producer.send(f"full.{unique}", [b"k"], [b"first"], [[]])
        monkeypatch.setattr("exchange.producers.confluent.TRANSACTION_TIMEOUT_MS", 3_000)
        count = 210_000
        with own.silent(), pytest.raises(BrokerFailed, match="the queue stays full"):
            producer.send(f"full.{unique}", [b"k"] * count, [b"x"] * count, [[]] * count)
    finally:
        producer.close()


def test_a_position_that_the_library_never_answers_for_is_given_up(
    own: OwnBroker, migrated: Settings, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """librdkafka waits beyond its own limit for the group's coordinator; the lane goes on with a new producer."""
    now = own.now(migrated, producer="confluent")
    with Cluster(now) as cluster:
        ensure_own(cluster)
        cluster.create(f"mute.{unique}", 1, {})
    monkeypatch.setattr("exchange.producers.confluent._POSITION_SECONDS", 0.5)
    monkeypatch.setattr("exchange.producers.confluent._GRACE", 0.5)
    first = open_producer(f"mute.{unique}", now)
    first.begin()
    first.send(f"mute.{unique}", [b"k"], [b"first"], [[]])
    with own.silent():
        with pytest.raises(BrokerFailed, match="take the position"):
            first.send_position(f"g.{unique}", 1, "")
        first.close()
    monkeypatch.undo()
    second = open_producer(f"mute.{unique}", now)
    try:
        second.begin()
        second.send(f"mute.{unique}", [b"k"], [b"second"], [[]])
        second.send_position(f"g.{unique}", 2, "{}")
        second.commit()
    finally:
        second.close()
    with consume.open_reader(now) as reader:
        assert [message.value() for message in reader.read({(f"mute.{unique}", 0): 0})] == [b"second"]
