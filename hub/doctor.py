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
from functools import partial
from pathlib import Path
from typing import get_args

import psutil
from pydantic import SecretStr

from hub import clock, crash, logins, observers, stack
from hub.checked import Check, Verdict, remedy_of
from hub.cli import PACKAGES
from hub.errors import HubException
from hub.said import Said
from hub.settings import ROOT, Settings
from hub.stack import client, jars, java, postgres_home, processes
from hub.stack.layout import Layout

GIB = 1024**3

Look = Callable[[Settings], Iterator[Check]]
"""Looks at one thing, or several of a kind; changes nothing."""


def examine(now: Settings) -> list[Check]:
    """All checks. One that breaks is itself a failed check; all others still run."""
    found: list[Check] = []
    for area, name, look in LOOKS:
        try:
            for check in look(now):
                found.append(check)  # noqa: PERF402 - what came before a look broke counts
        except HubException as error:
            found.append(Check(area, error.code, "fail", error.sentence(), remedy_of(error)))
        except Exception as error:  # noqa: BLE001 - a doctor that dies of what it finds helps nobody
            told = f"{type(error).__name__}: {error}"[:300]
            found.append(
                Check(area, name, "fail", told, Said("report this: the check itself broke", "请报告：该检查自身出错"))
            )
    return found


def processors(_: Settings) -> Iterator[Check]:
    """Whether the parts can run side by side."""
    cores = os.cpu_count() or 1
    yield _least(
        "processors",
        cores,
        2,
        1,
        told=f"{cores}",
        remedy=Said("two or more processors run the parts side by side", "两个以上处理器才能并行运行各组件"),
    )


def memory(_: Settings) -> Iterator[Check]:
    """Memory that is available."""
    available = psutil.virtual_memory().available / GIB
    yield _least(
        "memory",
        available,
        3,
        1.2,
        told=f"{available:.1f} GiB available",
        remedy=Said(
            "the whole stack takes 2.5 GiB; without Airflow 0.6 GiB: `hub stack up --without airflow`",
            "全部组件约需 2.5 GiB，不含 Airflow 约 0.6 GiB：`hub stack up --without airflow`",
        ),
    )


def disk(now: Settings) -> Iterator[Check]:
    """Room where the run directory is, or will be."""
    place = next(folder for folder in (now.var, *now.var.absolute().parents) if folder.exists())
    usage = shutil.disk_usage(place)
    free, used = usage.free / GIB, (usage.total - usage.free) / usage.total
    told = f"{free:.0f} GiB free, {used:.0%} used, at {place}"
    verdict: Verdict = "fail" if free < 1 else "warn" if free < 5 or used > 0.9 else "ok"
    remedy = Said("make room, or point HUB_VAR at a larger disk", "请清理磁盘，或将 HUB_VAR 指向更大的磁盘")
    yield Check("machine", "disk", verdict, told, remedy if verdict != "ok" else "")


def python(_: Settings) -> Iterator[Check]:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    remedy = Said("use Python 3.11 to 3.13: make setup", "请使用 Python 3.11 至 3.13:make setup")
    yield Check("machine", "python", "ok" if good else "fail", version, "" if good else remedy)


def open_files(_: Settings) -> Iterator[Check]:
    """How many files a process may open."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield _least(
        "open files",
        files,
        4096,
        256,
        told=str(files),
        remedy=Said("raise the limit: ulimit -n 8192", "请调高上限：ulimit -n 8192"),
    )


def shared_memory(_: Settings) -> Iterator[Check]:
    """Room for PostgreSQL's shared memory."""
    shared = Path("/dev/shm")  # noqa: S108 - only looked at
    if shared.is_dir():
        room = shutil.disk_usage(shared).free / 1024**2
        yield _least(
            "shared memory",
            room,
            60,
            8,
            told=f"{room:.0f} MiB",
            remedy=Said(
                "give the container more: docker run --shm-size=256m", "请调大容器共享内存：docker run --shm-size=256m"
            ),
        )


