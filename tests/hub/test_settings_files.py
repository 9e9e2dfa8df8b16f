"""Any setting may come from a file that its variable's sister names, so that a secret stands in no environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from hub import doctor
from hub.errors import SettingInvalid
from hub.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def own_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_VAR", str(tmp_path / "var"))
    (tmp_path / "var").mkdir()


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "var"])
def test_every_setting_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field, file = Settings.model_fields[name], tmp_path / "given"
    samples = {"log_level": "error", "log_format": "json", "kafka_security_protocol": "SSL", "producer": "kafka-python"}
    samples |= {"kafka_sasl_mechanism": "PLAIN", "store_compression": "lz4", "store_limit_gib": "2.5"}
    samples |= {"otlp_endpoint": "http://127.0.0.1:4318", "lineage_url": "file:///srv/lineage"}
    samples |= {"database_limit_gib": "2.5", "alarm_repeat_hours": "1.5", "storage_warning_percent": "71.5"}
    samples |= {
        "turn_seconds": "301.5",
        "data_docs": "every",
        "gateway_clock_skew": "61.5",
        "gateway_slow_seconds": "31.5",
    }
    samples |= {"gateway_url": "https://hub.example", "gateway_plain": "True"}
    value = samples.get(name, str(field.default + 1) if isinstance(field.default, int) else f"/some/{name}")
    if isinstance(field.default, int) and name in ("max_event_bytes", "level", "kafka_replication", "threads"):
        value = str(field.default + 1)
    file.write_text(value + "\r\n", encoding="utf-8")
    monkeypatch.setenv(f"HUB_{name.upper()}_FILE", str(file))
    found = getattr(load_settings(), name)
    assert (found.get_secret_value() if isinstance(found, SecretStr) else str(found)) == value


def test_no_setting_is_itself_named_like_the_file_of_another() -> None:
    assert not [
        name
        for name in Settings.model_fields
        if name.removesuffix("_file") in Settings.model_fields and name.endswith("_file")
    ]


def test_the_environment_and_a_file_at_once_is_an_error_and_no_value_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").write_text("s3cret-a")
    monkeypatch.setenv("HUB_KAFKA_PASSWORD_FILE", str(tmp_path / "given"))
    assert load_settings(kafka_password="code").kafka_password == SecretStr("code")
    monkeypatch.setenv("HUB_KAFKA_PASSWORD", "s3cret-b")
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    assert "HUB_KAFKA_PASSWORD_FILE" in str(caught.value) and "s3cret" not in str(caught.value)
    # A secret that was given where its file's name is due is not told either.
    monkeypatch.delenv("HUB_KAFKA_PASSWORD")
    monkeypatch.setenv("HUB_KAFKA_PASSWORD_FILE", "s3cret-c")
    with pytest.raises(SettingInvalid, match="No such file") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value.as_dict())


def test_a_file_wins_over_what_a_stack_wrote_and_the_doctor_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var" / "hub.env").write_text("HUB_KAFKA_BOOTSTRAP=stack:1\nHUB_KAFKA_USERNAME=stack\n")
    (tmp_path / "given").write_text("file:2\n")
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP_FILE", str(tmp_path / "given"))
    now = load_settings()
    assert (now.kafka_bootstrap, now.kafka_username) == ("file:2", "stack")
    shown = {check.name: check for check in doctor.settings_shown(now)}
    assert shown["HUB_KAFKA_BOOTSTRAP"].found == "file:2 (file)"
    assert "HUB_KAFKA_BOOTSTRAP_FILE" not in shown, "it is no unknown variable"
