"""The contracts as a git revision has them, read beside their own neighbours and code lists.

A contract that today's lint refuses was merged all the same: it is built as well as it goes, so that a stricter lint
hides no change.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts import reader, yaml_strict
from contracts.building import build
from contracts.diff.errors import BaseUnknown
from contracts.model import SUFFIX, FeedContract
from contracts.view import View
from hub.said import Said

_SECONDS = 60
# The trunk as a clone has it, then as it stands here.
_TRUNKS = ("origin/HEAD", "origin/main", "main")


@dataclass(frozen=True, slots=True)
class Base:
    """A contracts folder of a revision, unpacked."""

    revision: str
    root: Path

    def files(self) -> dict[str, Path]:
        """Contract files by feed."""
        return {path.name.removesuffix(SUFFIX): path for path in sorted(self.root.glob(f"feeds/*/*{SUFFIX}"))}

    def contract(self, feed: str) -> FeedContract | None:
        """A feed's contract at the revision; None where there was none. Raises BaseUnknown where it can't be built."""
        path = self.files().get(feed)
        if path is None:
            return None
        return built(path, self.root, self.revision)


def built(path: Path, root: Path, revision: str) -> FeedContract:
    """A contract of a revision, whatever today's lint says of it. Raises BaseUnknown."""
    reading = reader.examine(path, root=root)
    if reading.contract is not None:
        return reading.contract
    try:
        document = yaml_strict.parse(path.read_bytes(), file=reading.file)
        return build(View(document), sha256=reading.sha256, path=reading.file)
    except Exception as error:  # noqa: BLE001 - whatever stands in a document that lint refuses
        kind = type(error).__name__
        reason = Said(f"{path.name} can't be built ({kind})", f"{path.name} 无法构建（{kind}）")
        raise BaseUnknown(base=revision, reason=reason) from None


@contextmanager
def unpacked(root: Path, revision: str) -> Iterator[Base]:
    """The contracts folder `root` as it was at a revision. Raises BaseUnknown."""
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    commit = _commit(root, revision)
    with tempfile.TemporaryDirectory(prefix="hub-base-") as folder:
        where = Path(folder)
        if _git(root, "ls-tree", "--name-only", commit, "--", ".").strip():
            archive = _bytes(root, "archive", "--format=tar", commit, "--", ".")
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                _extract(tar, where)
        inner = where / prefix
        yield Base(revision, inner if inner.is_dir() else where)


def _extract(tar: tarfile.TarFile, where: Path) -> None:
    """Regular files alone, each below `where`. By hand: `extractall(filter=...)` came with Python 3.11.4."""
    for member in tar:
        target = where / member.name
        if member.isfile() and ".." not in target.parts and not Path(member.name).is_absolute():
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            target.write_bytes(content.read() if content is not None else b"")


def chosen(root: Path, asked: str | None) -> str | None:
    """The revision to compare with: the one asked for, else where this branch left the trunk, else the
    commit before. None where there is nothing to compare with: no git here, or a first commit."""
    if asked:
        return asked
    try:
        head = _commit(root, "HEAD")
    except BaseUnknown:
        return None
    dirty = bool(_git(root, "status", "--porcelain", "--", ".").strip())
    for trunk in _TRUNKS:
        try:
            left = _git(root, "merge-base", "HEAD", trunk).strip()
        except BaseUnknown:
            continue
        if left != head:
            return left
    if dirty:
        return head
    try:
        return _commit(root, "HEAD~1")
    except BaseUnknown:
        return None


def _commit(root: Path, revision: str) -> str:
    if revision.startswith("-"):
        raise BaseUnknown(base=revision[:80], reason=Said("it is no revision", "不是修订"))
    return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()


def _git(root: Path, *words: str) -> str:
    return _bytes(root, *words).decode("utf-8", "replace")


def _bytes(root: Path, *words: str) -> bytes:
    # What a hook's or another repository's environment says of git is none of this folder's business.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, check=False, timeout=_SECONDS, env=clean
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BaseUnknown(
            base=words[-1][:80],
            reason=Said(f"git does not answer ({type(error).__name__})", f"git 无响应（{type(error).__name__}）"),
        ) from None
    if done.returncode != 0:
        reason = next(
            iter(done.stderr.decode("utf-8", "replace").splitlines()),
            Said("git knows no such revision", "git 中没有该修订"),
        )
        reason = reason if isinstance(reason, Said) else reason[:200]
        raise BaseUnknown(base=words[-1].removesuffix("^{commit}")[:80], reason=reason)
    return done.stdout
