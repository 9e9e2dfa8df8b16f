"""docs/add-a-feed.md, followed word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.settings import Settings
from tests.whole_way.following import at_a_desk, blocks, heads
from warehouse import engine


def test_both_pages_say_the_same_to_type() -> None:
    english, chinese = "add-a-feed.md", "add-a-feed.zh-CN.md"
    assert blocks(english) == blocks(chinese) and len(blocks(english)) > 12
    assert heads(english) == heads(chinese)


@pytest.mark.stack
def test_the_page_can_be_followed(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = at_a_desk(tmp_path, monkeypatch)
    desk.follows("add-a-feed.md")
    assert desk.shell("git status --porcelain") == ""
    engine.dispose()
