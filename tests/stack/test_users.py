"""The stack works for a normal user as for root, whose PostgreSQL runs as somebody else."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import site
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from hub import stack
from hub.settings import ROOT, load_settings
from hub.stack import postgres_home
from hub.stack.errors import PartFailed
from hub.stack.layout import Layout
from hub.stack.postgres import plain_url
from hub.stack.postgres_home import RunAs, can_reach

pytestmark = [pytest.mark.stack, pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a normal user")]


def interpreter(who: RunAs) -> list[str]:
    """A Python of this version that a normal user can run."""
    named = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for found in (sys.executable, shutil.which(named, path="/usr/bin:/usr/local/bin")):
        if found and can_reach(Path(found).resolve(), who):
            return [found]
    pytest.skip("no Python of this version lies where a normal user can run it")


def test_root_never_runs_postgres_as_root(running: Path) -> None:
    state = stack.status(running)
    assert psutil.Process(state.pid("postgres")).uids().effective != 0


def test_a_normal_user_brings_it_up_and_down(var: Path) -> None:
    entry = pwd.getpwnam("nobody")
    who = RunAs(entry.pw_uid, entry.pw_gid)
    python = interpreter(who)
    if not can_reach(ROOT / "hub", who):
        pytest.skip("the checkout lies where a normal user can't go")
    os.chown(var.parent, entry.pw_uid, entry.pw_gid)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "HUB_VAR": str(var),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *site.getsitepackages()]),
    }

    def hub(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [*python, "-m", "hub", "stack", *words, "--json"]
        return subprocess.run(
            argv,
            env=env,
            cwd="/",
            user=who.uid,
            group=who.gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    up = hub("up", "--only", "postgres")
    assert up.returncode == 0, up.stdout + up.stderr
    told = json.loads(up.stdout)
    assert told["state"] == "ready"
    pids = [part["pid"] for part in told["parts"]]
    assert {psutil.Process(pid).uids().effective for pid in pids} == {who.uid}
    down = hub("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_run_directory_that_postgres_cannot_enter(var: Path) -> None:
    """As in a checkout below /root: the programs are copied, the data lies where its user can go, and all else works."""
    var.parent.chmod(0o700)
    stack.up(var, ["postgres"])
    link = var / "postgres"
    assert link.is_symlink()
    outside = link.resolve()
    try:
        with psycopg.connect(plain_url(load_settings(var=var).url())) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        stack.down(var)
        again = stack.up(var, ["postgres"])
        assert again.ready and link.resolve() == outside
        stack.down(var)
        assert outside not in postgres_home.lost_clusters()
        shutil.rmtree(var)
        assert outside in postgres_home.lost_clusters()
        stack.down(var)
        assert outside.exists(), "it may only have been moved"
        long_ago(outside / "lost")
        stack.down(var)
        assert not outside.exists() and outside not in postgres_home.lost_clusters()
    finally:
        stack.down(var)
        shutil.rmtree(outside, ignore_errors=True)


def long_ago(mark: Path) -> None:
    then = time.time() - (postgres_home.KEPT_DAYS + 1) * 86_400
    os.utime(mark, (then, then))


def test_a_run_directory_that_was_moved_finds_its_database_again(var: Path) -> None:
    """Also where somebody brings another run directory up and down meanwhile."""
    var.parent.chmod(0o700)
    stack.up(var, ["postgres"])
    outside = (var / "postgres").resolve()
    moved = var.parent / "elsewhere" / "deeper" / "var"
    moved.parent.mkdir(parents=True)
    try:
        with psycopg.connect(plain_url(load_settings(var=var).url())) as connection:
            connection.execute("create table kept as select 7 as seven")
        stack.down(var)
        var.rename(moved)
        stack.down(var.parent / "another")
        assert stack.up(moved, ["postgres"]).ready
        with psycopg.connect(plain_url(load_settings(var=moved).url())) as connection:
            assert connection.execute("select seven from kept").fetchone() == (7,)
        assert not (outside / "lost").exists()
        stack.down(moved)
        # Cleared by somebody: met loudly, and never by a database that is new and empty.
        shutil.rmtree(outside)
        with pytest.raises(PartFailed, match="no new one is made"):
            stack.up(moved, ["postgres"])
        assert not (moved / "postgres").exists()
        (moved / "postgres").unlink()
        with pytest.raises(PartFailed, match="no new one is made"):
            stack.up(moved, ["postgres"])
        (moved / "stack" / "cluster").unlink()
        assert stack.up(moved, ["postgres"]).ready
    finally:
        stack.down(moved)
        shutil.rmtree((moved / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(outside, ignore_errors=True)


def test_data_that_was_moved_where_postgres_cannot_go_is_named(var: Path) -> None:
    stack.up(var, ["postgres"])
    stack.down(var)
    shut = var.parent / "shut"
    shut.mkdir(mode=0o700)
    moved = var.rename(shut / "var")
    with pytest.raises(PartFailed, match=str(shut)):
        stack.up(moved, ["postgres"])
    assert (moved / "postgres" / "data" / "PG_VERSION").is_file()
    shut.chmod(0o711)
    assert stack.up(moved, ["postgres"]).ready
    stack.down(moved)


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster outside a run directory that was removed."""
    monkeypatch.setattr(postgres_home, "LASTING", tmp_path / "lasting")
    (tmp_path / "lasting").mkdir()
    var = tmp_path / "disk" / "var"
    var.mkdir(parents=True)
    (tmp_path / "disk").chmod(0o700)
    entry = pwd.getpwnam("nobody")
    made = postgres_home.data_root(var / "postgres", RunAs(entry.pw_uid, entry.pw_gid))
    assert made.parent == tmp_path / "lasting"
    shutil.rmtree(var)
    return made


