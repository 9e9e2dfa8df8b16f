"""All contracts on disk, quickly: a JSON cache of what the reader made of each file.

    var/cache/contracts/index.json     file -> signature (size, times, inode), SHA-256, ok or broken
    var/cache/contracts/<feed>.json    the same for one feed, with the contract or its problems

Anyone may delete the cache; what is missing, damaged or out of date is read anew. Files are replaced atomically, so
readers and writers need no lock. A broken contract never takes the others down. Importing this module loads neither
YAML, JSON Schema nor settings: DAG files do it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from contracts import errors
from contracts.errors import ContractInvalid, ContractProblem, FeedUnknown
from contracts.model import SUFFIX, FeedContract
from contracts.packing import pack, unpack
from hub import nearest
from hub.ids import FeedId
from hub.said import kept, revived

_RACY_NS = 2_000_000_000  # a file changed this shortly before the cache was written may change again unseen


@dataclass(frozen=True, slots=True)
class BrokenContract:
    """A contract that can't be used, and why."""

    id: FeedId
    path: str  # relative to the contracts folder
    problems: tuple[ContractProblem, ...]

    @property
    def error(self) -> ContractInvalid:
        """The error that reading it raises."""
        return ContractInvalid(file=self.path, problems=list(self.problems))


@dataclass(slots=True)
class _Entry:
    """What is known of one file."""

    file: str
    signature: list[int]
    sha256: str
    depends: dict[str, str]  # feed it refers to -> SHA-256 of that file, or "" where there was none
    broken: list[list[Any]] | None  # code and facts of each problem; None: it is fine
    contract: list[Any] | None = None  # packed; not in the index

    @property
    def feed(self) -> str:
        return _stem(self.file)


class _Feeds(Mapping[FeedId, FeedContract]):
    """Contracts by id, each decoded when it is asked for."""

    def __init__(self, entries: dict[str, _Entry], store: _Store) -> None:
        self._entries = entries
        self._store = store
        self._made: dict[str, FeedContract] = {}

    def __getitem__(self, feed: FeedId) -> FeedContract:
        if feed not in self._made:
            self._made[feed] = self._store.contract(self._entries[feed])
        return self._made[feed]

    def __iter__(self) -> Iterator[FeedId]:
        return (FeedId(feed) for feed in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, feed: object) -> bool:
        return feed in self._entries


@dataclass(slots=True)
class Catalogue:
    """All contracts on disk."""

    feeds: Mapping[FeedId, FeedContract]  # by id, sorted; decoded when asked for
    broken: list[BrokenContract] = field(default_factory=list)

    def get(self, feed: FeedId) -> FeedContract:
        """The contract of a feed. Raises FeedUnknown, or ContractInvalid where it is broken."""
        if feed in self.feeds:  # also where a second file claims its id: that one is broken, not this
            return self.feeds[feed]
        for entry in self.broken:
            if entry.id == feed:
                raise entry.error
        raise unknown(feed, [*self.feeds, *(entry.id for entry in self.broken)])


def load(root: Path | None = None, cache: Path | None = None) -> Catalogue:
    """All contracts under `root` (default: setting HUB_CONTRACTS), with the cache in `cache` (default: under HUB_VAR)."""
    return _Store(*_places(root, cache)).catalogue()


def unknown(feed: str, known: Iterable[str]) -> FeedUnknown:
    """The error for a feed that is not there, with those whose names are near."""
    return FeedUnknown(feed=feed[:100], near=nearest.told(feed, known))


def load_one(feed: FeedId, root: Path | None = None, cache: Path | None = None) -> FeedContract:
    """One contract, without looking at the others. Raises FeedUnknown, ContractInvalid."""
    store = _Store(*_places(root, cache))
    paths = store.find(feed)
    if not paths:
        raise unknown(feed, (path.name.removesuffix(SUFFIX) for path in store.root.glob(f"feeds/*/*{SUFFIX}")))
    entry = store.entry_of(paths[0], store.kept(feed))
    if entry.broken is not None:
        raise _broken(entry).error
    return store.contract(entry)


def _places(root: Path | None, cache: Path | None) -> tuple[Path, Path]:
    if root is None or cache is None:
        from hub.settings import settings  # noqa: PLC0415 - settings cost a third of a second that DAG files spare

        now = settings()
        return root or now.contracts, cache or now.var / "cache" / "contracts"
    return root, cache


