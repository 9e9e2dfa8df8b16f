"""The files under one root, reached so that no link and no `..` leads out of it.

Every step of a path is opened relative to the folder before it with O_NOFOLLOW, so that a link swapped in between
looking and opening is refused too. A file's name is bytes, which some senders write in another encoding than UTF-8:
`raw` opens it, `name` is what people, batches and receipts see.
"""

from __future__ import annotations

import fnmatch
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from connectors.errors import FileOutsideRoot, PlaceIncomplete
from connectors.places import Place
from hub.said import Said, by_system, zh

MAX_ENTRIES = 200_000
_TEMPORARY = (".*", "*.part", "*.tmp", "*.filepart", "*.crdownload", "*.swp", "*~", "~$*")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hang the opening


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file under the root, as it was when it was looked at."""

    name: str  # path relative to the root, with "/", as text
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int
    inode: int
    raw: str  # the same path as the system takes it: for opening only

    @property
    def order(self) -> tuple[int, str]:
        """Its place among the files: the order in which they were written."""
        return self.mtime_ns, self.name

    @classmethod
    def of(cls, raw: str, facts: os.stat_result) -> Found:
        """From a stat result."""
        return cls(shown(raw), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, raw)


def shown(raw: str) -> str:
    """A path as text: what is no UTF-8 is read as GB 18030, which Windows in Chinese writes, else its bytes are written out.

    Characters that can't be shown, such as those that a terminal obeys, are written out too.
    """
    if raw.isprintable():
        return raw
    return "/".join(_shown_part(part) for part in raw.split("/"))


def _shown_part(raw: str) -> str:
    data = os.fsencode(raw)
    with suppress(UnicodeDecodeError):
        return _visible(data.decode())
    with suppress(UnicodeError):
        text = data.decode("gb18030")
        if text.isprintable() and text.encode("gb18030") == data:
            return text
    return escaped(raw)


def escaped(raw: str) -> str:
    """A path in which a part that is no UTF-8 has its bytes written out: `\\xd1`."""
    parts = (os.fsencode(part) for part in raw.split("/"))
    return "/".join(
        _visible(part.decode()) if _is_utf8(part) else part.decode("ascii", "backslashreplace") for part in parts
    )


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    # A wide or a hard blank is no printable character to Python, but is one in names.
    shown_as_is = (letter.isprintable() or unicodedata.category(letter) == "Zs" for letter in text)
    pairs = zip(text, shown_as_is, strict=True)
    return "".join(one if good else one.encode("unicode_escape").decode() for one, good in pairs)


def _is_utf8(data: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        data.decode()
        return True
    return False


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a contract's glob or file name, or None."""
    if "\\" in pattern:
        return Said(
            "a path is relative to the place's root and separated by /", "路径须相对于来源地根目录，并以 / 分隔"
        )
    return _name_problem(pattern)


def _name_problem(name: str) -> str | None:
    """What is wrong with a file's path. A backslash may be half of a GBK character."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\x00" in name:
        return Said(
            "a path is relative to the place's root and separated by /", "路径须相对于来源地根目录，并以 / 分隔"
        )
    return Said("a path has no `..`", "路径不得含 `..`") if ".." in parts else None


class Root:
    """A place's root folder."""

    def __init__(self, place: Place, connector: str) -> None:
        if place.root is None:
            raise PlaceIncomplete(place=place.id, connector=connector, reason=Said("it has no `root`", "没有 `root`"))
        self.place = place
        self.path: Path = place.root
        self._connector = connector

    def find(self, pattern: str) -> list[Found]:
        """Regular files that match a glob (`*`, `?`, `[…]` in one part, `**` over folders), oldest first.

        Temporary names and links are passed over. Raises PlaceIncomplete where the root can't be listed.
        """
        folder = self._open_root()
        budget = [MAX_ENTRIES]
        try:
            found = {item.raw: item for item in self._match(folder, "", PurePosixPath(pattern).parts, budget)}
        finally:
            os.close(folder)
        counts = Counter(item.name for item in found.values())
        told = [item if counts[item.name] == 1 else replace(item, name=escaped(item.raw)) for item in found.values()]
        return sorted(told, key=lambda item: item.order)

    def open(self, name: str) -> int:
        """A descriptor of a regular file, for reading, by its raw name. Raises FileOutsideRoot, FileNotFoundError."""
        problem = _name_problem(name)
        if problem:
            raise FileOutsideRoot(file=shown(name), place=self.place.id, reason=problem)
        folder = self._open_root()
        try:
            *folders, last = PurePosixPath(name).parts
            for part in folders:
                inner = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            handle = os.open(last, _FILE, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FileOutsideRoot(file=shown(name), place=self.place.id, reason=by_system(error)) from None
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileOutsideRoot(
                file=shown(name), place=self.place.id, reason=Said("it is no regular file", "不是普通文件")
            )
        return handle

    def look(self, name: str) -> Found:
        """What stands under that raw name now. Raises FileOutsideRoot, FileNotFoundError."""
        handle = self.open(name)
        try:
            return Found.of(name, os.fstat(handle))
        finally:
            os.close(handle)

    def exists(self, name: str) -> bool:
        """Whether a regular file stands under that raw name."""
        try:
            self.look(name)
        except (FileNotFoundError, FileOutsideRoot):
            return False
        return True

    def read(self, name: str, limit: int) -> bytes:
        """A small file's bytes by its raw name, at most `limit` + 1. Raises FileOutsideRoot, FileNotFoundError."""
        with os.fdopen(self.open(name), "rb") as file:
            return file.read(limit + 1)

    def _open_root(self) -> int:
        try:
            # The root itself may be a link: it is the operator's word.
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            reason = Said(
                f"its root {self.path} can't be opened: {error.strerror}",
                f"无法打开其根目录 {self.path}：{zh(by_system(error))}",
            )
            raise PlaceIncomplete(place=self.place.id, connector=self._connector, reason=reason) from None

    def _match(self, folder: int, above: str, parts: tuple[str, ...], budget: list[int]) -> Iterator[Found]:
        part, rest = parts[0], parts[1:]
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        budget[0] -= len(entries)
        if budget[0] < 0:
            reason = Said(f"more than {MAX_ENTRIES} entries lie under its root", f"其根目录下超过 {MAX_ENTRIES} 项")
            raise PlaceIncomplete(place=self.place.id, connector=self._connector, reason=reason)
        if part == "**" and rest:
            yield from self._match(folder, above, rest, budget)
        for entry in entries:
            if any(fnmatch.fnmatchcase(entry.name, temporary) for temporary in _TEMPORARY):
                continue
            name, text = above + entry.name, _shown_part(entry.name)
            if entry.is_dir(follow_symlinks=False):
                if part == "**" or (rest and fnmatch.fnmatchcase(text, part)):
                    yield from self._inside(folder, entry.name, name + "/", parts if part == "**" else rest, budget)
            elif not rest and fnmatch.fnmatchcase(text, part) and entry.is_file(follow_symlinks=False):
                try:
                    yield Found.of(name, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # gone since the listing

    def _inside(
        self, folder: int, entry: str, above: str, parts: tuple[str, ...], budget: list[int]
    ) -> Iterator[Found]:
        try:
            inner = os.open(entry, _FOLDER, dir_fd=folder)
        except OSError:
            return  # gone, made a link, or not ours to list
        try:
            yield from self._match(inner, above, parts, budget)
        finally:
            os.close(inner)
