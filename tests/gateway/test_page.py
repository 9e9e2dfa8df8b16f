"""docs/push-a-feed.md, followed word for word; its Chinese sister has the same blocks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from hub.cli import shell
from hub.settings import ROOT
from tests.gateway.house import FEED, numbered
from tests.warehouse.conftest import Hub

PAGES = [ROOT / "docs" / name for name in ("push-a-feed.md", "push-a-feed.zh-CN.md")]


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"```(\w+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_both_pages_have_the_same_blocks() -> None:
    assert blocks(PAGES[0]) == blocks(PAGES[1])


def test_the_page_is_followed_word_for_word(
    url: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "office"
    place.mkdir()
    monkeypatch.chdir(place)
    (place / "findings.ndjson").write_bytes(numbered(3))
    kid, receipts = "", []
    for kind, text in blocks(PAGES[0]):
        told = text.replace("http://127.0.0.1:8088", url).replace("FEED", FEED).replace("KID", kid)
        if kind == "sh":
            for line in told.splitlines():
                words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line.removeprefix("hub "))]
                done = CliRunner().invoke(shell, words)
                assert done.exit_code == 0, (line, done.output, done.exception)
                kid = re.findall(r"^kid (\S+)", done.output, re.MULTILINE)[0] if "keygen" in line else kid
            continue
        program = [sys.executable, "-c", told] if kind == "python" else ["bash", "-euo", "pipefail", "-c", told]
        ran = subprocess.run(program, capture_output=True, text=True, check=False, env=_plain())
        assert ran.returncode == 0, ran.stderr
        receipts.append(ran.stdout)
        if kind == "python":
            (place / "jwks.json").write_bytes(httpx.get(f"{url}/.well-known/jwks.json", trust_env=False).content)
    assert receipts[0].startswith("202 ") and json.loads(receipts[1])["state"] == "landed"
    assert [row[0] for row in hub.all("select idempotency_key from hub.push order by received_at")] == [
        "2026-11",
        "2026-12",
    ]


def _plain() -> dict[str, str]:
    import os

    return {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "PYTHONPATH": str(ROOT),
    }
