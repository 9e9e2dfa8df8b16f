"""The image's and the compose file's own words: valid by the schema, hardened, and naming nothing that is not there.

No container engine is needed. What the commands do is run in test_entrypoints.py.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hub import service
from hub.cli import commands_on_disk, load_command
from hub.settings import ROOT, Settings

DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name in SERVICES if name != "postgres")
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def filled(value: str) -> str:
    """A value with what compose fills in where the operator set nothing."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_the_compose_file_is_valid_by_the_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec" / "compose-spec.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    wrong = [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(COMPOSE)]
    assert wrong == []
    assert list(Draft202012Validator(schema).iter_errors({**COMPOSE, "service": {}})), (
        "the schema refuses what is misspelt"
    )


def test_it_is_the_whole_hub() -> None:
    assert set(service.names()) - {"relay", "worker"} <= {SERVICES[name]["command"][-1] for name in OURS}
    assert {"postgres", "kafka", "relay", "worker", "hub", "airflow-api", "airflow-scheduler"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_nobody_special(name: str) -> None:
    one = SERVICES[name]
    assert int(one["user"].split(":")[0]) > 0
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"] and "cap_add" not in one and "privileged" not in one
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert any(entry.startswith("/tmp:") for entry in one["tmpfs"])
    assert not {"network_mode", "pid", "ipc", "devices"} & set(one)
    for mapping in one.get("ports", []):
        assert filled(mapping).startswith("127.0.0.1:")
    # Written to is a volume alone; what comes from the machine is read.
    for mount in one["volumes"]:
        source, _, mode = filled(mount).partition(":")[0], *filled(mount).partition(":")[1:]
        assert source in COMPOSE["volumes"] or mode.endswith(":ro"), mount


def test_images_are_pinned_by_digest() -> None:
    named = [SERVICES["postgres"]["image"], *re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)]
    assert len(named) == 2
    for image in named:
        assert re.fullmatch(r"[a-z]+:\d+[\w.-]+@sha256:[0-9a-f]{64}", image), image
    assert {SERVICES[name]["image"] for name in OURS} == {"${HUB_IMAGE:-supervision-hub:0.1.0}"}
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON}", "${PYTHON}"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_environment_holds_a_secret(name: str, tmp_path: Path) -> None:
    one, given = SERVICES[name], set(SERVICES[name].get("secrets", []))
    settings = {f"HUB_{field.upper()}" for field in Settings.model_fields}
    for variable, value in one.get("environment", {}).items():
        if variable.startswith("HUB_"):
            assert variable.removesuffix("_FILE") in settings, variable
        if variable.endswith("_FILE"):
            assert Path(value).parent == Path("/run/secrets") and Path(value).name in given, value
        else:
            kind = Settings.model_fields.get(variable.removeprefix("HUB_").lower())
            assert "PASSWORD" not in variable and "Secret" not in str(kind.annotation if kind else ""), variable
    assert given <= set(COMPOSE["secrets"])


