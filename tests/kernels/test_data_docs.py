"""Data Docs: which batches have a page, what it says, that nothing in it leads outside, and that they end growing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from lxml import html

from contracts.model import BatchRule
from contracts.page import BatchMetrics
from contracts.suite import judge, pages
from contracts.suite.judging import _Judge
from contracts.suite.pages import cleaned
from hub import log
from hub.ids import RuleId
from tests.kernels.test_suite import CASES, NOW, batch_rule, feed, metrics


def test_data_docs_lead_and_load_nowhere_outside(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)> $x ${y} {{7*7}} \0"
    rules = [
        batch_rule("row_count", {"min": 1}, "rows", gate=True),
        BatchRule(RuleId("bad"), "bad_share", {"max": 0}, label_zh=hostile, label_en="http://evil.example"),
    ]
    figures = metrics(samples={RuleId("a.required"): [hostile]})
    made = feed(*rules)
    for number in range(2):
        judge(made, figures, previous=None, docs_dir=tmp_path, batch_id=f"batch-{number}", now=NOW, every_page=True)
    found = sorted(tmp_path.rglob("*.html"))
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["index.html", *(f"{made.id}/{name}.html" for name in ("batch-0", "batch-1", "index"))]
    for path in found:
        text = path.read_text(encoding="utf-8")
        tree = html.document_fromstring(text)
        for element in tree.iter():
            if not isinstance(element.tag, str):
                continue
            assert element.tag not in {"script", "img", "iframe", "svg", "form", "object"}
            for name, value in element.attrib.items():
                assert not name.startswith("on")
                assert "//" not in value
            for name in ("href", "src"):
                target = element.get(name)
                assert target is None or (path.parent / target).is_file(), target
        assert not re.search(r"@import|url\(", text)
    told = html.document_fromstring((tmp_path / made.id / "batch-1.html").read_text(encoding="utf-8")).text_content()
    assert "<script>alert(1)</script>" in told  # shown, not run
    assert "a.required" in told
    assert "0.15" in told
    assert "batch-1" in (tmp_path / made.id / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|//[a-z]", (tmp_path / "docs.css").read_text(encoding="utf-8"))


@pytest.mark.parametrize("verdict", ["passed", "failed", "held"])
def test_a_page_of_data_docs_says_one_thing_from_top_to_bottom(tmp_path: Path, verdict: str) -> None:
    """Rows that break row rules are in quarantine: no page of a batch that passed calls anything failed."""
    most = 100 if verdict == "passed" else 99
    rules = [batch_rule("row_count", {"max": most}, "few", gate=verdict == "held"), batch_rule("bad_share", {"max": 1})]
    made = feed(*rules)
    figures = metrics(samples={RuleId("a.required"): ["K1", "K2"]})
    judge(made, figures, previous=None, docs_dir=tmp_path, batch_id="b", now=NOW, every_page=True)
    text = (tmp_path / made.id / "b.html").read_text(encoding="utf-8")
    tree = html.document_fromstring(text)
    said = tree.text_content()
    words = {"passed": "通过 passed", "failed": "未通过 failed", "held": "挂起 held"}
    for one, word in words.items():
        shown = [element for element in tree.iter("td", "b") if element.text_content() == word]
        assert bool(shown) is (one == verdict or (one == "passed")), "a rule that is kept is told as kept"
    assert [b.text_content() for b in tree.iter("b")] == [words[verdict]]
    assert ("Failed" in said) is (verdict != "passed") and ("Succeeded" in said) is (verdict == "passed")
    (tally,) = [row.text_content() for row in tree.iter("tr") if "a.required" in row.text_content()]
    assert "10" in tally and "K1, K2" in tally
    assert ("等待指定人员" in said) is (verdict == "held")
    # Nothing that would need a script, and no table without its rows.
    assert not re.search(r"Show (All|more)|Failed Only|Table of Contents|Validation Filter", said)
    assert all(table.findall(".//td") for table in tree.iter("table"))
    index = html.document_fromstring((tmp_path / made.id / "index.html").read_text(encoding="utf-8"))
    assert words[verdict] in index.text_content()


@pytest.mark.parametrize(
    "torn", ['{"batch": "b', "[]", '{"batch": 1}', "\x00\x00", '{"batch": "b", "at": 3, "verdict": null}']
)
def test_a_torn_line_of_data_docs_stops_no_later_batch(tmp_path: Path, torn: str) -> None:
    made = feed(batch_rule("row_count", {"min": 1}))
    judge(made, metrics(), previous=None, docs_dir=tmp_path, batch_id="batch-0", now=NOW)
    with (tmp_path / made.id / "batches.jsonl").open("a", encoding="utf-8") as file:
        file.write(torn)
    for name in ("batch-1", "batch-2"):
        assert judge(made, metrics(), previous=None, docs_dir=tmp_path, batch_id=name, now=NOW)[0].passed
    index = (tmp_path / made.id / "index.html").read_text(encoding="utf-8")
    assert all(f"{name}.html" in index for name in ("batch-0", "batch-1", "batch-2"))


def test_the_list_of_batches_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "INDEX_ROWS", 3)
    for number in range(5):
        batch = {"id": f"batch-{number}", "at": NOW.isoformat(), "verdict": "passed"}
        pages.write_pages(tmp_path, {"id": "some_feed", "zh": "某", "en": "some"}, batch, "", None)
        pages.write_pages(tmp_path, {"id": "some_feed", "zh": "某", "en": "some"}, batch, "", None)  # judged again
    lines = (tmp_path / "some_feed" / "batches.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["batch"] for line in lines] == ["batch-2", "batch-3", "batch-4"]
    # Those in which all was kept crowd out no page, and a page that no list names is gone.
    monkeypatch.setattr(pages, "CLEAN_ROWS", 2)
    for number in range(5):
        batch = {"id": f"clean-{number}", "at": NOW.isoformat(), "verdict": "passed"}
        pages.write_pages(tmp_path, {"id": "some_feed", "zh": "某", "en": "some"}, batch, None, None)
    lines = (tmp_path / "some_feed" / "batches.jsonl").read_text(encoding="utf-8").splitlines()
    named = [json.loads(line)["batch"] for line in lines]
    assert named == ["batch-2", "batch-3", "batch-4", "clean-3", "clean-4"]
    there = sorted(path.stem for path in (tmp_path / "some_feed").glob("*.html"))
    assert there == ["batch-2", "batch-3", "batch-4", "index"]


def test_only_what_broke_something_has_a_page_and_one_that_is_judged_anew_loses_it(tmp_path: Path) -> None:
    made = feed(batch_rule("row_count", {"min": 5}))
    clean = BatchMetrics(rows_in=9, rows_good=9)
    page = tmp_path / made.id / "b.html"

    def shown(figures: BatchMetrics, *, every: bool = False) -> str:
        judge(made, figures, previous=None, docs_dir=tmp_path, batch_id="b", now=NOW, every_page=every)
        linked = 'href="b.html"' in (tmp_path / made.id / "index.html").read_text(encoding="utf-8")
        linked_first = f'href="{made.id}/b.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
        assert linked is linked_first is page.is_file()
        return page.read_text(encoding="utf-8") if page.is_file() else ""

    assert shown(clean) == ""
    for figures in (
        replace(clean, broken={RuleId("a.required"): 1}),
        replace(clean, rows_refused=1),
        replace(clean, duplicates_identical=1),
    ):
        text = shown(figures)
        assert "<details>" not in text and len(text) < 12_000, "thin: no batch rule is broken"
    assert "<details>" in shown(BatchMetrics(rows_in=2, rows_good=2)), "what Great Expectations says of it"
    assert "<details>" in shown(clean, every=True)
    assert shown(clean) == ""


def test_data_docs_that_cannot_be_written_stop_no_judgement(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    (tmp_path / "file").write_text("", encoding="utf-8")
    made = feed(batch_rule("row_count", {"min": 1}))
    for broken in (
        mock.patch.object(pages, "write_pages", side_effect=PermissionError("no")),
        mock.patch.object(_Judge, "_page", side_effect=ValueError("no")),
    ):
        with broken:
            more = {"docs_dir": tmp_path / "docs", "batch_id": "b", "now": NOW, "every_page": True}
            assert judge(made, metrics(), previous=None, **more)[0].passed  # type: ignore[arg-type]
    assert judge(made, metrics(), previous=None, docs_dir=tmp_path / "file", batch_id="b", now=NOW)[0].passed
    assert capfd.readouterr().err.count("data_docs_not_written") == 3


def test_cleaning_keeps_text_and_drops_the_rest() -> None:
    page = '<html><body onload="x()"><!-- c --><p style="x" onclick="y()">a<script>b</script>c</p><a href="https://x">d</a></body></html>'
    assert cleaned(page) == "<p>ac</p>d"


def test_a_page_says_where_there_was_nothing_to_compare_with(tmp_path: Path) -> None:
    rules = [batch_rule(kind, CASES[kind][1], kind) for kind in ("row_count_change", "distribution_change")]
    rules += [batch_rule(kind, CASES[kind][0], kind) for kind in ("average", "duplicates", "value_range")]
    made = feed(*rules)
    figures = metrics(rows_good=8)  # none of them has an amount
    verdicts = judge(made, figures, previous=None, docs_dir=tmp_path, batch_id="b", now=NOW, every_page=True)
    assert [verdict.judged for verdict in verdicts] == [False, False, False, True, True]
    tree = html.document_fromstring((tmp_path / made.id / "b.html").read_text(encoding="utf-8"))
    results = {row[0]: row[-1] for row in ([cell.text_content() for cell in line.findall("td")] for line in tree.iter("tr")) if len(row) == 5}  # fmt: skip
    assert results == {
        "row_count_change": "无可比较 nothing to compare with",
        "distribution_change": "无可比较 nothing to compare with",
        "average": "无可判定 nothing to judge",
        "duplicates": "通过 passed",
        "value_range": "通过 passed",
    }
    assert "5; 2 kept, 3 had nothing" in tree.text_content()
    # Two figures of one rule: each says what it is, in both languages.
    assert (verdicts[3].observed, verdicts[3].observed_zh) == (
        "identical 0.04 (4 rows); conflicting 0.02 (2 rows)",
        "内容相同 0.04（4 行）；内容不同 0.02（2 行）",
    )
    assert verdicts[4].observed == "least 2026-01-01; greatest 2026-11-21"
