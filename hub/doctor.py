"""`hub doctor`: looks at machine, parts, settings and contracts, and says what to do for each thing that is not well.

It changes nothing and starts nothing. `warn` slows or limits the hub, `fail` stops something from working.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import psutil
import psycopg
from pydantic import SecretStr

from hub import stack
from hub.errors import HubException
from hub.settings import ROOT, Settings
from hub.stack import jars, java, kafka_wire, postgres_home
from hub.stack.layout import Layout
from hub.stack.postgres import plain_url

Verdict = Literal["ok", "warn", "fail"]
GIB = 1024**3


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found and, where it is not well, what to do."""

    area: str
    name: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def examine(now: Settings) -> list[Check]:
    """All checks. One that breaks is itself a failed check; the others still run."""
    areas: list[tuple[str, Callable[[Settings], Iterator[Check]]]] = [
        ("machine", machine),
        ("programs", programs),
        ("parts", parts),
        ("contracts", contracts),
        ("settings", settings_shown),
    ]
    found: list[Check] = []
    for area, look in areas:
        try:
            found.extend(look(now))
        except HubException as error:
            found.append(Check(area, error.code, "fail", error.sentence(), error.remedy()))
        except Exception as error:  # noqa: BLE001 - a doctor that dies of what it finds helps nobody
            told = f"{type(error).__name__}: {error}"[:300]
            found.append(Check(area, "examination", "fail", told, "report this: the check itself broke"))
    return found


def machine(now: Settings) -> Iterator[Check]:
    """Processors, memory, disk, Python, open files, shared memory."""
    cores = os.cpu_count() or 1
    yield _least("processors", cores, 2, 1, told=f"{cores}", remedy="two or more processors run the parts side by side")
    memory = psutil.virtual_memory().available / GIB
    yield _least(
        "memory",
        memory,
        3,
        1.2,
        told=f"{memory:.1f} GiB available",
        remedy="the whole stack takes 2.5 GiB; without Airflow 0.6 GiB: `hub stack up --without airflow`",
    )
    place = next(folder for folder in (now.var, *now.var.absolute().parents) if folder.exists())
    usage = shutil.disk_usage(place)
    free, used = usage.free / GIB, (usage.total - usage.free) / usage.total
    told = f"{free:.0f} GiB free, {used:.0%} used, at {place}"
    verdict: Verdict = "fail" if free < 1 else "warn" if free < 5 or used > 0.9 else "ok"
    yield Check(
        "machine", "disk", verdict, told, "make room, or point HUB_VAR at a larger disk" if verdict != "ok" else ""
    )
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        "machine", "python", "ok" if good else "fail", version, "" if good else "use Python 3.11 to 3.13: make setup"
    )
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield _least("open files", files, 4096, 256, told=str(files), remedy="raise the limit: ulimit -n 8192")
    shared = Path("/dev/shm")  # noqa: S108 - only looked at
    if shared.is_dir():
        room = shutil.disk_usage(shared).free / 1024**2
        yield _least(
            "shared memory",
            room,
            60,
            8,
            told=f"{room:.0f} MiB",
            remedy="give the container more: docker run --shm-size=256m",
        )


def programs(now: Settings) -> Iterator[Check]:
    """Java, Kafka's jars, PostgreSQL and the user that it runs as."""
    layout = Layout.of(now.var)
    found_java = java.find(now.java)
    yield Check("programs", "java", "ok", f"{found_java.version} at {found_java.program}")
    if now.kafka_home:
        count = len(jars.classpath(now.kafka_home, layout.var))
        yield Check("programs", "kafka jars", "ok", f"{count} in {now.kafka_home}")
    else:
        folder = jars.cache_folder(now.cache, layout.var) / "kafka"
        wanted = jars.locked()
        there = [jar for jar in wanted if (folder / jar.file).exists()]
        for jar in there:
            jars.checked(folder / jar.file, jar, folder)
        told = f"{len(there)} of {len(wanted)} in {folder}, each with the SHA-256 of the lock file"
        yield Check(
            "programs",
            "kafka jars",
            "ok",
            told + ("" if len(there) == len(wanted) else "; the rest is fetched by `hub stack up`"),
        )
    if now.database_url is None or now.postgres_home:
        home = postgres_home.find(now.postgres_home)
        who = postgres_home.run_as(now.postgres_user)
        as_whom = (
            "as the current user" if who.uid is None else f"as user number {who.uid}, because it refuses to run as root"
        )
        yield Check("programs", "postgresql", "ok", f"{home}, {as_whom}")
        if who.uid is not None and not postgres_home.can_reach(layout.var / "postgres", who):
            told = f"user number {who.uid} can't enter {layout.var}; the data lies below /var/tmp instead"
            yield Check(
                "programs", "run directory", "warn", told, "point HUB_VAR at a folder that every user may pass through"
            )

    for lost in postgres_home.lost_clusters():
        yield Check("programs", "lost cluster", "warn", f"{lost}: its run directory is gone", f"rm -r {lost}")


