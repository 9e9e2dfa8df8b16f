"""The texts that a workbook's sheets share: each must be in a cell that was read, or the file holds one nobody looked at.

A program that takes a sheet or a column out of a workbook may leave its texts behind, and no reader shows them.
"""

from __future__ import annotations

import html
import re

import pyarrow as pa
import pyarrow.compute as pc

UNUSED = "texts that no cell shows"
_ODD = r"&#|_x[0-9A-Fa-f]{4}_|\r"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NAMED = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


class SharedTexts:
    """Those of a workbook that no cell has shown yet."""

    def __init__(self) -> None:
        self._left: pa.StringArray = pa.array([], pa.string())

    def note(self, data: bytes) -> None:
        """Takes the part `sharedStrings.xml`. What is not one text after another in it is a text that no cell shows."""
        if b"<!" in data or data.count(b"<?") > 1:
            data += b"markup that is no text"
        pieces = pa.array(re.split(rb"</(?:[\w.-]+:)?si\s*>", data), pa.binary()).cast(pa.string(), safe=False)
        texts = pc.replace_substring_regex(pieces, r"<[^>]*>", "")
        for written, meant in _NAMED[:-1]:
            texts = pc.replace_substring(texts, written, meant)
        odd = pc.match_substring_regex(texts, _ODD)
        if pc.any(odd).as_py():
            texts = pa.array([_plain(text) for text in texts.to_pylist()], pa.string())
        texts = pc.utf8_trim_whitespace(pc.replace_substring(texts, *_NAMED[-1]))
        self._left = pc.unique(pa.concat_arrays([self._left, texts.filter(pc.not_equal(texts, ""))]))

    def shown(self, cells: pa.Table) -> None:
        """Takes down what stands in the cells of a sheet."""
        for column in cells.columns:
            if not len(self._left):
                return
            known = pc.utf8_trim_whitespace(pc.unique(column))
            self._left = self._left.filter(pc.invert(pc.is_in(self._left, value_set=known)))

    @property
    def unused(self) -> bool:
        """Whether one is left."""
        return len(self._left) > 0


def _plain(text: str) -> str:
    """A text as a reader gives it: `_x000D_` stands for a carriage return, and so on; `&amp;` is left for last."""
    text = html.unescape(text.replace("&amp;", "&amp;amp;")).replace("\r\n", "\n")
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
