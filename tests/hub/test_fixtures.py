"""The test run's own parts are real, separate and reachable with their passwords only."""

import psycopg
import pytest
import sqlalchemy as sa
from kafka import KafkaAdminClient

pytestmark = pytest.mark.stack


def test_each_test_has_a_database_of_its_own(make_database) -> None:
    first, second = make_database(), make_database()
    with sa.create_engine(first).begin() as conn:
        conn.execute(sa.text("create table only_here (x int)"))
    with sa.create_engine(second).connect() as conn:
        assert conn.scalar(sa.text("select to_regclass('only_here')")) is None


def test_the_hubs_role_is_no_superuser(database_url) -> None:
    with sa.create_engine(database_url).connect() as conn:
        assert (
            conn.scalar(
                sa.text("select rolsuper or rolcreaterole or rolbypassrls from pg_roles where rolname = current_user")
            )
            is False
        )


def test_a_wrong_password_opens_nothing(database_url) -> None:
    url = sa.make_url(database_url).set(drivername="postgresql", password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.render_as_string(hide_password=False))


def test_kafka_answers_the_hubs_user(hub_settings) -> None:
    admin = KafkaAdminClient(
        bootstrap_servers=hub_settings.kafka_bootstrap,
        security_protocol=hub_settings.kafka_security_protocol,
        sasl_mechanism=hub_settings.kafka_sasl_mechanism,
        sasl_plain_username=hub_settings.kafka_username,
        sasl_plain_password=hub_settings.kafka_password.get_secret_value(),
    )
    assert admin.list_topics() is not None
    admin.close()