def parts(now: Settings) -> Iterator[Check]:
    """The stack's parts, and whether database and brokers take the credentials in the settings."""
    state = stack.status(now.var)
    for part in state.parts.values():
        if part.state == "stopped":
            continue
        well = part.state in ("ready", "done", "skipped")
        told = " ".join(filter(None, [part.state, part.address or "", part.detail]))
        yield Check(
            "parts",
            part.name,
            "ok" if well else "fail",
            told,
            "" if well else f"read {part.log}; then `hub stack down` and `hub stack up`",
        )
    if state.parts and not state.running and any(part.state != "stopped" for part in state.parts.values()):
        yield Check(
            "parts",
            "supervisor",
            "fail",
            "it is not running",
            "`hub stack down` ends what it left, then `hub stack up`",
        )
    if now.database_url is None and now.kafka_bootstrap is None:
        yield Check("parts", "stack", "warn", "nothing runs and nothing else is named", "run `hub stack up`")
    if now.database_url is not None:
        yield _database(now)
    if now.kafka_bootstrap is not None:
        yield _brokers(now)


def contracts(now: Settings) -> Iterator[Check]:
    """The catalogue of contracts, where that package is installed. Found by name on disk: the kernel imports nothing upward."""
    if not (ROOT / "contracts" / "catalogue.py").exists():
        yield Check(
            "contracts", "catalogue", "warn", "this installation has no contracts package", "install the whole hub"
        )
        return
    catalogue = importlib.import_module("contracts.catalogue").load(now.contracts)
    found, broken = len(catalogue.feeds), list(catalogue.broken)
    remedy = "" if found or broken else f"put contracts into {now.contracts}/feeds"
    yield Check("contracts", "catalogue", "warn" if remedy else "ok", f"{found} feeds, {len(broken)} broken", remedy)
    for one in broken:
        yield Check("contracts", str(one.id), "fail", one.error.sentence()[:600], one.error.remedy())


def settings_shown(now: Settings) -> Iterator[Check]:
    """Every setting with where it came from; a secret's value is never shown."""
    noted = _noted(Layout.of(now.var).env_file)
    for name, field in Settings.model_fields.items():
        variable = f"HUB_{name.upper()}"
        source = "environment" if variable in _environment() else "hub.env" if variable in noted else "default"
        value = getattr(now, name)
        secret = (
            isinstance(value, SecretStr) or field.annotation is SecretStr or SecretStr in get_args(field.annotation)
        )
        shown = "not set" if value is None else "set, not shown" if secret else str(value)
        yield Check("settings", variable, "ok", f"{shown} ({source})")
    known = {f"HUB_{name.upper()}" for name in Settings.model_fields} | {
        "HUB_NOW",
        "HUB_STACK_MARK",
        "HUB_PYTHON",
        "HUB_CRASH_AT",
    }
    for variable in sorted(
        name for name in os.environ if name.upper().startswith("HUB_") and name.upper() not in known
    ):
        yield Check(
            "settings",
            variable,
            "warn",
            "set in the environment, but no setting has this name",
            "check its spelling; unset it",
        )


def _database(now: Settings) -> Check:
    remedy = "start it with `hub stack up`, or correct HUB_DATABASE_URL"
    try:
        with psycopg.connect(plain_url(now.url()), connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            durable = connection.execute("show fsync").fetchone()
    except psycopg.Error as error:
        # The first line alone: later ones may repeat the connection string.
        return Check("parts", "database", "fail", str(error).splitlines()[0][:300], remedy)
    if version < 14:
        return Check("parts", "database", "fail", f"PostgreSQL {version}", "PostgreSQL 14 or later is needed")
    if durable and durable[0] != "on":
        return Check("parts", "database", "fail", "fsync is off: a power cut loses committed batches", "set fsync = on")
    return Check("parts", "database", "ok", f"PostgreSQL {version}, login works")


def _brokers(now: Settings) -> Check:
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
            "correct HUB_KAFKA_USERNAME, HUB_KAFKA_PASSWORD and HUB_KAFKA_SASL_MECHANISM",
        )
    except kafka_wire.WireError as error:
        return Check(
            "parts",
            "brokers",
            "fail",
            f"{now.kafka_bootstrap}: {error}",
            "start it with `hub stack up`, or correct HUB_KAFKA_BOOTSTRAP",
        )


def _least(name: str, value: float, good: float, bare: float, *, told: str, remedy: str) -> Check:
    verdict: Verdict = "ok" if value >= good else "warn" if value >= bare else "fail"
    return Check("machine", name, verdict, told, "" if verdict == "ok" else remedy)


def _environment() -> set[str]:
    return {name.upper() for name in os.environ}


def _noted(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {line.split("=", 1)[0] for line in path.read_text(encoding="utf-8").splitlines() if "=" in line}
