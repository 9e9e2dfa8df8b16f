"""Code lists of two versions: what goes, comes or is called otherwise is told of every contract that rests on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from contracts import codes, reader
from contracts.codes import CodeList
from contracts.diff import compare
from contracts.diff.lists import lists_of, used
from contracts.model import FeedContract, RowRule
from hub.ids import RuleId
from tests.contracts.sample import SAMPLE, folder, write

ROWS = {"110000": ("北京市", "1"), "120000": ("天津市", "1"), "130000": ("河北省", "0")}
CHANGES = {
    "codes_removed": {"110000": ROWS["110000"], "130000": ROWS["130000"]},
    "codes_added": {**ROWS, "140000": ("山西省", "1")},
    "codes_ended": {**ROWS, "120000": ("天津市", "0")},
    "codes_revived": {**ROWS, "130000": ("河北省", "1")},
    "code_words_changed": {**ROWS, "120000": ("天津", "1")},
}


def list_of(rows: dict[str, tuple[str, str]]) -> CodeList:
    told = {code: {"code": code, "name_zh": name, "current": current} for code, (name, current) in rows.items()}
    return CodeList("divisions", {}, told)


@pytest.fixture
def base(tmp_path: Path) -> FeedContract:
    folder(tmp_path)
    return reader.read(write(tmp_path, "audit_samples", SAMPLE), root=tmp_path)


@pytest.mark.parametrize("kind", CHANGES)
def test_each_change_of_a_list_is_told_once_and_alone(base: FeedContract, kind: str) -> None:
    before, after = {"divisions": list_of(ROWS)}, {"divisions": list_of(CHANGES[kind])}
    (change,) = compare(base, base, (before, after))
    assert (change.kind, change.where) == (kind, "divisions")
    assert change.breaking is (kind == "codes_removed")
    named = next(code for code in {**ROWS, **CHANGES[kind]} if ROWS.get(code) != CHANGES[kind].get(code))
    assert named in change.sentence() and named in change.sentence("zh")
    assert compare(base, base, (after, after)) == compare(base, base) == []


def test_a_code_that_no_event_bears_may_go(base: FeedContract) -> None:
    lists = {"divisions": list_of(ROWS)}, {"divisions": list_of(CHANGES["codes_removed"])}
    hidden = replace(base, fields=tuple(replace(spec, published=False) for spec in base.fields))
    for inside in (hidden, replace(base, publish="reference")):
        assert [change.kind for change in compare(inside, inside, lists)] == ["codes_removed_inside"]
    fields = tuple(replace(spec, code_list=None) for spec in base.fields)
    rule = RowRule(RuleId("x"), "code_list", ("unit_uscc",), {"list": "divisions"})
    by_rule = replace(base, fields=fields, row_rules=(rule,))
    assert used(by_rule) == {"divisions": True}, "a rule on a published field is a list that its readers meet"
    assert [change.kind for change in compare(by_rule, by_rule, lists)] == ["codes_removed"]


def test_a_list_that_cannot_be_read_is_the_lints_to_tell(base: FeedContract, tmp_path: Path) -> None:
    codes._load.cache_clear()
    assert set(lists_of(base, tmp_path)) == {"divisions"}
    codes._load.cache_clear()
    (tmp_path / "codes" / "divisions.csv").write_text("no head\n", encoding="utf-8")
    assert lists_of(base, tmp_path) == {}
