"""How clients reach the brokers: one set of settings, spelled for each library; and why a login failed."""

from __future__ import annotations

import logging
from typing import Any

from exchange.errors import BrokerUnreachable, KafkaLoginRefused
from hub.errors import HubException, SettingMissing
from hub.said import Said
from hub.settings import Settings, settings

log = logging.getLogger("exchange.librdkafka")
log.addHandler(logging.NullHandler())
log.propagate = False  # librdkafka tells of every lost connection; what matters comes back as an error
logging.getLogger("kafka").setLevel(logging.CRITICAL)  # so does kafka-python


def bootstrap(now: Settings) -> str:
    """host:port[,host:port]. Raises SettingMissing."""
    if not now.kafka_bootstrap:
        raise SettingMissing(setting="HUB_KAFKA_BOOTSTRAP")
    return now.kafka_bootstrap


def confluent(now: Settings | None = None, **more: Any) -> dict[str, Any]:
    """Client settings for confluent-kafka; `more` in librdkafka's names with `_` for `.`."""
    now = now or settings()
    made: dict[str, Any] = {
        "bootstrap.servers": bootstrap(now),
        "security.protocol": now.kafka_security_protocol,
        "client.id": "hub",
        "logger": log,
        "log_level": 3,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
    }
    if now.kafka_security_protocol.startswith("SASL"):
        made |= {
            "sasl.mechanism": now.kafka_sasl_mechanism,
            "sasl.username": now.kafka_username or "",
            "sasl.password": _password(now),
        }
    if now.kafka_security_protocol.endswith("SSL"):
        made |= _paths(now, "ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
    return made | {name.replace("_", "."): value for name, value in more.items()}


def kafka_python(now: Settings | None = None, **more: Any) -> dict[str, Any]:
    """Client settings for kafka-python."""
    now = now or settings()
    made: dict[str, Any] = {
        "bootstrap_servers": [one.strip() for one in bootstrap(now).split(",")],
        "security_protocol": now.kafka_security_protocol,
        "client_id": "hub",
        "request_timeout_ms": 15_000,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 1_000,
        "bootstrap_timeout_ms": 10_000,
    }
    if now.kafka_security_protocol.startswith("SASL"):
        made |= {
            "sasl_mechanism": now.kafka_sasl_mechanism,
            "sasl_plain_username": now.kafka_username or "",
            "sasl_plain_password": _password(now),
        }
    if now.kafka_security_protocol.endswith("SSL"):
        made |= _paths(now, "ssl_cafile", "ssl_certfile", "ssl_keyfile")
    return made | more


def knock(now: Settings | None = None) -> None:
    """Asks the brokers by hand whether they take our password, in milliseconds, before a library tries for half a minute.

    Both libraries call a wrong password a timeout. Raises KafkaLoginRefused, BrokerUnreachable.
    """
    # With its package come all parts of the stack, a third of a command's start; commands that ask no broker need none.
    from hub.stack import kafka_wire  # noqa: PLC0415

    now = now or settings()
    where = bootstrap(now)
    sasl = now.kafka_security_protocol.startswith("SASL")
    reason: str = Said("no address is given", "没有给出地址")
    for address in where.split(","):
        login = kafka_wire.Login(
            address=address.strip(),
            username=(now.kafka_username or "") if sasl else None,
            password=_password(now) if sasl else None,
            mechanism=now.kafka_sasl_mechanism,
            tls=now.kafka_security_protocol.endswith("SSL"),
            cafile=now.kafka_ssl_cafile,
            certfile=now.kafka_ssl_certfile,
            keyfile=now.kafka_ssl_keyfile,
        )
        try:
            kafka_wire.brokers(login)
        except kafka_wire.WireRefused as error:
            raise KafkaLoginRefused(bootstrap=where, username=now.kafka_username, reason=str(error)) from None
        except kafka_wire.WireError as error:
            reason = str(error)
        else:
            return
    raise BrokerUnreachable(bootstrap=where, reason=reason)


def why(now: Settings | None = None, reason: str = "no answer") -> HubException:
    """Why a client could not get in: KafkaLoginRefused, or BrokerUnreachable with `reason` where the brokers answer."""
    now = now or settings()
    try:
        knock(now)
    except (KafkaLoginRefused, BrokerUnreachable) as error:
        return error
    return BrokerUnreachable(bootstrap=bootstrap(now), reason=reason)


def _password(now: Settings) -> str:
    return now.kafka_password.get_secret_value() if now.kafka_password else ""


def _paths(now: Settings, ca: str, certificate: str, key: str) -> dict[str, str]:
    found = {ca: now.kafka_ssl_cafile, certificate: now.kafka_ssl_certfile, key: now.kafka_ssl_keyfile}
    return {name: str(path) for name, path in found.items() if path}
