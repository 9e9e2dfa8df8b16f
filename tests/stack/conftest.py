"""One stack of PostgreSQL and Kafka for the tests of this folder, in a path with a blank and Chinese letters."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hub import stack
from hub.stack.client import OWNER

PARTS = ("postgres", "kafka")


@pytest.fixture(autouse=True)
def no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests must not reach the stacks under test."""
    kept = (OWNER, "HUB_CACHE", "HUB_JAVA", "HUB_KAFKA_HOME", "HUB_POSTGRES_HOME")
    for name in list(os.environ):
        if name.startswith("HUB_") and name not in kept:
            monkeypatch.delenv(name)


def listening(found: list[psutil.Process]) -> set[str]:
    """The addresses on which these processes listen; one that ended meanwhile listens nowhere."""
    heard: set[str] = set()
    for process in found:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("all"):
                if connection.status == psutil.CONN_LISTEN:
                    heard.add(connection.laddr.ip.removeprefix("::ffff:"))
    return heard


def new_run_directory() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hub-stack-"))
    folder.chmod(0o755)
    return folder / "运行 目录"


@pytest.fixture
def var() -> Iterator[Path]:
    """A run directory; whatever runs in it is stopped afterwards."""
    folder = new_run_directory()
    yield folder
    stack.down(folder)
    shutil.rmtree(folder.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def running() -> Iterator[Path]:
    """The run directory of a stack that is up."""
    folder = new_run_directory()
    try:
        stack.up(folder, PARTS, timeout=120)
        yield folder
    finally:
        stack.down(folder)
        shutil.rmtree(folder.parent, ignore_errors=True)
