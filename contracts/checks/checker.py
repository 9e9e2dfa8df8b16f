"""The checker: a page that passed the gate becomes good rows, bad rows with their reasons, and figures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks import canonical, figures
from contracts.checks.errors import RuleNotRunnable
from contracts.checks.groups import group_fields
from contracts.checks.headers import HeaderMap
from contracts.checks.plan import ChangeBits, Changes, FieldPlan
from contracts.checks.quarantine import MALFORMED, bad_rows
from contracts.checks.schema import good_schema
from contracts.codes import CodeList
from contracts.model import FeedContract, RowRule, SourceSpec
from contracts.normalise.buffers import Mask, plain, to_mask
from contracts.normalise.column import FieldColumn
from contracts.page import BatchMetrics, CheckedPage, RawPage
from contracts.rules.frame import Frame, References
from contracts.rules.kernels import ELSEWHERE, KERNELS, Kernel
from hub.ids import RuleId
from hub.said import Said

ACTION = "_action"  # a connector's own column: what the source says is done to the record
_WITHDRAWS = frozenset({"d", "delete"})
_KEEPS = frozenset({"", "i", "a", "m", "r", "u", "append", "insert", "merge", "replace", "update", "upsert"})
ACTION_UNKNOWN = RuleId("_action.enum")
PROBLEMS = "_problems"  # a connector's own column: the columns of a row that break the source's structure, by commas
STRUCTURE = "structure"  # "<field>.structure"; "_row.structure" where the column is no field

Broken = list[tuple[RuleId, Mask]]
Rows = npt.NDArray[np.intp]


class Checker:
    """The checks of one source of a contract. Safe to use from several threads.

    `codes` gives a code list by name, `references` says which values another feed holds (needed only where the
    contract has a `reference_feed` rule), `today` is the day of receipt. Raises RuleNotRunnable where a rule has no
    kernel, HeaderClaimedTwice where two fields claim one header.
    """

    def __init__(
        self,
        contract: FeedContract,
        source: SourceSpec,
        *,
        codes: Callable[[str], CodeList],
        references: References | None,
        today: date,
    ) -> None:
        self._contract = contract
        self._headers = HeaderMap(contract, source)
        self._plans = {spec.name: FieldPlan(contract, source, spec) for spec in contract.fields}
        self._codes, self._references, self._today = codes, references, today
        self._bits = ChangeBits.of(contract)
        self._identity = frozenset({*contract.key, contract.subject})
        self._rules = list(self._runnable())
        self._warnings = {rule.id for rule in contract.row_rules if rule.severity == "warning"}
        self._coded = figures.coded_fields(contract)
        self._schema = good_schema(contract)
        self._grouping = group_fields(contract)

    @property
    def change_steps(self) -> tuple[str, ...]:
        """ "<field>:<step>" in the order of the bits of `_changes`."""
        return self._bits.names

    def check(self, page: RawPage) -> CheckedPage:
        """Aligns, normalises, casts and judges a page.

        Raises UnexpectedColumns, MissingColumns or AmbiguousColumns (the delivery can't be read by this contract).
        A row is bad when it breaks a rule of severity error; `_rules` lists every rule it breaks. A value that could
        not be read counts for no further rule.
        """
        changes = Changes(self._bits, np.zeros(page.table.num_rows, dtype=np.int64))
        columns, action = self._columns(page, changes)
        size = page.table.num_rows
        withdrawn, broken = self._action(action, size)
        frame = Frame(size, columns, self._today, self._codes, self._references, None, self._identity)
        if self._contract.withdrawn_when:
            withdrawn = withdrawn | frame.when(self._contract.withdrawn_when)
        if withdrawn.any():
            frame = replace(frame, exempt=withdrawn)
        broken += self._structure(page)
        broken += self._judge(frame)
        keys = canonical.key_texts([columns[name] for name in self._contract.key])
        errors = [mask for rule, mask in broken if rule not in self._warnings]
        bad: Mask | None = np.logical_or.reduce(errors) if errors else None
        keep = None if bad is None else np.flatnonzero(~bad)
        extra = {
            "_row": page.rows,
            "_key": keys,
            "_withdrawn": pa.array(withdrawn),
            "_changes": pa.array(changes.marks),
        }
        good = self._good(columns, extra, keep)
        metrics = BatchMetrics(rows_in=page.rows_in, rows_good=good.num_rows, changed=changes.counts)
        metrics.rows_bad = page.rows_in - good.num_rows
        figures.add_broken(metrics, broken, keys, page.rows)
        if page.malformed:
            metrics.broken[MALFORMED] = len(page.malformed)
            metrics.samples[MALFORMED] = [f"row {line.row}" for line in page.malformed[: figures.SAMPLES]]
        figures.add_columns(metrics, list(columns.values()), good, keep, self._coded)
        left_out = self._left_out(columns, bad, withdrawn)
        return CheckedPage(page.ordinal, good, bad_rows(page, keys, broken, bad), metrics, self._bits.names, left_out)

    def groups(self, page: RawPage) -> pa.Table:
        """Of each row the fields that make groups, null where one can't be read. Raises as `check` does."""
        columns = self._some(page, self._grouping)
        return pa.table({name: columns[name].rows for name in self._grouping})

    def keys(self, page: RawPage) -> pa.StringArray:
        """Of each row the record's key as `check` makes it, null where a part of it is missing. Raises as `check` does."""
        columns = self._some(page, self._contract.key)
        return canonical.key_texts([columns[name] for name in self._contract.key])

    def _some(self, page: RawPage, names: Collection[str]) -> dict[str, FieldColumn]:
        """Some fields of a page, read and nothing judged."""
        changes = Changes(self._bits, np.zeros(page.table.num_rows, dtype=np.int64))
        return self._columns(page, changes, names)[0]

    def _runnable(self) -> list[tuple[RowRule, Kernel]]:
        rules = list(self._contract.row_rules)
        # A record without key or subject has no identity and no Kafka key, whatever the contract says of the field.
        due = {rule.fields[0] for rule in rules if rule.kind == "required" and rule.severity == "error"}
        rules += [
            RowRule(RuleId(f"{name}.required"), "required", (name,), dimension="completeness")
            for name in dict.fromkeys((*self._contract.key, self._contract.subject))
            if name not in due
        ]
        found = []
        for rule in rules:
            if rule.kind in ELSEWHERE:
                continue
            if rule.kind not in KERNELS:
                raise RuleNotRunnable(
                    feed=self._contract.id,
                    rule=rule.id,
                    reason=Said(f"there is no kind {rule.kind!r}", f"没有 {rule.kind!r} 这一种类"),
                )
            if rule.kind == "reference_feed" and self._references is None:
                raise RuleNotRunnable(
                    feed=self._contract.id,
                    rule=rule.id,
                    reason=Said("no lookup of other feeds is given", "没有提供对其他数据源的查询"),
                )
            if rule.kind == "code_list":
                self._codes(rule.args["list"])  # an absent list is met now, not on the first page
            found.append((rule, KERNELS[rule.kind]))
        return found

    def _columns(
        self, page: RawPage, changes: Changes, only: Collection[str] | None = None
    ) -> tuple[dict[str, FieldColumn], pa.StringArray | None]:
        names = page.table.column_names
        empty = [
            position
            for position, name in enumerate(names)
            if not name.strip() and page.table.column(position).null_count == page.table.num_rows
        ]
        places = self._headers.align(names, unit=page.unit, empty=empty)
        columns = {}
        for name, plan in self._plans.items():
            if only is not None and name not in only:
                continue
            delivered = plain(page.table.column(places[name])) if name in places else None
            columns[name] = plan.column(delivered, page.table.num_rows, changes)
        action = plain(page.table.column(names.index(ACTION))) if ACTION in names else None
        return columns, action

    def _action(self, action: pa.StringArray | None, size: int) -> tuple[Mask, Broken]:
        """Rows that the source withdraws, and those whose action is unknown."""
        if action is None:
            return np.zeros(size, dtype=np.bool_), []
        word = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(action, "")))
        withdrawn = to_mask(pc.is_in(word, value_set=pa.array(sorted(_WITHDRAWS))))
        strange = ~withdrawn & ~to_mask(pc.is_in(word, value_set=pa.array(sorted(_KEEPS))))
        return withdrawn, [(ACTION_UNKNOWN, strange)] if strange.any() else []

    def _structure(self, page: RawPage) -> Broken:
        """Rows that break the structure which the source itself is held against, by the field that breaks it."""
        if PROBLEMS not in page.table.column_names:
            return []
        problems = plain(page.table.column(PROBLEMS))
        if problems.null_count == len(problems):
            return []
        broken: Broken = []
        listed = pc.binary_join_element_wise("", pc.fill_null(problems, ""), "", ",")
        for name in sorted({name for text in pc.unique(problems).to_pylist() if text for name in text.split(",")}):
            field = self._headers.field_of(name) or "_row"
            broken.append((RuleId(f"{field}.{STRUCTURE}"), to_mask(pc.match_substring(listed, f",{name},"))))
        return broken

    def _judge(self, frame: Frame) -> Broken:
        broken: Broken = []
        for column in frame.fields.values():
            broken += [(RuleId(rule), mask) for rule, mask in column.failed.items()]
        for rule, kernel in self._rules:
            mask = kernel(rule, frame)
            if mask is not None and mask.any():
                broken.append((rule.id, mask))
        return broken

    def _left_out(self, columns: dict[str, FieldColumn], bad: Mask | None, withdrawn: Mask) -> pa.Table | None:
        """Which groups lack a row because it is bad; a withdrawal is no row of a group."""
        if not self._grouping:
            return None
        missing = pa.array(np.zeros(withdrawn.size, dtype=np.bool_) if bad is None else bad & ~withdrawn)
        return pa.table({name: columns[name].rows.filter(missing) for name in self._grouping})

    def _good(self, columns: dict[str, FieldColumn], extra: dict[str, pa.Array], keep: Rows | None) -> pa.Table:
        """The good rows (`keep`; None: all), with their subject, version and hash."""
        contract = self._contract
        subject = columns[contract.subject]
        arrays = {name: column.stored for name, column in columns.items()} | extra
        arrays["_subject"] = subject.text.take(subject.texts)
        arrays["_version"] = (
            canonical.version_texts(columns[contract.source_version])
            if contract.source_version
            else pa.nulls(subject.text.size, pa.string())
        )
        if keep is not None:
            chosen = canonical.chosen_rows(keep, subject.text.size)
            arrays = {name: array.filter(chosen) for name, array in arrays.items()}
        arrays["_hash"] = canonical.record_hashes(list(columns.values()), keep)
        made = [field.with_type(arrays[field.name].type) for field in self._schema]
        return pa.Table.from_arrays([arrays[field.name] for field in made], schema=pa.schema(made))