class _Store:
    """The cache of one contracts folder."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        # Two contracts folders (a test's, an installation's) never share a cache.
        self.cache = cache / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
        self.fingerprint = _fingerprint(root)

    def catalogue(self) -> Catalogue:
        known, written = self.index()
        entries: dict[str, _Entry] = {}
        changed = False
        found = self.files()
        for file, signature in found.items():
            entry = known.get(file)
            if entry is None or entry.signature != signature or signature[1] > written - _RACY_NS:
                entry, changed = self._renewed(file, signature, entry), True
            entries[file] = entry
        changed = changed or known.keys() != found.keys()
        hashes = {entry.feed: entry.sha256 for entry in entries.values()}
        for file, entry in entries.items():
            if any(hashes.get(feed, "") != sha for feed, sha in entry.depends.items()):
                entries[file], changed = self.read(file, found[file]), True
        if changed:
            self.write("index", {"files": [_row(entry) for entry in entries.values()]})
        return self._sorted(entries)

    def _sorted(self, entries: dict[str, _Entry]) -> Catalogue:
        good: dict[str, _Entry] = {}
        broken: list[BrokenContract] = []
        owner: dict[str, str] = {}
        for file in sorted(entries, key=lambda file: (_stem(file), file)):
            entry = entries[file]
            if owner.setdefault(entry.feed, file) != file:
                facts = {"feed": _shown(entry.feed), "other": _shown(owner[entry.feed])}
                problem = errors.IdTaken(file=_shown(file), line=1, column=1, **facts)
                broken.append(BrokenContract(FeedId(facts["feed"]), _shown(file), (problem,)))
            elif entry.broken is not None:
                broken.append(_broken(entry))
            else:
                good[entry.feed] = entry
        return Catalogue(_Feeds(good, self), broken)

    def _renewed(self, file: str, signature: list[int], entry: _Entry | None) -> _Entry:
        """The entry of a file whose signature differs: kept where the content is the same."""
        if entry is not None and self.sha256(file) == entry.sha256:
            entry.signature = signature
            return entry
        kept = self.kept(_stem(file))
        if kept is not None and kept.file == file and kept.sha256 == self.sha256(file):
            kept.signature, kept.contract = signature, None
            return kept
        return self.read(file, signature)

    def read(self, file: str, signature: list[int]) -> _Entry:
        """Reads the contract itself and keeps what came of it."""
        try:
            entry = self._read(file, signature)
        except Exception as error:  # noqa: BLE001 - one contract must not take the others down, whatever it holds
            problem = errors.ContractUnexamined.of(_shown(file), error)
            entry = _Entry(file, signature, "", {}, [[problem.code, kept(problem.facts)]])
        if any(code == errors.ContractUnexamined.code for code, _ in entry.broken or ()):
            # Not foreseen, so perhaps of the moment: without a hash it is read anew each time.
            entry.signature, entry.sha256 = [0, 0, 0, 0], ""
        else:
            self.write(entry.feed, {"entry": [*_row(entry), entry.contract]})
        return entry

    def _read(self, file: str, signature: list[int]) -> _Entry:
        from contracts import reader  # noqa: PLC0415 - YAML and JSON Schema only when a file has changed

        reading = reader.examine(self.root / file, root=self.root)
        broken = None if reading.contract else [[problem.code, kept(problem.facts)] for problem in reading.problems]
        entry = _Entry(file, signature, reading.sha256, {}, broken)
        for feed in reading.refers_to:
            paths = self.find(feed)
            entry.depends[feed] = self.sha256(paths[0]) if paths else ""
        if reading.contract:
            entry.contract = pack(reading.contract)
        return entry

    def entry_of(self, file: str, kept: _Entry | None) -> _Entry:
        """One file's entry, up to date, by its own cache file alone."""
        signature = _signature(self.root / file)
        if kept is None or kept.file != file or kept.signature != signature:
            if kept is None or kept.file != file or self.sha256(file) != kept.sha256:
                return self.read(file, signature)
            kept.signature = signature
        for feed, sha in kept.depends.items():
            paths = self.find(feed)
            if (self.sha256(paths[0]) if paths else "") != sha:
                return self.read(file, signature)
        return kept

    def contract(self, entry: _Entry) -> FeedContract:
        """Decodes an entry. Reads the file again where the cache is gone, damaged or of another content."""
        if entry.contract is None:
            kept = self.kept(entry.feed)
            same = kept is not None and kept.sha256 == entry.sha256 and kept.file == entry.file
            entry.contract = kept.contract if kept is not None and same else None
        if entry.contract is not None:
            with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError, IndexError):
                return unpack(entry.contract)
        fresh = self.read(entry.file, _signature(self.root / entry.file))
        if fresh.broken is not None or fresh.contract is None:
            raise _broken(fresh).error
        return unpack(fresh.contract)

    def files(self) -> dict[str, list[int]]:
        """Every contract file, relative to the root, with its signature."""
        found: dict[str, list[int]] = {}
        for folder in self._folders():
            try:
                with os.scandir(self.root / "feeds" / folder) as entries:
                    listed = [entry for entry in entries if entry.name.endswith(SUFFIX)]
            except OSError:
                found[f"feeds/{folder}"] = [0, 0, 0, 0]  # read as a file it says what is wrong with it
                continue
            for entry in listed:
                if not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # it was just taken away
                        found[f"feeds/{folder}/{entry.name}"] = _of(entry.stat())
        return found

    def find(self, feed: str) -> list[str]:
        """The files of that feed: one, unless two folders claim the id."""
        if not feed.replace("_", "").isalnum():
            return []
        names = (f"feeds/{folder}/{feed}{SUFFIX}" for folder in self._folders())
        return [name for name in names if (self.root / name).is_file()]

    def _folders(self) -> list[str]:
        feeds = self.root / "feeds"
        if not feeds.is_dir():
            return []
        with os.scandir(feeds) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def sha256(self, file: str) -> str:
        """The content's hash; empty where it can't be read."""
        try:
            with (self.root / file).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return ""

    def index(self) -> tuple[dict[str, _Entry], int]:
        """The entries of the index and when it was written (ns); nothing where it is no use."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            path = self.cache / "index.json"
            document = json.loads(path.read_bytes())
            if document["fingerprint"] == self.fingerprint:
                return {row[0]: _Entry(*row) for row in document["files"]}, int(document["written"])
        return {}, 0

    def kept(self, feed: str) -> _Entry | None:
        """What is kept of one feed."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            document = json.loads((self.cache / f"{feed}.json").read_bytes())
            if document["fingerprint"] == self.fingerprint:
                return _Entry(*document["entry"])
        return None

    def write(self, name: str, document: dict[str, Any]) -> None:
        """Replaces a cache file atomically. A folder that can't be written only makes the next load slower."""
        body = {"fingerprint": self.fingerprint, "written": time.time_ns(), **document}
        temporary = ""
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.cache, prefix=".", suffix=".tmp")
            # A file's name may hold bytes that are no text: the cache keeps them as they are.
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as stream:
                json.dump(body, stream, ensure_ascii=False, separators=(",", ":"), default=str)
            Path(temporary).replace(self.cache / f"{name}.json")
        except (OSError, ValueError, TypeError):
            if temporary:
                Path(temporary).unlink(missing_ok=True)


