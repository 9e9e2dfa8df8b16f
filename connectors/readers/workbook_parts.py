"""What of a workbook's container is read as rows, and what isn't: a part that nobody looked at may hold anything."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from connectors.readers.workbook_strings import SharedTexts

_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_PLAIN = re.compile(
    r"\[content_types\]\.xml|_rels/\.rels|xl/_rels/workbook\.xml\.rels|xl/workbook\.xml|xl/styles\.xml"
    r"|xl/theme/theme\d*\.xml|xl/sharedstrings\.xml|xl/calcchain\.xml|docprops/(?:core|app)\.xml"
)
_KINDS = (
    ("comments", re.compile(r"comment|person", re.IGNORECASE)),
    ("custom properties", re.compile(r"docprops/custom|customxml", re.IGNORECASE)),
    ("drawings", re.compile(r"drawing|media|chart|diagram", re.IGNORECASE)),
    ("embedded parts", re.compile(r"embed|activex|ctrlprops|vba", re.IGNORECASE)),
)
# Texts of a sheet or of the workbook that are no cell: words of the parts' markup, searched for as bytes since a sheet
# may be large. One that a cell says itself costs only the kept file.
_BESIDE = (
    b"<f>", b"<f ", b":f>", b":f ", b"<!--", b"headerFooter", b"dataValidation", b"hyperlink", b"conditionalFormatting",
    b"protectedRange", b"scenarios", b"<definedName ", b":definedName ", b"fileSharing",
)  # fmt: skip
_TEXT = re.compile(rb">([^<>]+)<")


@dataclass(slots=True)
class Parts:
    """What the container holds besides rows."""

    unseen: set[str] = field(default_factory=set)  # kinds of content that no reader gives as rows
    texts: list[str] = field(default_factory=list)  # of the document's properties: title, author, keywords
    sheets: int = 0
    shared: SharedTexts = field(default_factory=SharedTexts)

    def note(self, name: str, data: bytes) -> None:
        """Takes down one part, unpacked."""
        low = name.lower()
        if low.startswith("docprops/") and _PLAIN.fullmatch(low):
            self.texts += [html.unescape(text.decode("utf-8", "replace")).strip() for text in _TEXT.findall(data)]
            return
        if _SHEET.fullmatch(low):
            self.sheets += 1
        elif not _PLAIN.fullmatch(low):
            self.unseen.add(next((kind for kind, pattern in _KINDS if pattern.search(low)), "other parts"))
            return
        beside = (*_BESIDE, b"extLst") if _SHEET.fullmatch(low) else _BESIDE  # each workbook of Excel's has one
        if low.startswith("xl/w") and any(word in data for word in beside):
            self.unseen.add("formulas, names, links or texts beside the cells")
        if low == "xl/sharedstrings.xml":
            self.shared.note(data)
            if b"rPh" in data or b"<!--" in data:
                self.unseen.add("readings beside the texts")
