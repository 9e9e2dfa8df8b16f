"""A contract's page: what it tells, and that a hostile contract can tell nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model import RowRule
from dags.words import MAX_ROWS, MAX_TEXT, contract_in_words, escaped
from hub.ids import RuleId
from tests.dags.made import contract

HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/pixel.png)",
    "https://evil.example/login",
    "www.evil.example",
    "someone@evil.example",
    "a | b\n\n# heading",
    "`code` **bold** ~~gone~~ {{ 7*7 }}",
    "&lt;b&gt;",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_and_does_nothing(text: str) -> None:
    page = contract_in_words(
        replace(contract("evil"), name_zh=text, purpose_en=text, terms={"support": text, "team": text})
    )
    assert _Tags.of(page) == []
    assert "](" not in page
    assert "://" not in page
    assert "{{" not in page
    assert "www." not in page
    assert "@" not in page
    assert "\u202e" not in page
    assert not re.search(r"^# heading", page, re.MULTILINE)


@given(st.text(max_size=MAX_TEXT * 2))
def test_escaping_keeps_one_bounded_line_and_every_mark_is_escaped(text: str) -> None:
    out = escaped(text)
    assert "\n" not in out
    assert "\r" not in out
    assert not re.search(r"[<>@:./]", out)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_|\[\]()!~$]", out)


@given(st.text(max_size=200))
def test_no_page_can_name_a_file_to_be_read(text: str) -> None:
    # Airflow opens the file where a page's text ends in ".md".
    made = replace(contract("evil"), purpose_en=text, name_en=text + ".md", terms={"team": "/etc/x.md"})
    assert not contract_in_words(made).endswith(".md")


def test_the_page_tells_the_contract() -> None:
    made = contract("told")
    page = contract_in_words(made)
    for text in (made.name_zh, made.purpose_zh, made.owner, made.sla.schedule or "", *made.key, made.subject):
        assert escaped(text) in page
    assert escaped(made.topic.name) in page
    assert all(escaped(spec.name) in page and escaped(spec.label_zh) in page for spec in made.fields)
    assert all(escaped(rule.label_zh) in page and escaped(rule.label_en) in page for rule in made.row_rules)
    assert "interval_start" in page
    assert "hub quarantine" in page


def test_a_contract_with_many_rules_makes_no_endless_page() -> None:
    rules = tuple(
        RowRule(id=RuleId(f"r{number}"), kind="required", fields=("a",), label_zh="则" * 5000, label_en="x" * 5000)
        for number in range(3000)
    )
    page = contract_in_words(replace(contract("long"), row_rules=rules))
    assert f"+{3002 - MAX_ROWS}" in page
    assert len(page) < MAX_ROWS * MAX_TEXT * 3


class _Tags(HTMLParser):
    """Collects the tags that a viewer which lets HTML through would see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    @classmethod
    def of(cls, text: str) -> list[str]:
        parser = cls()
        parser.feed(text)
        return parser.seen
