"""What a drop folder's cursor remembers of each file that lies there: what it said, and how the file system knew it.

It saves hashing, and it tells a file that was moved from a copy beside its original. Without it nothing is lost: files
are then told by their hashes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from connectors.files.root import Found


class Entry(NamedTuple):
    """One file, in the order in which it is saved as a list."""

    size: int
    mtime_ns: int
    sha256: str
    taken_as: str  # the appearance under which a batch took it
    ctime_ns: int  # no sender can set it
    inode: int

    @classmethod
    def made(cls, found: Found, sha256: str, taken_as: str) -> Entry:
        """Of a file that was read."""
        return cls(found.size, found.mtime_ns, sha256, taken_as, found.ctime_ns, found.inode)

    def lies_there(self, found: Found) -> bool:
        """Whether that is the file that was read, by all that a sender sees."""
        return (self.size, self.mtime_ns, self.inode) == (found.size, found.mtime_ns, found.inode)

    def untouched(self, found: Found) -> bool:
        """Whether nobody wrote to the file since: then it needn't be read again."""
        return self.lies_there(found) and self.ctime_ns == found.ctime_ns


class Seen:
    """The entries of the files that lie there now, by their names.

    They are saved under keys, since a name may hold what must not be stored: `key_of` gives the key of a name.
    """

    def __init__(self, saved: Mapping[str, Any], files: Iterable[Found], key_of: Callable[[str], str]) -> None:
        self._present = {found.name: found for found in files}
        self.entries: dict[str, Any] = {}  # as saved; deliveries add theirs
        for name in self._present:
            entry = saved.get(key_of(name))
            if isinstance(entry, list | tuple) and len(entry) == len(Entry._fields):
                self.entries[name] = entry
        self._takers = {Entry(*entry).taken_as: name for name, entry in self.entries.items()}

    def takers(self) -> frozenset[str]:
        """The appearances under which the files that lie there were taken: no more of them than there are files."""
        return frozenset(self._takers)

    def of(self, found: Found) -> Entry | None:
        """What is remembered of the file of that name."""
        entry = self.entries.get(found.name)
        return None if entry is None else Entry(*entry)

    def note(self, found: Found, sha256: str, taken_as: str) -> None:
        """Remembers a file."""
        self.entries[found.name] = list(Entry.made(found, sha256, taken_as))

    def copied(self, found: Found, taken_as: str) -> bool:
        """Whether a file that was never seen is a copy, come after all others, of one that still lies there as it was.

        Where the original is gone, or is the same file under one more name, nothing new is said.
        """
        name = self._takers.get(taken_as)
        if name is None:
            return False
        original, there = Entry(*self.entries[name]), self._present[name]
        if not original.lies_there(there) or there.inode == found.inode:
            return False
        return all(found.ctime_ns > Entry(*entry).ctime_ns for entry in self.entries.values())
