"""`hub doctor` finds what is wrong, says what to do, and shows no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub import doctor
from hub.settings import Settings, load_settings
from hub.stack.layout import Layout


def verdicts(now: Settings) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(now)}


def run(var: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub", "doctor", "--json"],
        env={**os.environ, "HUB_VAR": str(var), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_runs(var: Path) -> None:
    found = verdicts(load_settings(var=var))
    assert found["stack"].verdict == "warn" and "hub stack up" in found["stack"].remedy
    assert found["python"].verdict == "ok" and found["java"].verdict == "ok"


def test_a_run_directory_that_others_can_look_into(var: Path) -> None:
    (var / "kafka").mkdir(parents=True)
    (var / "kafka").chmod(0o755)
    var.chmod(0o700)
    found = verdicts(load_settings(var=var))["privacy"]
    assert found.verdict == "fail" and str(var / "kafka") in found.found and "chmod" in found.remedy
    Layout.of(var).make()
    assert verdicts(load_settings(var=var))["privacy"].verdict == "ok"


def test_every_setting_is_shown_with_its_source(var: Path) -> None:
    done = run(var, HUB_LEVEL="2", HUB_KAFKA_PASSWORD="hush-hush", HUB_LEVLE="2")
    told = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {f"HUB_{name.upper()}" for name in Settings.model_fields} <= set(told)
    assert told["HUB_LEVEL"]["found"] == "2 (environment)" and told["HUB_PRODUCER"]["found"].endswith("(default)")
    assert told["HUB_KAFKA_PASSWORD"]["found"] == "set, not shown (environment)"
    assert told["HUB_LEVLE"]["verdict"] == "warn"
    assert "hush-hush" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "area", "name"),
    [
        ({"java": "/no/java"}, "programs", "HUB-STK-009"),
        ({"postgres_home": "/no/postgres"}, "programs", "HUB-STK-010"),
        ({"database_url": "postgresql+psycopg://hub:hush-hush@127.0.0.1:1/hub"}, "parts", "database"),
        (
            {"kafka_bootstrap": "127.0.0.1:1", "kafka_username": "hub", "kafka_password": "hush-hush"},
            "parts",
            "brokers",
        ),
    ],
)
def test_what_is_wrong_is_a_failed_check_with_a_remedy(
    var: Path, settings: dict[str, str], area: str, name: str
) -> None:
    checks = doctor.examine(load_settings(var=var, **settings))
    wrong = [check for check in checks if check.verdict == "fail"]
    assert [(check.area, check.name) for check in wrong] == [(area, name)], wrong
    assert wrong[0].remedy
    assert "hush-hush" not in str(checks)


@pytest.mark.stack
def test_a_stack_that_runs_is_well(running: Path) -> None:
    done = run(running)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["failed"] == 0, told
    found = {check["name"]: check for check in told["checks"]}
    assert "login works" in found["database"]["found"] and "login works" in found["brokers"]["found"]
    assert found["HUB_DATABASE_URL"]["found"] == "set, not shown (hub.env)"
    secret = load_settings(var=running).kafka_password
    assert secret and secret.get_secret_value() not in done.stdout


@pytest.mark.stack
def test_a_wrong_password_is_told_from_a_broker_that_is_away(running: Path) -> None:
    now = load_settings(
        var=running,
        kafka_password="wrong",
        database_url="postgresql+psycopg://hub:wrong@" + load_settings(var=running).url().split("@")[1],
    )
    found = verdicts(now)
    assert found["brokers"].verdict == "fail" and "HUB_KAFKA_PASSWORD" in found["brokers"].remedy
    assert found["database"].verdict == "fail" and "password" in found["database"].found


def test_it_changes_nothing(var: Path) -> None:
    """Neither run directory nor cache is made, nor anything in those that are there."""
    cache, home = var.parent / "cache", var.parent / "home"
    home.mkdir()
    env = {"XDG_CACHE_HOME": str(cache), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    run(var, **env)
    assert sorted(path.name for path in var.parent.iterdir()) == ["home"]
    var.mkdir()
    cache.mkdir()
    run(var, **env)
    assert [path for folder in (var, cache, home) for path in folder.rglob("*")] == []


def test_one_check_that_fails_hides_no_other(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of the check")

    monkeypatch.setattr(doctor.java, "find", broken)
    monkeypatch.setattr(doctor.psutil, "virtual_memory", broken)
    found = verdicts(load_settings(var=var))
    assert {name for name, check in found.items() if check.verdict == "fail"} == {"java", "memory"}
    assert "RuntimeError" in found["java"].found and found["java"].remedy
    assert {"processors", "disk", "python", "kafka jars", "postgresql", "catalogue"} <= set(found)
    found = verdicts(load_settings(var=var, java="/no/java", postgres_home="/no/postgres"))
    assert {"HUB-STK-010", "kafka jars"} <= set(found)


def test_a_state_that_cannot_be_read_hides_neither_database_nor_brokers(var: Path) -> None:
    var.mkdir()
    (var / "stack.json").write_text("{")
    found = verdicts(
        load_settings(var=var, database_url="postgresql+psycopg://h:p@127.0.0.1:1/h", kafka_bootstrap="127.0.0.1:1")
    )
    (var / "stack.json").unlink()
    assert {"HUB-STK-015", "database", "brokers"} <= set(found)


def test_only_databases_that_this_checkout_left_behind_are_named_for_removal(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    (here / "there").mkdir(parents=True)
    lost = []
    for number, run_directory in enumerate((here / "gone", elsewhere / "gone", here / "there", var)):
        made = tmp_path / f"hub-postgres-{number}"
        made.mkdir()
        (made / "origin").write_text(str(run_directory / "postgres"), encoding="utf-8")
        lost.append(made)
    (tmp_path / "hub-postgres-4").mkdir()  # somebody is removing it: it tells nothing any more
    lost.append(tmp_path / "hub-postgres-4")
    monkeypatch.setattr(doctor.postgres_home, "lost_clusters", lambda: lost)
    monkeypatch.setattr(doctor, "ROOT", here)
    ours, others = doctor.lost_clusters(load_settings(var=var))
    assert ours.verdict == "warn" and "2 databases left behind" in ours.found
    assert ours.remedy.count("hub-postgres-") == 2
    assert f"rm -r {lost[0]} {lost[3]} " in ours.remedy and str(lost[0]) in ours.remedy.zh
    assert others.verdict == "ok" and "3 databases" in others.found and others.remedy == ""
    assert "hub-postgres" not in others.found, "what is another's stands in no line that can be pasted"


def test_what_to_do_is_said_in_both_languages(var: Path) -> None:
    checks = json.loads(run(var, HUB_LEVLE="2").stdout)["checks"]
    to_do = [check for check in checks if check["verdict"] != "ok"]
    assert {"stack", "HUB_LEVLE"} <= {check["name"] for check in to_do}
    for check in to_do:
        assert check["remedy"] and check["remedy_zh"] != check["remedy"], check
