"""Kind -> kernel. A kernel gives the rows that break the rule, or None where none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contracts.model import RowRule
from contracts.normalise.buffers import Mask
from contracts.rules import codes, several, single
from contracts.rules.frame import Frame

Kernel = Callable[[RowRule, Frame], Mask | None]

KERNELS: Mapping[str, Kernel] = {
    "required": single.required,
    "required_if": single.required_if,
    "forbidden_if": single.forbidden_if,
    "any_present": single.any_present,
    "enum": single.enum,
    "enum_if": single.enum_if,
    "code_list": single.code_list,
    "pattern": single.pattern,
    "length": single.length,
    "range": single.value_range,
    "date_not_future": single.date_not_future,
    "reference_feed": single.reference_feed,
    "compare": several.compare,
    "prefix_of": several.prefix_of,
    "year_of": several.year_of,
    "sum_equals": several.sum_equals,
    "ratio": several.ratio,
    "same_unit": several.same_unit,
    "uscc": codes.social_credit_code,
    "uscc_organisation": codes.uscc_organisation,
    "uscc_category": codes.uscc_category,
    "organisation_code": codes.organisation_code,
    "division": codes.division,
}

ELSEWHERE = frozenset({"type", "unique", "group_sum"})
"""Kinds judged elsewhere: `type` where the field is read, `unique` and `group_sum` over the whole batch
(`contracts.checks.duplicates`, `contracts.checks.groups`)."""