def test_the_secrets_that_are_named_are_those_that_are_made(tmp_path: Path) -> None:
    def make() -> dict[str, str]:
        subprocess.run(["sh", str(DOCKER / "make-secrets.sh"), str(tmp_path / "s")], check=True, capture_output=True)
        return {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}

    made = make()
    assert set(made) == set(COMPOSE["secrets"])
    assert all(filled(one["file"]) == f"./secrets/{name}" for name, one in COMPOSE["secrets"].items())
    for path in (tmp_path / "s").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        if os.geteuid() == 0:
            assert (
                str(path.stat().st_uid)
                == SERVICES["postgres" if path.name.startswith("postgres") else "hub"]["user"].split(":")[0]
            )
    assert len(set(made.values())) == len(made) and all(
        len(value) >= 40 and value == value.strip() for value in made.values()
    )
    assert make() == made, "a second run changes nothing"
    for database, role in (("hub", "hub"), ("airflow", "airflow")):
        assert f"://{role}:{made[f'postgres-{role}']}@postgres:5432/{database}" in made[f"{database}-database-url"]
    ignored = subprocess.run(["git", "check-ignore", "-q", "docker/secrets/x"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one(name: str) -> None:
    one = SERVICES[name]
    asked = [one["command"], one.get("healthcheck", {}).get("test", [])[2:]]
    for words in filter(None, asked):
        command: Any = load_command(commands_on_disk()[words[0]])
        for word in words[1:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            else:
                assert words[0] == "service" and word in service.names(), words
        assert not getattr(command, "commands", None) or words == ["doctor"], f"{words} is a group"
    if (check := one.get("healthcheck")) is not None:
        assert check["test"][:2] == ["CMD", "hub"] and check["test"][-1] in service.CHECKS


def test_whatever_stays_is_looked_at_and_waited_for() -> None:
    steps = {"warehouse", "airflow-db"}
    for name, one in SERVICES.items():
        stays = name not in steps and one.get("profiles") != ["tools"]
        assert stays == ("healthcheck" in one), name
        for need, how in one.get("depends_on", {}).items():
            expected = "service_completed_successfully" if need in steps else "service_healthy"
            assert how["condition"] == expected
    assert set(service.CHECKS) == {name for name in OURS if "healthcheck" in SERVICES[name]}


def test_only_who_must_reaches_outside() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert {name for name, one in SERVICES.items() if "outside" in one["networks"]} == {
        "airflow-api",
        "airflow-scheduler",
        "worker",
    }
    assert {name for name, one in SERVICES.items() if "ports" in one} == {"airflow-api"}


def test_what_is_mounted_or_built_from_is_there() -> None:
    for one in SERVICES.values():
        for mount in one["volumes"]:
            source = filled(mount).split(":")[0]
            assert source in COMPOSE["volumes"] or (DOCKER / source).exists(), mount
    build = SERVICES["kafka"]["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    assert os.access(DOCKER / "postgres" / "10-roles.sh", os.R_OK)


def context(target: Path) -> None:
    """The files of the repository that a build sees, as docker/Dockerfile.dockerignore has it."""
    lines = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "what is not named stays outside"
    named = [rule[1:] for rule in rules if rule.startswith("!")]
    assert not [name for name in named if not (ROOT / name).exists()]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in filter(None, tracked.split("\0")):
        if any(path == name or path.startswith(f"{name}/") for name in named) and not fnmatch.fnmatch(path, "*.pyc"):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target / path)


def test_what_the_image_holds_is_enough(tmp_path: Path) -> None:
    """Every program that the image runs starts from its files alone."""
    context(tmp_path)
    assert not (tmp_path / "tests").exists() and not (tmp_path / "docker" / "compose.yaml").exists()
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    env |= {"HUB_VAR": str(tmp_path / "var"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}

    def says(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    says("-m", "hub", "contract", "lint")
    modules = "hub, hub.service, hub.stack.jars, hub.stack.airflow_migrate, warehouse.migrate, warehouse.backup.taking"
    modules += ", exchange.relay.serve, dags.factory, dags.executor"
    assert str(tmp_path) in says("-c", f"import {modules}; print(hub.__file__)")
    for name in re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE):
        assert name == "."
    for words in re.findall(r"^RUN (?:--mount=\S+ )*(.*(?:\\\n.*)*)", DOCKERFILE, re.MULTILINE):
        for path in re.findall(r"(?:bash|-q) ([\w./]+)", words):
            assert (tmp_path / path).exists(), path
    assert set(re.search(r"compileall -q ([\w ]+)", DOCKERFILE)[1].split()) <= {p.name for p in tmp_path.iterdir()}  # type: ignore[index]


def test_the_image_runs_as_the_compose_file_says() -> None:
    (user,) = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {SERVICES[name]["user"] for name in OURS} == {user}
    assert re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE) == ['["hub"]']
    env = dict(
        pair.split("=", 1)
        for pair in shlex.split(DOCKERFILE[DOCKERFILE.index("ENV ") + 4 :].split("\nWORKDIR")[0].replace("\\\n", " "))
    )
    assert {name.removeprefix("HUB_").lower() for name in env if name.startswith("HUB_")} <= set(Settings.model_fields)
    made = re.findall(r"install -d -o hub -g hub -m 0700 (.*)$", DOCKERFILE, re.MULTILINE)[0].split()
    mounted = {
        filled(mount).split(":")[1]
        for name in OURS
        for mount in SERVICES[name]["volumes"]
        if filled(mount).split(":")[0] in COMPOSE["volumes"]
    }
    assert mounted == set(made), "a new volume takes owner and mode from the image"
    assert env["HUB_VAR"] in made and env["PATH"].startswith("/opt/hub/.venv/bin:")
