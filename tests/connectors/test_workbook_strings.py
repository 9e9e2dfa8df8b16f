"""Which texts a workbook shares that no cell shows, however they are written."""

from __future__ import annotations

import io

import openpyxl
import pytest

from connectors.readers.workbook_strings import UNUSED
from connectors.readers.xlsx_pages import WorkbookForm, xlsx_pages
from contracts.page import Around
from tests.connectors.workbooks import sharing


def unseen(items: str, *, prefix: str = "") -> list[str]:
    """What is not looked at in a workbook of two cells that show the first two of these shared texts."""
    book = openpyxl.Workbook()
    for text in ("one", "two"):
        book.worksheets[0].append([text])
    whole, around = io.BytesIO(), Around()
    book.save(whole)
    content = sharing(whole.getvalue(), items=items, prefix=prefix)
    pages = list(xlsx_pages(content, "a.xlsx", WorkbookForm(), {}, 1000, around=around))
    assert sum(page.rows_in for page in pages) == 1
    return around.unseen


@pytest.mark.parametrize(
    "text",
    [
        "<t>plain</t>",
        "<t>国库支付</t>",
        '<t xml:space="preserve"> a  b </t>',
        "<t>a &amp; b &lt;c&gt; &quot;d&quot; &apos;e&apos;</t>",
        "<t>&amp;lt;</t>",
        "<t>a&#10;b &#x56FD;</t>",
        "<t>first\nsecond</t>",
        '<r><rPr><b/></rPr><t xml:space="preserve">rich </t></r><r><t>text</t></r>',
        "<t>10.550</t>",
        "<t>2024-01-02 00:00:00</t>",
    ],
)
def test_what_cells_show_was_looked_at(text: str) -> None:
    assert unseen(f"<si><t>id</t></si><si>{text}</si>") == []


@pytest.mark.parametrize(
    "more",
    [
        "<si><t>left behind</t></si>",
        "<si><r><t>left </t></r><r><t>behind</t></r></si>",
        "<si><t>ID</t></si>",
        "<si><t><![CDATA[left behind]]></t></si>",
        "<?left behind?>",
        "left behind",
        "<si><t>id</t></si>left behind",
    ],
)
def test_what_no_cell_shows_was_not(more: str) -> None:
    assert unseen(f"<si><t>id</t></si><si><t>shown</t></si>{more}") == [UNUSED]


def test_names_may_have_a_prefix() -> None:
    shown = "<x:si><x:t>id</x:t></x:si><x:si><x:t>shown</x:t></x:si>"
    assert unseen(shown, prefix="x:") == []
    assert unseen(shown + "<x:si><x:t>left behind</x:t></x:si>", prefix="x:") == [UNUSED]