def test_the_data_of_a_run_directory_that_was_removed_goes(lost: Path) -> None:
    assert postgres_home.clear_lost_clusters() == [] and lost.is_dir()
    long_ago(lost / "lost")
    assert postgres_home.clear_lost_clusters() == [lost]
    assert not lost.exists()


def test_the_data_of_a_run_directory_that_may_not_be_mounted_stays(lost: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").rmdir()
    assert postgres_home.clear_lost_clusters() == [] and postgres_home.lost_clusters() == [lost]
    (tmp_path / "disk").mkdir()
    (lost / "device").write_text("another device: an empty mount point")
    assert postgres_home.clear_lost_clusters() == []
    (lost / "device").unlink()
    assert postgres_home.clear_lost_clusters() == [] and lost.is_dir()


def test_the_data_of_a_run_directory_with_a_new_name_stays(lost: Path, tmp_path: Path) -> None:
    moved = tmp_path / "disk" / "old-var" / "postgres"
    moved.parent.mkdir()
    moved.symlink_to(lost)
    assert postgres_home.clear_lost_clusters() == []
    entry = pwd.getpwnam("nobody")
    assert postgres_home.data_root(moved, RunAs(entry.pw_uid, entry.pw_gid)) == lost.resolve()
    assert postgres_home.lost_clusters() == [], "its origin is noted anew"


def test_data_that_a_process_uses_stays(lost: Path) -> None:
    assert postgres_home.clear_lost_clusters() == []
    long_ago(lost / "lost")
    user = subprocess.Popen(["sleep", "300"], cwd=lost)
    try:
        assert postgres_home.clear_lost_clusters() == []
    finally:
        user.kill()
        user.wait()
    assert postgres_home.clear_lost_clusters() == [lost]


def test_programs_that_postgres_cannot_reach_are_copied(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = var.parent / "hidden"
    home = postgres_home.find(None)
    package = hidden / home.parent.name / home.name
    shutil.copytree(home, package, symlinks=True)
    libraries = home.parent.parent / f"{home.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name)
    hidden.chmod(0o700)
    monkeypatch.setenv("HUB_POSTGRES_HOME", str(package))
    state = stack.up(var, ["postgres"])
    assert Path(psutil.Process(state.pid("postgres")).exe()).is_relative_to(Layout.of(var).var / "postgres")


def test_a_run_directory_closed_to_others_opens_to_postgres_alone(var: Path) -> None:
    var.mkdir(mode=0o700)
    stack.up(var, ["postgres"])
    assert not (var / "postgres").is_symlink()
    assert var.stat().st_mode & 0o777 == 0o710
