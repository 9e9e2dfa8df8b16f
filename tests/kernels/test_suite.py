"""The judge on a real Great Expectations."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from contracts.model import BatchRule, FeedContract
from contracts.page import BatchMetrics
from contracts.suite import KINDS, facts, from_facts, judge, judging
from contracts.suite.errors import BatchRuleNotRunnable, JudgeFailed
from contracts.suite.judging import _Judge
from contracts.suite.observations import OBSERVERS
from hub.errors import HubError
from hub.ids import RuleId
from tests.kernels.making import checker, contract, page, rule, spec
from warehouse.checking.metrics import why_held

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIELDS = [
    spec("id"),
    spec("amount", "decimal", precision=18, scale=2),
    spec("on", "date"),
    spec("at", "timestamp"),
    spec("kind"),
]


def metrics(**more: Any) -> BatchMetrics:
    own: dict[str, Any] = {
        "rows_in": 100,
        "rows_good": 80,
        "rows_bad": 15,
        "rows_refused": 5,
        "broken": {RuleId("a.required"): 10},
        "nulls": {"amount": 8},
        "sums": {"amount": Decimal("720.00")},
        "minima": {"on": date(2026, 1, 1), "amount": Decimal("-1.00")},
        "maxima": {"on": date(2026, 11, 21), "at": datetime(2026, 11, 22, 10, tzinfo=UTC), "amount": Decimal("99.00")},
        "counts": {"kind": {"a": 60, "b": 20}},
        "named": {"kind": {"a": 60, "b": 20, "c": 0}},
        "duplicates_identical": 4,
        "duplicates_conflicting": 2,
    }
    return BatchMetrics(**(own | more))


BEFORE = metrics(rows_in=200, sums={"amount": Decimal(1440)}, counts={"kind": {"a": 40, "b": 40}})

# kind -> arguments that this batch keeps, arguments that it breaks
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "row_count": ({"min": 100, "max": 100}, {"min": 101}),
    "row_count_change": ({"max_drop": 0.5}, {"max_drop": 0.4}),
    "bad_share": ({"max": 0.15}, {"max": 0.149}),
    "refused_share": ({"max": 0.05}, {"max": 0}),
    "rule_share": ({"rule": "a.required", "max": "0.1"}, {"rule": "a.required", "max": 0.09}),
    "null_share": ({"field": "amount", "max": 0.1}, {"field": "amount", "max": 0.09}),
    "total": ({"field": "amount", "min": "720", "max": 720}, {"field": "amount", "max": "719.99"}),
    "total_change": ({"field": "amount", "max_drop": 0.5, "max_rise": 1}, {"field": "amount", "max_drop": 0.1}),
    "average": ({"field": "amount", "min": 10, "max": 10}, {"field": "amount", "min": 10.01}),
    "value_range": ({"field": "on", "min": "2026-01-01", "max": "2026-11-21"}, {"field": "on", "max": "2026-11-20"}),
    "duplicates": ({"max_identical": 0.04, "max_conflicting": 0.02}, {"max_identical": 1, "max_conflicting": 0}),
    "value_share": ({"field": "kind", "value": "a", "max": 0.75}, {"field": "kind", "value": "c", "min": 0.01}),
    "values_present": ({"field": "kind", "values": ["a", "b"]}, {"field": "kind", "values": ["a", "c"]}),
    "distribution_change": ({"field": "kind", "max": 0.25}, {"field": "kind", "max": 0.24}),
    "freshness": ({"field": "at", "max_hours": 2}, {"field": "on", "max_hours": 24}),
}


def feed(*rules: BatchRule) -> FeedContract:
    return contract(FIELDS, rules=[rule("a.required", "required", ["id"])], batch=rules)


def batch_rule(kind: str, args: dict[str, Any], name: str = "the_rule", **more: Any) -> BatchRule:
    return BatchRule(RuleId(name), kind, args, label_zh="规则", label_en="a rule", **more)


def test_every_kind_has_an_observer_and_a_case() -> None:
    assert set(KINDS) == set(OBSERVERS) == set(CASES)
    known = {field.name: field for field in FIELDS}
    for kind, cases in CASES.items():
        for args in cases:
            assert KINDS[kind].problems(args, [], known) == []


def test_every_kind_is_kept_and_broken() -> None:
    rules = [
        batch_rule(kind, args, f"{kind}.{word}")
        for kind, pair in CASES.items()
        for word, args in zip(("keep", "break"), pair, strict=True)
    ]
    verdicts = judge(feed(*rules), metrics(), previous=BEFORE, docs_dir=None, batch_id="b", now=NOW)
    assert [verdict.rule for verdict in verdicts] == [one.id for one in rules]
    assert {verdict.rule: verdict.passed for verdict in verdicts} == {one.id: one.id.endswith(".keep") for one in rules}
    told = {verdict.rule: (verdict.observed, verdict.expected) for verdict in verdicts}
    assert told["row_count_change.keep"] == ("-0.5 (200 → 100)", "≥ -0.5")
    assert told["values_present.break"] == ("missing: c", "none missing")
    for verdict in verdicts:
        assert not re.search(r"[A-Za-z]{3}", f"{verdict.observed_zh} {verdict.expected_zh}"), verdict
    said = why_held(replace(verdict, gate=True) for verdict in verdicts)
    assert "values_present.break: missing: c, due none missing" in said
    assert "values_present.break）：实际 缺少：c，应 不缺" in said.zh and ".keep" not in said + said.zh


def test_the_first_batch_has_nothing_to_be_compared_with() -> None:
    rules = [
        batch_rule(kind, CASES[kind][1], kind) for kind in ("row_count_change", "total_change", "distribution_change")
    ]
    verdicts = judge(feed(*rules), metrics(), previous=None, docs_dir=None, batch_id="b", now=NOW)
    assert [verdict.passed for verdict in verdicts] == [True, True, True]
    assert verdicts[0].observed == "no batch before to compare with"
    assert [verdict.observed_zh for verdict in verdicts] == ["没有可比较的上一批次"] * 3
    assert not any(verdict.judged for verdict in verdicts)


def test_a_batch_before_without_rows_is_told_as_such() -> None:
    empty = metrics(rows_in=0, rows_good=0, sums={}, counts={})
    rules = [batch_rule(kind, CASES[kind][1], kind) for kind in ("row_count_change", "total_change")]
    rules.append(batch_rule("distribution_change", CASES["distribution_change"][1], "distribution_change"))
    verdicts = judge(feed(*rules), metrics(), previous=empty, docs_dir=None, batch_id="b", now=NOW)
    assert [verdict.passed for verdict in verdicts] == [True, True, True]
    assert [verdict.observed for verdict in verdicts] == [
        "nothing to compare with: 0 in the batch before",
        "nothing to compare with: 0 in the batch before",
        "nothing to compare with: no value in one of the two batches",
    ]


def many(values: list[list[str]], *rules: BatchRule) -> BatchMetrics:
    """The figures of a batch whose pages hold these values, counted as the way counts them."""
    made = feed(*rules)
    judge_rows = checker(made)
    whole = BatchMetrics()
    for ordinal, kinds in enumerate(values):
        columns = {name: [None] * len(kinds) for name in ("amount", "on", "at")}
        ids = [f"{ordinal}-{number}" for number in range(len(kinds))]
        whole.merge(judge_rows.check(page({"id": ids, **columns, "kind": kinds}, ordinal=ordinal)).metrics)
    return whole


def test_values_that_rules_name_are_counted_however_many_there_are() -> None:
    present = batch_rule("values_present", {"field": "kind", "values": ["late", "rare"]}, "present")
    share = batch_rule("value_share", {"field": "kind", "value": "late", "min": 0.3, "max": 0.4}, "share")
    first = [f"v{number}" for number in range(999)]
    pages = [[*first, "rare"], ["late"] * 500, [f"w{number}" for number in range(2_000)] + ["rare"]]
    figures = many(pages[:2], present, share)
    assert figures.rows_good == 1_500
    verdicts = judge(feed(present, share), figures, previous=None, docs_dir=None, batch_id="b", now=NOW)
    assert [(verdict.rule, verdict.passed, verdict.observed) for verdict in verdicts] == [
        ("present", True, "all present"),
        ("share", True, "0.333333"),
    ]
    wide = many([pages[2], pages[1]], present)  # the page alone has more values than are counted
    assert judge(feed(present), wide, previous=None, docs_dir=None, batch_id="b", now=NOW)[0].passed
    assert from_facts(json.loads(json.dumps(facts(wide)))) == wide


def test_distributions_of_more_values_than_are_counted_are_not_compared() -> None:
    moved = batch_rule("distribution_change", {"field": "kind", "max": 0}, "moved")
    few = many([["a", "b"]], moved)
    for spread in (
        [[f"v{number}" for number in range(1_001)]],
        [[f"v{number}" for number in range(1_000)], ["late"] * 5],
    ):
        many_values = many(spread, moved)
        for now, before in ((many_values, few), (few, many_values), (many_values, many_values)):
            (verdict,) = judge(feed(moved), now, previous=before, docs_dir=None, batch_id="b", now=NOW)
            assert verdict.passed
            assert verdict.observed == "nothing to compare: more than 1000 values"
    (verdict,) = judge(feed(moved), many([["a"]], moved), previous=few, docs_dir=None, batch_id="b", now=NOW)
    assert not verdict.passed


def test_an_empty_batch() -> None:
    rules = [batch_rule(kind, pair[0], kind) for kind, pair in CASES.items()]
    verdicts = judge(feed(*rules), BatchMetrics(), previous=BEFORE, docs_dir=None, batch_id="b", now=NOW)
    broken = {verdict.rule for verdict in verdicts if not verdict.passed}
    assert {"row_count", "row_count_change", "total", "values_present", "freshness"} <= broken


def test_metrics_go_to_json_and_back() -> None:
    assert from_facts(json.loads(json.dumps(facts(metrics())))) == metrics()


def test_failed_is_not_error() -> None:
    with pytest.raises(BatchRuleNotRunnable):
        judge(feed(batch_rule("sorcery", {})), metrics(), previous=None, docs_dir=None, batch_id="b", now=NOW)
    rules = feed(batch_rule("row_count", {"min": 1}))
    with (
        mock.patch.object(_Judge, "_validated", side_effect=RuntimeError("no context")),
        pytest.raises(JudgeFailed) as caught,
    ):
        judge(rules, metrics(), previous=None, docs_dir=None, batch_id="b", now=NOW)
    assert isinstance(caught.value, HubError)
    assert "no context" in caught.value.sentence()
    # A rule that raised inside Great Expectations was not judged either.
    with mock.patch.object(_Judge, "_expectation", _on_a_missing_column), pytest.raises(JudgeFailed) as caught:
        judge(rules, metrics(), previous=None, docs_dir=None, batch_id="b-17", now=NOW)
    assert caught.value.facts["batch"] == "b-17"
    assert judge(rules, metrics(), previous=None, docs_dir=None, batch_id="b", now=NOW)[0].passed


def test_a_figure_is_judged_and_told_as_great_expectations_own_expectation_does_it() -> None:
    """Ours asks for the figures once instead of thirteen times a column; verdict, result and page stay what they are."""
    held = judging._Judge.make()
    instant = datetime(2026, 11, 22, 12)
    figures = {"inside": 2.0, "least": 1.0, "greatest": 3.0, "below": 0.5, "above": 3.5, "none": None, "free": -9.0}
    bounds: dict[str, tuple[Any, Any]] = dict.fromkeys(figures, (1.0, 3.0)) | {"free": (None, 0.0)}
    table = held.pandas.DataFrame(
        {name: [value] for name, value in figures.items()} | {"at": [instant], "late": [instant], "never": [None]}
    )
    bounds |= {"at": (None, instant), "late": (None, datetime(2026, 1, 1)), "never": (None, instant)}
    found = []
    for kind in (held.gx.expectations.ExpectColumnValuesToBeBetween, held.expectation):
        suite = [
            kind(column=name, min_value=low, max_value=high, meta={"rule": name})
            for name, (low, high) in bounds.items()
        ]
        result = held._validated("some_feed batch", table, suite)
        told = {one.expectation_config.meta["rule"]: (one.success, one.result) for one in result.results}
        found.append((told, result.success, result.statistics, _without_ids(held._page(result))))
    assert found[0] == found[1]
    assert {name for name, (passed, _) in found[1][0].items() if not passed} == {"below", "above", "late"}


def _without_ids(page_text: str) -> str:
    return re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{8}T\d{6}\.\d+Z|\d{4}-\d\d-\d\d[T ][\d:.+Z]+", "", page_text
    )


def _on_a_missing_column(self: _Judge, one: BatchRule, _: Any) -> Any:
    return self.gx.expectations.ExpectColumnValuesToBeBetween(column="absent", min_value=0, meta={"rule": one.id})


def test_nothing_is_loaded_or_sent_where_no_rule_asks() -> None:
    assert judge(contract(FIELDS), metrics(), previous=None, docs_dir=None, batch_id="b", now=NOW) == []


def test_nothing_is_sent(tmp_path: Path) -> None:
    """Not on import, not on judging, not on rendering: in a process of its own, where any connection is an error."""
    code = """
import socket, sys
from pathlib import Path
def refuse(*args, **kwargs):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from contracts.suite import judge
from tests.kernels.test_suite import NOW, batch_rule, feed, metrics
made = feed(batch_rule("row_count", {"min": 1}))
verdicts = judge(made, metrics(), previous=None, docs_dir=Path(sys.argv[1]), batch_id="b", now=NOW)
print(verdicts[0].passed, any(name.startswith("posthog") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False"], done.stderr[-2000:]


def test_importing_the_package_costs_nothing_heavy() -> None:
    code = "import sys, contracts.suite, contracts.rules, contracts.gate, contracts.normalise; print([m for m in ('great_expectations', 'pandas', 'pyarrow', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
