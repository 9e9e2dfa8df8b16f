"""What is said in both languages: a fact of an error that is itself a sentence or a phrase.

An error's sentence exists in English and Chinese; a fact that is prose must too, or the Chinese sentence ends in English.
`Said` is the English text to everything that knows nothing of it, and carries the Chinese one with it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Any


class Said(str):
    """A phrase or sentence: the English text, and beside it the Chinese one."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, en: str, zh: str) -> Said:
        """Both texts, each complete."""
        made = super().__new__(cls, en)
        made.zh = zh
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Said, (str(self), self.zh)


def zh(value: Any) -> Any:
    """The Chinese form of a fact: of what is said in both languages, and of a list of such; anything else as it is."""
    if isinstance(value, Said):
        return value.zh
    if isinstance(value, list | tuple) and any(isinstance(item, Said) for item in value):
        return type(value)(zh(item) for item in value)
    return value


def joined(parts: Iterable[str]) -> Said:
    """Several facts as one, set apart as each language does it."""
    found = list(parts)
    return Said("; ".join(found), "；".join(str(zh(part)) for part in found))


def by_line(parts: Iterable[str]) -> Said:
    """Several facts as one, each on a line of its own: for lists that a person goes through."""
    found = list(parts)
    return Said("".join(f"\n  - {part}" for part in found), "".join(f"\n  - {zh(part)}" for part in found))


def listed(names: Iterable[str]) -> Said:
    """Several names as one list, set apart as each language does it."""
    found = list(names)
    return Said(", ".join(found), "、".join(str(zh(name)) for name in found))


def kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts for a JSON file, from which `revived` makes them again with both languages."""
    return {
        name: {"said": [str(value), value.zh]} if isinstance(value, Said) else value for name, value in facts.items()
    }


def revived(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that `kept` wrote."""
    return {
        name: Said(*value["said"]) if isinstance(value, dict) and value.keys() == {"said"} else value
        for name, value in facts.items()
    }


_SYSTEM = {
    errno.ENOENT: "文件或目录不存在",
    errno.EACCES: "权限不足",
    errno.EPERM: "操作不被允许",
    errno.ENOTDIR: "不是目录",
    errno.EISDIR: "是一个目录",
    errno.ELOOP: "链接层数过多",
    errno.ENAMETOOLONG: "名称过长",
    errno.ENOSPC: "设备上没有剩余空间",
    errno.EDQUOT: "超出磁盘配额",
    errno.EROFS: "文件系统只读",
    errno.EIO: "读写出错",
    errno.ENOEXEC: "不是可执行文件",
    errno.EMFILE: "打开的文件过多",
    errno.ESTALE: "文件句柄已失效",
}


def by_system(error: OSError) -> str:
    """What the operating system says of an error, in both languages where it is one that is commonly met."""
    words = error.strerror or str(error)
    number = error.errno
    return Said(words, _SYSTEM[number]) if number in _SYSTEM else words
