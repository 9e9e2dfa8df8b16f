"""The broker's start: TLS as the operator gives it, and no password on any command line."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub import stack
from hub.settings import load_settings
from hub.stack import java, kafka_wire
from hub.stack.layout import Layout

pytestmark = pytest.mark.stack


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A keystore (key and certificate) for 127.0.0.1 and the certificate alone, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    keystore, trusted = folder / "broker.pem", folder / "ca.pem"
    keystore.write_bytes(secret + pem)
    keystore.chmod(0o600)
    trusted.write_bytes(pem)
    return keystore, trusted


def test_clients_speak_tls_where_the_operator_says_so_and_no_password_is_on_a_command_line(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keystore, trusted = self_signed(var.parent)
    recorded = var.parent / "commands.jsonl"
    spy = var.parent / "java"
    real = java.find(None).program
    spy.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"open({str(recorded)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
        f"os.execv({str(real)!r}, [{str(real)!r}, *sys.argv[1:]])\n"
    )
    spy.chmod(0o755)
    for name, value in {
        "HUB_JAVA": spy,
        "HUB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "HUB_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "HUB_KAFKA_BROKER_KEYSTORE": keystore,
        "HUB_KAFKA_SSL_CAFILE": trusted,
    }.items():
        monkeypatch.setenv(name, str(value))
    stack.up(var, ["kafka"])
    now = load_settings(var=var)
    assert now.kafka_security_protocol == "SASL_SSL" and now.kafka_password
    password = now.kafka_password.get_secret_value()
    address = str(now.kafka_bootstrap)
    login = kafka_wire.Login(address, "hub", password, "SCRAM-SHA-256", tls=True, cafile=trusted)
    assert kafka_wire.brokers(login) == [address]
    for wrong in (
        kafka_wire.Login(address, "hub", password, "SCRAM-SHA-256"),  # no TLS
        kafka_wire.Login(address, "hub", password, "SCRAM-SHA-256", tls=True),  # a certificate nobody trusts
    ):
        with pytest.raises(kafka_wire.WireError):
            kafka_wire.brokers(wrong, timeout=2)
    # Formatting puts two passwords into the store: none of them was ever an argument.
    commands = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert len(commands) >= 3, "version, format, broker"
    secrets = [path.read_text().strip() for path in Layout.of(var).secrets.iterdir() if "." not in path.name]
    assert secrets and not any(secret in word for secret in secrets for words in commands for word in words)
    assert not list(Layout.of(var).secrets.glob("*format*")), "what held them is gone"


def test_a_lost_password_is_told_with_what_to_do(var: Path) -> None:
    stack.up(var, ["kafka"])
    stack.down(var)
    Layout.of(var).secrets.joinpath("kafka-hub").unlink()
    with pytest.raises(stack.PartFailed) as caught:
        stack.up(var, ["kafka"])
    assert "refuses the password of hub" in str(caught.value)
    assert str(Layout.of(var).secrets) in str(caught.value)


def test_a_format_that_was_cut_short_is_begun_anew(var: Path) -> None:
    half = var / "kafka" / "node-1" / "data.new"
    half.mkdir(parents=True)
    (half / "meta.properties").write_text("half")
    assert stack.up(var, ["kafka"]).ready
    assert not half.exists()
    shutil.rmtree(half, ignore_errors=True)
