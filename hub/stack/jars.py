"""Kafka's jars: those of HUB_KAFKA_HOME, else those of `docker/kafka.lock.toml`, fetched once and checked at each start.

They lie in a folder shared by all run directories, so that a warm start needs no network. Every jar's SHA-256
must be the lock file's, whoever put it there. `python -m hub.stack.jars FOLDER` fetches them, for an image.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hub import log
from hub.said import Said
from hub.settings import ROOT
from hub.stack.errors import JarDiffers, JarsUnreachable, LockUnreadable

_IN_CHECKOUT = ROOT / "docker" / "kafka.lock.toml"
LOCK = _IN_CHECKOUT if _IN_CHECKOUT.exists() else Path(__file__).with_name("kafka.lock.toml")
"""The lock file: in a checkout below docker/, in an installation beside this module."""
_log = log.get("stack.jars")


@dataclass(frozen=True)
class Jar:
    """One locked jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock file (jgo's own form). Raises LockUnreadable."""
    try:
        raw = tomllib.loads(lock.read_text(encoding="utf-8"))["dependencies"]
        jars = [Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in raw]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LockUnreadable(lock=lock, reason=f"{type(error).__name__}: {error}") from error
    if not jars or any(os.sep in jar.file or len(jar.sha256) != 64 for jar in jars):
        raise LockUnreadable(
            lock=lock, reason=Said("an entry has no proper name or SHA-256", "有一项缺少正确的名称或 SHA-256")
        )
    return jars


def cache_folder(wanted: Path | None, var: Path) -> Path:
    """Where fetched jars lie: the operator's folder, else the user's cache, else, where that can't be written, `var`.

    Makes nothing.
    """
    if wanted:
        return wanted
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(base) / "supervision-hub"
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return folder if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else var / "cache"


def classpath(kafka_home: Path | None, cache: Path, lock: Path = LOCK) -> list[Path]:
    """The jars that broker and tools run on, each checked. Raises JarDiffers, JarsUnreachable, LockUnreadable."""
    if kafka_home is not None:
        jars = sorted((kafka_home / "libs").glob("*.jar"))
        if not jars:
            raise JarsUnreachable(
                jar=f"{kafka_home}/libs/*.jar",
                reason=Said("no such file", "没有这个文件"),
                lock=lock,
                folder=kafka_home / "libs",
            )
        return jars
    wanted = locked(lock)
    folder = cache / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in wanted if not (folder / jar.file).exists()]
    if missing:
        with FileLock(folder / ".lock"):
            _fetch([jar for jar in missing if not (folder / jar.file).exists()], folder, lock)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda jar: checked(folder / jar.file, jar, folder), wanted))


def checked(path: Path, jar: Jar, folder: Path) -> Path:
    """`path`, if its bytes are those that the lock names. Raises JarDiffers."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != jar.sha256:
        raise JarDiffers(jar=path, expected=jar.sha256, found=found, folder=folder)
    return path


def _fetch(jars: list[Jar], folder: Path, lock: Path) -> None:
    """Fetches jars aside, checks them, and moves each whole into `folder`."""
    if not jars:
        return
    from jgo.config import GlobalSettings  # noqa: PLC0415 - only a cold start needs it
    from jgo.maven import MavenContext  # noqa: PLC0415

    _log.info("fetching the broker's jars", jars=len(jars), folder=str(folder))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch.") as scratch:
        mirrors = GlobalSettings.load().repositories
        context = MavenContext(repo_cache=Path(scratch), remote_repos=dict(mirrors) or None, timeout=60)

        def fetch(jar: Jar) -> None:
            try:
                path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
            except Exception as error:  # jgo and requests raise what they like; all of it means "not fetched"
                reason = f"{type(error).__name__}: {error}"[:300]
                raise JarsUnreachable(jar=jar.file, reason=reason, lock=lock, folder=folder) from error
            checked(path, jar, folder).replace(folder / jar.file)

        with ThreadPoolExecutor(max_workers=6) as pool:
            for _ in pool.map(fetch, jars):
                pass


if __name__ == "__main__":
    classpath(None, Path(sys.argv[1]))