def private(now: Settings) -> Iterator[Check]:
    """Whether other users of the machine can look into the run directory."""
    layout = Layout.of(now.var)
    if not layout.var.is_dir():
        return
    found = [str(folder) for folder in layout.open_to_others()]
    told = f"other users can look into {', '.join(found)}" if found else "for its owner alone"
    remedy = Said(
        "`hub stack up` closes what is yours; what is not: chmod go-rwx, or give it to the hub's user",
        "`hub stack up` 会收紧本用户文件的权限；其他用户的请 chmod go-rwx 或改属运行枢纽的用户",
    )
    yield Check("machine", "privacy", "fail" if found else "ok", told, remedy if found else "")


def java_there(now: Settings) -> Iterator[Check]:
    """The Java that brokers run on."""
    found = java.find(now.java)
    yield Check("programs", "java", "ok", f"{found.version} at {found.program}")


def kafka_jars(now: Settings) -> Iterator[Check]:
    """Kafka's jars, each with the SHA-256 of the lock file."""
    layout = Layout.of(now.var)
    if now.kafka_home:
        count = len(jars.classpath(now.kafka_home, layout.var))
        yield Check("programs", "kafka jars", "ok", f"{count} in {now.kafka_home}")
        return
    folder = jars.cache_folder(now.cache, layout.var) / "kafka"
    wanted = jars.locked()
    there = [jar for jar in wanted if (folder / jar.file).exists()]
    for jar in there:
        jars.checked(folder / jar.file, jar, folder)
    told = f"{len(there)} of {len(wanted)} in {folder}, each with the SHA-256 of the lock file"
    rest = "" if len(there) == len(wanted) else "; the rest is fetched by `hub stack up`"
    yield Check("programs", "kafka jars", "ok", told + rest)


def postgresql(now: Settings) -> Iterator[Check]:
    """PostgreSQL and the user that it runs as, where the stack starts one."""
    if now.database_url is not None and not now.postgres_home:
        return
    layout = Layout.of(now.var)
    home = postgres_home.find(now.postgres_home)
    who = postgres_home.run_as(now.postgres_user)
    as_whom = (
        "as the current user" if who.uid is None else f"as user number {who.uid}, because it refuses to run as root"
    )
    yield Check("programs", "postgresql", "ok", f"{home}, {as_whom}")
    if who.uid is not None and not postgres_home.can_reach(layout.var, who):
        told = f"user number {who.uid} can't enter {layout.var}; the data lies below /var/tmp instead"
        remedy = Said(
            "point HUB_VAR at a folder that every user may pass through", "请将 HUB_VAR 指向所有用户可进入的文件夹"
        )
        yield Check("programs", "run directory", "warn", told, remedy)


def lost_clusters(now: Settings) -> Iterator[Check]:
    """Clusters outside a run directory that is gone. Only those that this checkout left are named, for they are somebody's data."""
    lost = postgres_home.lost_clusters()
    var = Layout.of(now.var).var
    ours = [made for made in lost if postgres_home.left_by(made, ROOT, var)]
    if ours:
        told = f"{_databases(len(ours))} left behind by run directories of this checkout that are gone: {', '.join(map(str, ours))}"
        away = " ".join(map(str, ours))
        remedy = Said(
            f"where a run directory was moved, `hub stack up` there finds its database again; what nobody needs, remove: rm -r {away} "
            f"(`hub stack up` does so {postgres_home.KEPT_DAYS} days after it saw that a run directory was removed)",
            f"若运行目录已移动，在新位置执行 `hub stack up` 即可找回数据库；确实不需要的请删除：rm -r {away}"
            f"（运行目录被删除 {postgres_home.KEPT_DAYS} 天后，`hub stack up` 会自动清理）",
        )
        yield Check("programs", "lost cluster", "warn", told, remedy)
    if others := len(lost) - len(ours):
        told = f"{_databases(others)} in {postgres_home.LASTING} of run directories elsewhere, which are not there or not mounted"
        yield Check("programs", "lost cluster", "ok", f"{told}; `hub stack up` clears those that were removed")


def _databases(count: int) -> str:
    return "a database" if count == 1 else f"{count} databases"


