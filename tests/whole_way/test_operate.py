"""docs/operate.md, followed word for word: the operator's desk on real parts, from a broken row to a record taken down."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.settings import ROOT, Settings
from tests.whole_way.following import at_a_desk, blocks, heads
from warehouse import engine
from warehouse.engine import connection
from warehouse.tables import act

PAGES = ("operate.md", "operate.zh-CN.md")


def test_both_pages_say_the_same_to_type() -> None:
    english, chinese = PAGES
    assert blocks(english) == blocks(chinese) and len(blocks(english)) > 24
    assert heads(english) == heads(chinese)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)", (ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert links and all((ROOT / "docs" / link).is_file() for link in links)


@pytest.mark.stack
def test_the_page_can_be_followed(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = at_a_desk(tmp_path, monkeypatch)
    told = json.dumps(blocks("operate.md"), ensure_ascii=False)
    desk.follows("operate.md")
    assert desk.shell("git status --porcelain") == ""
    with connection() as conn:
        done = conn.execute(sa.select(act.c.action, act.c.operator)).all()
    # Who decided what stands on record: the page's operator, and for each command that it says decides something.
    assert {operator for _, operator in done} == {"A. Steward"}
    for action in ("fix", "replay", "rerun", "pause", "resume", "backfill", "apply", "takedown", "snapshot"):
        assert action in told and action in {name for name, _ in done}, action
    engine.dispose()
