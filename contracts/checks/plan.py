"""What is to be done to each field, worked out once for a contract and source; and doing it to a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import dates
from contracts.checks.errors import RuleNotRunnable
from contracts.checks.schema import arrow_type
from contracts.model import FeedContract, FieldSpec, SourceSpec
from contracts.normalise.booleans import parse_booleans
from contracts.normalise.buffers import Mask, text_bytes, to_mask
from contracts.normalise.casting import Parsed
from contracts.normalise.column import FieldColumn, TextColumn, constant_column, empty_column, text_column
from contracts.normalise.numbers import parse_numbers, shift_of
from contracts.normalise.registry import DEFAULT_FORMS, STEPS, form_problems
from contracts.normalise.text import STEP_KERNELS, changed_rows
from contracts.normalise.times import parse_dates, parse_timestamps
from hub.said import Said, joined

_BITS = 63  # of the int64 that marks a row's changes
_READERS = {"date": "date", "timestamp": "timestamp", "integer": "number", "decimal": "number", "boolean": "boolean"}
# A field on which one of these rules stands has its own judge of values that a code map does not know.
_JUDGES = frozenset({"enum", "code_list", "pattern", "division", "uscc", "reference_feed"})


def steps_of(spec: FieldSpec) -> list[str]:
    """The steps that may change a field's value, in order."""
    steps = list(spec.normalise)
    if spec.null_values or spec.type in {"date", "timestamp"}:
        steps.append("null")
    if spec.code_map:
        steps.append("code_map")
    if spec.type in _READERS:
        steps.append(_READERS[spec.type])
    if shift_of(spec.unit):
        steps.append("unit")
    return steps


@dataclass(frozen=True)
class ChangeBits:
    """Which bit of `_changes` stands for which step. Where a contract has more than 63 steps a field has one bit."""

    names: tuple[str, ...]
    bits: Mapping[str, int]  # "<field>:<step>" -> bit

    @classmethod
    def of(cls, contract: FeedContract) -> ChangeBits:
        """The bits of a contract, the same for all its sources."""
        every = [f"{spec.name}:{step}" for spec in contract.fields for step in dict.fromkeys(steps_of(spec))]
        if len(every) <= _BITS:
            return cls(tuple(every), {name: bit for bit, name in enumerate(every)})
        names = [f"{spec.name}:*" for spec in contract.fields if steps_of(spec)]
        if len(names) > _BITS:
            names = [*names[: _BITS - 1], "*:*"]
        place = {name: bit for bit, name in enumerate(names)}
        last = len(names) - 1
        return cls(tuple(names), {step: place.get(f"{step.split(':')[0]}:*", last) for step in every})


@dataclass
class Changes:
    """What normalisation changed on one page."""

    bits: ChangeBits
    marks: np.ndarray[tuple[int], np.dtype[np.int64]]
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, step: str, text: TextColumn, over_values: Mask | None) -> None:
        """Notes the values that a step changed."""
        if over_values is None or not over_values.any():
            return
        rows = text.spread(over_values)
        count = int(np.count_nonzero(rows))
        if count == 0:
            return
        label = f"{name}:{step}"
        self.counts[label] = self.counts.get(label, 0) + count
        self.marks |= rows.astype(np.int64) << self.bits.bits[label]