def parts(now: Settings) -> Iterator[Check]:
    """The stack's parts as they truly are."""
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
            ""
            if well
            else Said(
                f"read {part.log}; then `hub stack down` and `hub stack up`",
                f"请查看 {part.log}；然后运行 `hub stack down` 和 `hub stack up`",
            ),
        )
    if state.parts and not state.running and any(part.state != "stopped" for part in state.parts.values()):
        yield Check(
            "parts",
            "supervisor",
            "fail",
            "it is not running",
            Said(
                "`hub stack down` ends what it left, then `hub stack up`",
                "请先用 `hub stack down` 结束遗留进程，再运行 `hub stack up`",
            ),
        )
    if now.database_url is None and now.kafka_bootstrap is None:
        remedy = Said("run `hub stack up`", "请运行 `hub stack up`")
        yield Check("parts", "stack", "warn", "nothing runs and nothing else is named", remedy)


def _of_package(package: str, now: Settings) -> Iterator[Check]:
    yield from importlib.import_module(f"{package}.looks").look(now)


def _kernel_alone(_: Settings) -> Iterator[Check]:
    remedy = Said("install the whole hub", "请安装完整的系统")
    yield Check("contracts", "catalogue", "warn", "this installation has no contracts package", remedy)


def _of_packages() -> Iterator[tuple[str, str, Look]]:
    """What the packages above the kernel look at: `<package>/looks.py` with `look(settings)`, found by listing, as commands are."""
    found = [package for package in PACKAGES if (ROOT / package / "looks.py").exists()]
    if not found:
        yield "contracts", "catalogue", _kernel_alone
    for package in found:
        yield package, "looks", partial(_of_package, package)


def settings_shown(now: Settings) -> Iterator[Check]:
    """Every setting with where it came from; a secret's value is never shown."""
    noted = _noted(Layout.of(now.var).env_file)
    for name, field in Settings.model_fields.items():
        variable = f"HUB_{name.upper()}"
        source = "environment" if variable in _environment() else "hub.env" if variable in noted else "default"
        source = "file" if os.environ.get(f"{variable}_FILE") else source
        value = getattr(now, name)
        secret = (
            isinstance(value, SecretStr) or field.annotation is SecretStr or SecretStr in get_args(field.annotation)
        )
        shown = "not set" if value is None else "set, not shown" if secret else str(value)
        yield Check("settings", variable, "ok", f"{shown} ({source})")
    known = {f"HUB_{name.upper()}{kind}" for name in Settings.model_fields for kind in ("", "_FILE")} | {
        clock.VARIABLE,
        crash.VARIABLE,
        client.OWNER,
        processes.MARK,
    }
    for variable in sorted(
        name for name in os.environ if name.upper().startswith("HUB_") and name.upper() not in known
    ):
        yield Check(
            "settings",
            variable,
            "warn",
            "set in the environment, but no setting has this name",
            Said("check its spelling; unset it", "请检查拼写，或取消设置"),
        )


def database(now: Settings) -> Iterator[Check]:
    """Whether the database takes the credentials in the settings."""
    if now.database_url is not None:
        yield logins.database(now)


def brokers(now: Settings) -> Iterator[Check]:
    """Whether the brokers take the credentials in the settings."""
    if now.kafka_bootstrap is not None:
        yield logins.brokers(now)


def _least(name: str, value: float, good: float, bare: float, *, told: str, remedy: str) -> Check:
    verdict: Verdict = "ok" if value >= good else "warn" if value >= bare else "fail"
    return Check("machine", name, verdict, told, "" if verdict == "ok" else remedy)


def _environment() -> set[str]:
    return {name.upper() for name in os.environ}


def _noted(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {line.split("=", 1)[0] for line in path.read_text(encoding="utf-8").splitlines() if "=" in line}


LOOKS: tuple[tuple[str, str, Look], ...] = (
    ("machine", "processors", processors),
    ("machine", "memory", memory),
    ("machine", "disk", disk),
    ("machine", "python", python),
    ("machine", "open files", open_files),
    ("machine", "shared memory", shared_memory),
    ("machine", "privacy", private),
    ("programs", "java", java_there),
    ("programs", "kafka jars", kafka_jars),
    ("programs", "postgresql", postgresql),
    ("programs", "lost cluster", lost_clusters),
    ("parts", "stack", parts),
    ("parts", "database", database),
    ("parts", "brokers", brokers),
    ("observers", "otlp", observers.collector),
    ("observers", "lineage", observers.lineage_endpoint),
    *_of_packages(),
    ("settings", "settings", settings_shown),
)
"""Area, name and look: each is guarded on its own, so that one that breaks hides no other."""
