"""Data Docs as they are served: no address outside, every link resolves, nothing but the pages is to be had."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import pytest
from lxml import html as lxml_html
from typer.testing import CliRunner

from contracts.commands import docs
from contracts.page import BatchMetrics
from contracts.suite import judge, serving
from contracts.suite.errors import DocsPortTaken
from hub.settings import ROOT
from tests.warehouse.feeds import HELD, contract

OUTSIDE = re.compile(r"""(?:https?:)?//[^\s"'<>]+|\burl\(|@import""")


@dataclass
class Site:
    port: int
    folder: Path

    def get(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], str]:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            conn.putrequest(method, path, skip_host=True)
            conn.putheader("Host", host or f"127.0.0.1:{self.port}")
            conn.endheaders()
            answer = conn.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read().decode()
        finally:
            conn.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data_docs"
    (tmp_path / "secret.html").write_text("secret")
    with serving.server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(server.server_port, folder)
        server.shutdown()


def fill(folder: Path) -> None:
    for number in range(2):
        for feed in ("sample_one", "sample_two"):
            figures = BatchMetrics(rows_in=7 - number * 5, rows_good=7 - number * 5)
            made = contract(feed, batch_rules=(HELD,), name_zh='<img src="https://outside.example/x.png">')
            now = datetime(2026, 1, 1 + number, tzinfo=UTC)
            every = feed == "sample_two"
            judge(
                made,
                figures,
                previous=None,
                docs_dir=folder,
                batch_id=f"{feed}-{number}",
                now=now,
                every_page=every,
            )


def test_every_link_resolves_and_no_address_leads_outside(site: Site) -> None:
    fill(site.folder)
    seen: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        status, headers, text = site.get(path)
        assert status == 200, path
        assert "default-src 'none'" in headers["content-security-policy"]
        seen[path] = text
        if not headers["content-type"].startswith("text/html"):
            assert not OUTSIDE.search(text)
            continue
        page = lxml_html.document_fromstring(text)
        for element in page.iter():
            assert element.tag not in ("script", "img", "iframe", "object", "form", "base")
            for name, value in element.attrib.items():
                assert not OUTSIDE.search(value), (path, name, value)
                if name in ("href", "src", "action", "data", "srcset", "poster"):
                    waiting.append(urljoin(path, value))
    batches = [path for path in seen if re.search(r"-\d\.html$", path)]
    assert len(batches) == 3 and "/docs.css" in seen
    clean = seen["/sample_one/index.html"]
    assert "sample_one-0" in clean and "sample_one-0.html" not in clean, "all was kept: named, and no page of its own"
    assert all("批次" in seen[path] for path in batches)
    # One format of times on all pages, also on the part that Great Expectations made: the hub's zone, said beside it.
    for path in ("/", "/sample_one/index.html", "/sample_two/index.html", *batches):
        words = lxml_html.document_fromstring(seen[path]).text_content()
        assert "北京时间 Beijing time" in words and not re.search(r"\d\dT\d\d|\+00:00|\dZ\b", words), path
        assert re.search(r"2026-01-0[12] 08:00:00", words), path


def test_the_first_page_says_of_each_feed_its_title_and_how_its_latest_batch_went(site: Site) -> None:
    fill(site.folder)
    late = contract("sample_two", batch_rules=(HELD,), name_zh="样例二", name_en="Sample two")
    figures = BatchMetrics(rows_in=9, rows_good=9)
    judge(
        late,
        figures,
        previous=None,
        docs_dir=site.folder,
        batch_id="sample_two-9",
        now=datetime(2026, 2, 1, tzinfo=UTC),
    )
    earlier = datetime(2025, 1, 1, tzinfo=UTC)
    judge(late, figures, previous=None, docs_dir=site.folder, batch_id="sample_two-8", now=earlier)
    _, _, text = site.get("/")
    page = lxml_html.document_fromstring(text)
    cells = [[cell.text_content() for cell in row.findall("td")] for row in page.iter("tr")][1:]
    assert [row[:1] + row[2:4] for row in cells] == [
        ["sample_one", "sample_one-1", "2026-01-02 08:00:00"],
        ["sample_two", "sample_two-9", "2026-02-01 08:00:00"],
    ], "the latest is the youngest, not the one that was judged last"
    assert cells[1][1] == "样例二 · Sample two" and "<img" in cells[0][1], "a title is text"
    assert cells[0][4] != cells[1][4] and [
        row.get("class") for row in page.iter("td") if row.get("class") not in (None, "name")
    ] == [
        "held",
        "passed",
    ]
    (site.folder / "sample_one" / "latest.json").write_text("{torn", encoding="utf-8")
    judge(
        late,
        figures,
        previous=None,
        docs_dir=site.folder,
        batch_id="sample_two-9",
        now=datetime(2026, 2, 1, tzinfo=UTC),
    )
    assert "sample_one" in site.get("/")[2] and site.get("/sample_one/latest.json")[0] == 404


def test_nothing_but_the_pages_is_to_be_had(site: Site) -> None:
    fill(site.folder)
    (site.folder / ".hidden.html").write_text("secret")
    (site.folder / "link.html").symlink_to(site.folder.parent / "secret.html")
    for path in (
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/sample_one/%2e%2e/%2e%2e/secret.html",
        "/.hidden.html",
        "/link.html",
        "/sample_one/batches.jsonl",
        "//etc/passwd",
        "/%00",
        "/sample_one",
        "/nothing.html",
    ):
        status, _, text = site.get(path)
        assert status == 404 and "secret" not in text and "没有这一页" in text, path
    for host in ("outside.example", f"outside.example:{site.port}", ""):
        assert site.get("/", host=host or ":1")[0] == 421
    assert site.get("/", host=f"localhost:{site.port}")[0] == 200
    assert site.get("/", method="HEAD")[::2] == (200, "")
    assert site.get("/", method="POST")[0] == 501


def test_before_the_first_batch_it_says_so(site: Site) -> None:
    status, _, text = site.get("/")
    assert status == 200 and "尚无批次检查页面" in text and "There are no pages yet" in text


def test_the_command_tells_where_and_serves(tmp_path: Path) -> None:
    fill(tmp_path / "data_docs")
    command = [sys.executable, "-m", "hub", "docs", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env={"PATH": "/usr/bin", "HUB_VAR": str(tmp_path)}, stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[0]
            port = int(address.rstrip("/").rpartition(":")[2])
            assert "sample_one" in Site(port, tmp_path).get("/")[2]
            with pytest.raises(DocsPortTaken):
                serving.server(tmp_path, port)
            refused = CliRunner().invoke(docs.app, ["serve", "--port", str(port)])
            assert isinstance(refused.exception, DocsPortTaken)
        finally:
            process.terminate()
