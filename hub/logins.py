"""Whether database and brokers take the credentials in the settings: two looks of `hub doctor`."""

from __future__ import annotations

import psycopg

from hub.checked import Check
from hub.said import Said
from hub.settings import Settings
from hub.stack import kafka_wire
from hub.stack.postgres import plain_url


def database(now: Settings) -> Check:
    """Whether the database takes the credentials, is new enough and durable."""
    remedy = Said(
        "start it with `hub stack up`, or correct HUB_DATABASE_URL", "请用 `hub stack up` 启动，或更正 HUB_DATABASE_URL"
    )
    try:
        with psycopg.connect(plain_url(now.url()), connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            durable = connection.execute("show fsync").fetchone()
    except psycopg.Error as error:
        # The first line alone: later ones may repeat the connection string.
        return Check("parts", "database", "fail", str(error).splitlines()[0][:300], remedy)
    if version < 14:
        newer = Said("PostgreSQL 14 or later is needed", "需要 PostgreSQL 14 或更高版本")
        return Check("parts", "database", "fail", f"PostgreSQL {version}", newer)
    if durable and durable[0] != "on":
        return Check(
            "parts",
            "database",
            "fail",
            "fsync is off: a power cut loses committed batches",
            Said("set fsync = on", "请设置 fsync = on"),
        )
    return Check("parts", "database", "ok", f"PostgreSQL {version}, login works")


def brokers(now: Settings) -> Check:
    """Whether the brokers take the credentials."""
    secret = now.kafka_password
    sasl = now.kafka_security_protocol.startswith("SASL")
    login = kafka_wire.Login(
        now.kafka_bootstrap or "",
        now.kafka_username if sasl else None,
        secret.get_secret_value() if secret else None,
        now.kafka_sasl_mechanism,
        now.kafka_security_protocol.endswith("SSL"),
        now.kafka_ssl_cafile,
        now.kafka_ssl_certfile,
        now.kafka_ssl_keyfile,
    )
    try:
        return Check("parts", "brokers", "ok", f"login works; up: {', '.join(kafka_wire.brokers(login, 5))}")
    except kafka_wire.WireRefused as error:
        return Check(
            "parts",
            "brokers",
            "fail",
            str(error),
            Said(
                "correct HUB_KAFKA_USERNAME, HUB_KAFKA_PASSWORD and HUB_KAFKA_SASL_MECHANISM",
                "请更正 HUB_KAFKA_USERNAME、HUB_KAFKA_PASSWORD 和 HUB_KAFKA_SASL_MECHANISM",
            ),
        )
    except kafka_wire.WireError as error:
        return Check(
            "parts",
            "brokers",
            "fail",
            f"{now.kafka_bootstrap}: {error}",
            Said(
                "start it with `hub stack up`, or correct HUB_KAFKA_BOOTSTRAP",
                "请用 `hub stack up` 启动，或更正 HUB_KAFKA_BOOTSTRAP",
            ),
        )