def _row(entry: _Entry) -> list[Any]:
    return [entry.file, entry.signature, entry.sha256, entry.depends, entry.broken]


def _broken(entry: _Entry) -> BrokenContract:
    kinds = _problem_kinds()
    problems = tuple(kinds.get(code, ContractProblem)(**revived(facts)) for code, facts in entry.broken or ())
    return BrokenContract(FeedId(_shown(entry.feed)), _shown(entry.file), problems)


@lru_cache(maxsize=1)
def _problem_kinds() -> dict[str, type[ContractProblem]]:
    return {kind.code: kind for kind in ContractProblem.__subclasses__()}


def _shown(name: str) -> str:
    """A file's name as text: bytes of it that are no UTF-8 are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _stem(file: str) -> str:
    return file.rsplit("/", 1)[-1].removesuffix(SUFFIX)


def _signature(path: Path) -> list[int]:
    try:
        return _of(path.stat())
    except OSError:
        return [0, 0, 0, 0]


def _of(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _fingerprint(root: Path) -> str:
    """Of everything but the contract files that decides what the reader makes of them: its code and the code lists."""
    parts: list[str] = []
    package = Path(__file__).parent
    for folder, pattern in ((package, ".py"), (root / "codes", ".csv")):
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            with contextlib.suppress(OSError), os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir() and entry.name not in ("__pycache__", "feeds", "commands"):
                        waiting.append(Path(entry.path))
                    elif entry.name.endswith(pattern):
                        status = entry.stat()
                        stamp = status.st_mtime_ns if pattern == ".py" else 0
                        parts.append(f"{entry.path}:{status.st_size if stamp else 0}:{stamp}")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