class FieldPlan:
    """One field of one source: from the delivered text to the typed value."""

    def __init__(self, contract: FeedContract, source: SourceSpec, spec: FieldSpec) -> None:
        self.spec = spec
        self.constant = source.constants.get(spec.name)
        self.forms = tuple(source.forms.get(spec.name, ()) or spec.forms or DEFAULT_FORMS[spec.type])
        problems = form_problems(spec.type, self.forms)
        problems += [
            Said(f"there is no step {step!r}", f"没有步骤 {step!r}") for step in spec.normalise if step not in STEPS
        ]
        if problems:
            raise RuleNotRunnable(feed=contract.id, rule=spec.name, reason=joined(problems))
        empties = set(spec.null_values)
        if spec.type in {"date", "timestamp"}:
            empties |= dates.NO_DATES
        self._empties = pa.array(sorted(empties), pa.string())
        self._empty_lengths = np.array(sorted({len(text.encode()) for text in empties} | {0}), dtype=np.int32)
        self._map_from = pa.array(list(spec.code_map), pa.string())
        self._map_to = pa.array(list(spec.code_map.values()), pa.string())
        judged = any(rule.fields[:1] == (spec.name,) and rule.kind in _JUDGES for rule in contract.row_rules)
        self._closed = bool(spec.code_map) and spec.type == "string" and not judged
        self._known_dates: dict[str, date | None] = {}
        # Dates are few and read one by one, so they are always made distinct; other columns where a sample shows few
        # values and there is work to be done on each.
        rules = sum(spec.name in rule.fields and rule.kind not in {"required", "type"} for rule in contract.row_rules)
        work = rules + len(spec.normalise) // 2 + bool(spec.code_map) + (spec.type != "string")
        self._distinct = True if spec.type in {"date", "boolean"} else None if work else False

    def column(self, rows: pa.StringArray | None, size: int, changes: Changes) -> FieldColumn:
        """The field of one page. `rows` is its delivered column, None where there is none."""
        if rows is None:
            text = constant_column(self.constant, size) if self.constant is not None else empty_column(size)
        else:
            text = text_column(rows, distinct=self._distinct)
        name = self.spec.name
        for step in self.spec.normalise:
            after = STEP_KERNELS[step](text.values)
            if after is not None:
                changes.add(name, step, text, changed_rows(text.values, after))
                text = text.with_values(after)
        text = self._without_empties(text, changes)
        failed: dict[str, Mask] = {}
        if self.spec.code_map:
            text = self._mapped(text, changes, failed)
        parsed = self._parse(text)
        if parsed.bad.any():
            failed[f"{name}.type"] = text.spread(parsed.bad)
        if self.spec.type in _READERS:
            changes.add(name, _READERS[self.spec.type], text, parsed.changed)
        if shift_of(self.spec.unit):
            changes.add(name, "unit", text, to_mask(pc.is_valid(parsed.typed)))
        return FieldColumn(self.spec, text, parsed.typed, failed)

    def _without_empties(self, text: TextColumn, changes: Changes) -> TextColumn:
        lengths = text_bytes(text.values).lengths
        if not np.isin(lengths, self._empty_lengths).any():
            return text
        values = text.values
        named = pc.is_in(values, value_set=self._empties) if len(self._empties) else None
        blank = pc.equal(values, "")
        gone = pc.fill_null(pc.or_(blank, named) if named is not None else blank, False)
        if not pc.any(gone).as_py():
            return text
        if named is not None:
            changes.add(self.spec.name, "null", text, to_mask(named) & ~to_mask(blank))
        return text.with_values(pc.if_else(gone, pa.scalar(None, pa.string()), values))

    def _mapped(self, text: TextColumn, changes: Changes, failed: dict[str, Mask]) -> TextColumn:
        values = text.values
        place = pc.index_in(values, value_set=self._map_from)
        mapped = pc.coalesce(self._map_to.take(place), values)
        changes.add(self.spec.name, "code_map", text, changed_rows(values, mapped))
        if self._closed:
            strange = pc.and_(pc.is_valid(mapped), pc.invert(pc.is_in(mapped, value_set=self._map_to)))
            mask = text.spread(to_mask(strange))
            if mask.any():
                failed[f"{self.spec.name}.code_map"] = mask
                mapped = pc.if_else(strange, pa.scalar(None, pa.string()), mapped)
        return text.with_values(mapped)

    def _parse(self, text: TextColumn) -> Parsed:
        values, spec = text.values, self.spec
        if spec.type == "string":
            return _texts(values)
        if spec.type in {"integer", "decimal"}:
            return parse_numbers(values, spec, self.forms)
        if spec.type == "date":
            return parse_dates(values, self.forms, self._known_dates)
        if spec.type == "timestamp":
            return parse_timestamps(values, self.forms, self._known_dates)
        return parse_booleans(values, self.forms)

    @property
    def type(self) -> pa.DataType:
        """The field's Arrow type."""
        return arrow_type(self.spec)


def _texts(values: pa.StringArray) -> Parsed:
    """Text as it is; PostgreSQL can't hold a NUL, so text with one is unreadable."""
    view = text_bytes(values)
    if view.data.size == 0 or int(view.data.min()) > 0:
        return Parsed(values, np.zeros(len(values), dtype=np.bool_))
    bad = to_mask(pc.match_substring(values, "\0"))
    return Parsed(pc.if_else(pa.array(bad), pa.scalar(None, pa.string()), values), bad)
