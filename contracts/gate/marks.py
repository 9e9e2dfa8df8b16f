"""Secrecy marks: 秘密★5年, 【机密】, 绝 密, in a named field, at the beginning of a text, or on the file itself.

Source: 保守国家秘密法 (2024) arts 14, 22; domain.md §6.5. A word alone in running text (秘密窃取 …) is no mark: a star,
a bracket, a period or the end must follow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from contracts.normalise.text import half_width_text

_LEVELS = ("绝密", "机密", "秘密", "核心商密", "普通商密", "工作秘密", "内部资料", "内部文件", "内部事项", "内部")
HARMLESS = frozenset({"", "公开", "无", "非密", "非涉密", "不涉密", "未定密", "主动公开", "依申请公开", "-", "/", "否"})
_BLANK = re.compile(r"[\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")
_STARS = "★☆✩✪✭✯"
_WIDE = {chr(code - 0xFEE0): chr(code) for code in range(0xFF01, 0xFF5F)}
_HEAD = 80  # characters of a text that are its beginning


class Marks:
    """The marks of one gate rule; `words` are further ones, `harmless` values of the named field that are none."""

    def __init__(self, words: Iterable[str] = (), harmless: Iterable[str] = ()) -> None:
        extra = tuple(bare(word) for word in words)
        levels = "|".join(re.escape(word) for word in sorted({*_LEVELS, *extra}, key=len, reverse=True))
        end = rf"(?:[{_STARS}*·]|[\]】)>》〕」]|$|:?\d+(?:年|个?月)|:?长期|启用前|公布前)"
        self._beginning = re.compile(rf"[\[【(<《〔「]?(?:密级:?)?(?:{levels})级?{end}")
        self._starred = re.compile(rf"(?:绝密|机密|秘密|商密)级?[{_STARS}]")
        self._harmless = HARMLESS | {bare(word) for word in harmless}
        # One character that each mark has, in both widths: what the columns' bytes are searched for first.
        firsts = {"密"} | {word[0] for word in (*_LEVELS, *extra) if word and "密" not in word}
        self.needles = tuple(sorted(firsts | {_WIDE[first] for first in firsts if first in _WIDE}))

    def on_text(self, text: str) -> bool:
        """Whether a text carries a mark: at its beginning, or with a star anywhere."""
        return self._beginning.match(bare(text[:_HEAD])) is not None or self._starred.search(bare(text)) is not None

    def on_level(self, text: str) -> bool:
        """Whether a value of the secrecy field is a level; what is not known to be harmless is."""
        return bare(text) not in self._harmless

    def on_name(self, name: str) -> bool:
        """Whether a file's, sheet's or column's name carries a mark."""
        parts = re.split(r"[/\\]", name)
        return any(self.on_text(part) or self.on_text(part.rsplit(".", 1)[0]) for part in parts)


def bare(text: str) -> str:
    """Half-width, without white space and invisible characters."""
    return _BLANK.sub("", half_width_text(text))
