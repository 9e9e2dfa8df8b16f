"""Code lists: one CSV file each in `contracts/codes/`, in our own form.

The file begins with lines `# key: value` (title_zh, title_en, source, licence, vintage, note), then a header and
rows; the first column is `code`, `name_zh` and `name_en` are names where there are any, `current` is 1 or 0 where
the list keeps codes that are no longer given out. Every value is text.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.rules.errors import CodeListInvalid, CodeListUnknown
from hub.said import Said

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = ("title_zh", "title_en", "source", "licence", "vintage")
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class CodeList:
    """A list of codes with their names and where they come from."""

    name: str
    head: Mapping[str, str]  # title_zh, title_en, source, licence, vintage, note
    rows: Mapping[str, Mapping[str, str]]  # code -> column -> text

    def __contains__(self, code: object) -> bool:
        return code in self.rows

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code that was ever valid."""
        return frozenset(self.rows)

    @cached_property
    def current(self) -> frozenset[str]:
        """The codes valid today; all of them where the list doesn't tell."""
        return frozenset(code for code, row in self.rows.items() if row.get("current", "1") == "1")

    def label(self, code: str, lang: str = "en") -> str:
        """A code's name in `en` or `zh`, in the other language where it has none, else empty."""
        row = self.rows.get(code, {})
        first, second = ("name_zh", "name_en") if lang == "zh" else ("name_en", "name_zh")
        return row.get(first) or row.get(second) or ""

    @cached_property
    def array(self) -> pa.StringArray:
        """The codes, sorted, for `pyarrow.compute.is_in`."""
        import pyarrow as pa  # noqa: PLC0415 - lint and DAG files list codes without Arrow

        return pa.array(sorted(self.rows), pa.string())


def load(name: str, root: Path | None = None) -> CodeList:
    """The list of that name, read once per process. Raises CodeListUnknown, CodeListInvalid.

    `root` is the contracts folder; unset: this installation's.
    """
    return _load(name, root or Path(__file__).parent)


def names(root: Path | None = None) -> list[str]:
    """The names of all lists on disk."""
    return sorted(path.stem for path in ((root or Path(__file__).parent) / "codes").glob("*.csv"))


@lru_cache(maxsize=256)
def _load(name: str, root: Path) -> CodeList:
    path = root / "codes" / f"{name}.csv"
    if not name.replace("_", "").isalnum() or not path.is_file():
        raise CodeListUnknown(name=name)
    if path.stat().st_size > MAX_BYTES:
        raise CodeListInvalid(
            name=name, reason=Said(f"it has more than {MAX_BYTES:,} bytes", f"超过 {MAX_BYTES:,} 字节")
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise CodeListInvalid(name=name, reason=Said("it is not UTF-8 text", "不是 UTF-8 文本")) from None
    head: dict[str, str] = {}
    while lines and lines[0].startswith("#"):
        key, _, value = lines.pop(0)[1:].partition(":")
        head[key.strip()] = value.strip()
    missing = [key for key in HEAD if not head.get(key)]
    if missing:
        raise CodeListInvalid(
            name=name, reason=Said(f"its head lacks {', '.join(missing)}", f"文件头缺少 {'、'.join(missing)}")
        )
    return CodeList(name, MappingProxyType(head), MappingProxyType(_rows(name, lines)))


def _rows(name: str, lines: list[str]) -> dict[str, Mapping[str, str]]:
    reader = csv.reader(lines, strict=True)
    columns = next(reader, [])
    if columns[:1] != ["code"]:
        raise CodeListInvalid(name=name, reason=Said("its first column is not `code`", "首列不是 `code`"))
    rows: dict[str, Mapping[str, str]] = {}
    for number, cells in enumerate(reader, 1):
        if len(cells) != len(columns) or not cells[0].strip():
            raise CodeListInvalid(
                name=name,
                reason=Said(
                    f"row {number} has {len(cells)} cells where {len(columns)} are due",
                    f"第 {number} 行有 {len(cells)} 个单元格，应为 {len(columns)} 个",
                ),
            )
        if cells[0] in rows:
            raise CodeListInvalid(
                name=name, reason=Said(f"the code {cells[0]} stands twice", f"代码 {cells[0]} 重复出现")
            )
        rows[cells[0]] = dict(zip(columns, cells, strict=True))
    if not rows:
        raise CodeListInvalid(name=name, reason=Said("it is empty", "内容为空"))
    return rows
