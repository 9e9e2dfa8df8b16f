"""Workbooks whose cells show texts that they share, as spreadsheet programs write them."""

from __future__ import annotations

import io
import re
import zipfile

_SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_INLINE = re.compile(r't="inlineStr"><is>(.*?)</is></c>', re.DOTALL)


def sharing(content: bytes, more: str = "", *, items: str | None = None, prefix: str = "") -> bytes:
    """The workbook with its texts in a part of their own, `more` after them; `items` stands there instead of them."""
    texts: list[str] = []

    def shared(found: re.Match[str]) -> str:
        texts.append(f"<si>{found[1]}</si>")
        return f't="s"><v>{len(texts) - 1}</v></c>'

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name).decode()
            if name.startswith("xl/worksheets/"):
                part = _INLINE.sub(shared, part)
            elif name == "[Content_Types].xml":
                part = part.replace(
                    "</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}"/></Types>'
                )
            elif name == "xl/_rels/workbook.xml.rels":
                link = f'<Relationship Id="rShared" Type="{_KIND}" Target="sharedStrings.xml"/>'
                part = part.replace("</Relationships>", f"{link}</Relationships>")
            new.writestr(name, part)
        held = "".join(texts) if items is None else items
        named = f":{prefix[:-1]}" if prefix else ""
        whole = f'<{prefix}sst xmlns{named}="{_SPACE}" count="{len(texts)}">{held}{more}</{prefix}sst>'
        new.writestr("xl/sharedStrings.xml", f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{whole}')
    assert texts
    return out.getvalue()
