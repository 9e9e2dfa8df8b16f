"""The gate itself: refuses, masks and drops on a page before anything of it may be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.checks.headers import HeaderMap
from contracts.gate.finding import Span, masked, spans
from contracts.gate.marks import Marks, bare
from contracts.gate.names import Names
from contracts.gate.picked import Rows, cells, rows_where, union
from contracts.gate.registry import KINDS
from contracts.gate.suspects import SUSPECTS, with_needle
from contracts.gate.trace import Tracer
from contracts.gate.unsplit import SEARCHED, TOO_LONG, any_cell, unsearched, withheld
from contracts.header_form import header_form
from contracts.model import FeedContract, GateRule, SourceSpec
from contracts.normalise.buffers import plain, text_bytes
from contracts.page import Around, GatedPage, MalformedRow, Masking, RawPage, Refusal
from hub.errors import HubException
from hub.ids import RuleId

_ORDER = {kind: at for at, kind in enumerate(KINDS)}
_TITLE_LINES = 5  # a mark on a line of its own this near to the top stands on the file

_Error = TypeVar("_Error", bound=HubException)


@dataclass(slots=True)
class _Work:
    """A page while the rules go over it."""

    page: RawPage
    headers: list[str]
    columns: list[pa.StringArray]
    refused: dict[int, RuleId]  # position in the table -> first rule that refused it
    maskings: list[Masking]
    malformed: list[MalformedRow]
    refusals: list[Refusal]
    dropped: list[Masking]
    touched: bool = False

    @property
    def whole(self) -> int:
        """The row number under which the trace of a whole column, or of the unit's name, is kept."""
        return -1 - self.page.ordinal


class Gate:
    """The gate of one source of a contract.

    `level` is the hub's (1 central … 5 township): a subject of a lower number stands above it. `hmac_key` is the
    hub's key for traces. Safe to use from several threads.
    """

    def __init__(self, contract: FeedContract, source: SourceSpec, *, level: int, hmac_key: bytes) -> None:
        self._rules = sorted(contract.gate_rules, key=lambda rule: _ORDER[rule.kind])
        self._headers = HeaderMap(contract, source)
        self._level = level
        self._trace = Tracer(hmac_key)
        self._marks = {
            rule.id: Marks(rule.args.get("marks", ()), rule.args.get("harmless", ()))
            for rule in self._rules
            if rule.kind == "secrecy"
        }
        self._names = Names(self._rules, self._marks, self._headers)
        self._frame: tuple[tuple[str, ...], Refusal | None] = ((), None)
        self._steps: Mapping[str, Callable[[GateRule, _Work], Refusal | None]] = {
            "secrecy": self._secrecy,
            "subject_level": self._subject_level,
            "forbidden_field": self._forbidden,
            "personal_data": self._personal,
        }

    def inspect_name(self, name: str) -> Refusal | None:
        """Whether a delivery is refused for its own name (file, title): then nothing of it may be stored."""
        rule = self._names.refuses(name)
        return None if rule is None else Refusal(None, "", None, rule, self._trace.name(name))

    def name(self, name: str) -> str:
        """A name that is not refused, as it may be stored: with personal numbers masked."""
        return self._names.shown(name)[0]

    def told(self, error: _Error) -> _Error:
        """An error about the delivery as it may be stored, logged and shown: its facts may quote headers and names."""
        return self._names.told(error)

    def told_facts(self, facts: Any) -> Any:
        """Facts about the delivery (its manifest's, a cursor's) as they may be stored."""
        return self._names.facts(facts)

    def may_refuse_late(self, *, one_frame: bool) -> bool:
        """Whether a page may refuse the delivery although `inspect_frame` let the pages before it pass.

        `one_frame`: all pages of the delivery have one unit and the same columns.
        """
        late = any(rule.action == "refuse_delivery" and rule.kind != "forbidden_field" for rule in self._rules)
        return late or not one_frame

    def inspect_frame(self, page: RawPage) -> Refusal | None:
        """Whether the delivery is refused for what stands around a page's rows: unit, headers, a title line. Quick."""
        for rule in self._rules:
            if rule.kind == "secrecy":
                marks = self._marks[rule.id]
                top = (line for line in page.malformed if line.source_row <= _TITLE_LINES)
                title = next((line for line in top if marks.on_text(line.text)), None)
                if title is not None:
                    trace = self._trace.malformed(title.text)
                    return Refusal(None, self.name(page.unit), title.source_row, rule.id, trace)
        frame = (page.unit, *page.table.column_names)
        known, verdict = self._frame  # one object: another thread may put its own in its place
        if frame != known:
            verdict = self._judged(page.unit, page.table.column_names)
            self._frame = (frame, verdict)
        return verdict

    def _judged(self, unit: str, headers: Sequence[str]) -> Refusal | None:
        # The name is part of what must not be stored: the refusal doesn't repeat it.
        by_unit = self._names.refuses(unit)
        if by_unit is not None:
            return Refusal(None, "", None, by_unit, self._trace.name(unit))
        for header in headers:
            by_header = self._names.refuses_header(header)
            if by_header is not None:
                return Refusal(None, "", None, by_header, self._trace.name(header))
        for rule in self._rules:
            if rule.kind == "forbidden_field" and rule.action == "refuse_delivery" and self._banned(rule, headers):
                return Refusal(None, self.name(unit), None, rule.id, self._trace.name("\n".join(headers)))
        return None

    def inspect_around(self, around: Around) -> Refusal | None:
        """Whether the delivery is refused for what stands in its file around the rows."""
        for title in around.titles:
            by_title = next((rule for rule, marks in self._marks.items() if marks.on_text(title)), None)
            if by_title is not None:
                return Refusal(None, "", None, by_title, self._trace.malformed(title))
        for header in around.headers:
            by_header = self._names.refuses_header(header)
            if by_header is not None:
                return Refusal(None, "", None, by_header, self._trace.name(header))
        return None

    def may_keep(self, around: Around) -> bool:
        """Whether the file as it came may be kept: all of it was seen, and nothing around its rows would be masked."""
        return not around.unseen and all(self.name(title) == title for title in around.titles)

    def inspect(self, page: RawPage) -> GatedPage:
        """What of a page may be stored.

        Where the delivery is refused the page given back is empty and `delivery_refused` says why. Malformed rows
        are searched too, for they would be stored in quarantine; where a rule can't be applied, their text goes. The trace of a column that is dropped as a whole stands
        in `dropped`, one for each page: it belongs to no row.
        """
        stop = self.inspect_frame(page)
        if stop is not None:
            return _nothing(page, stop)
        work = _Work(
            page,
            list(page.table.column_names),
            [plain(column) for column in page.table.columns],
            {},
            [],
            list(page.malformed),
            [],
            [],
        )
        self._withhold_long(work)
        for rule in self._rules:
            stop = self._steps[rule.kind](rule, work)
            if stop is not None:
                return _nothing(page, stop)
        unit, by = self._names.shown(page.unit)
        if by is not None:
            trace = self._trace.name(page.unit)
            work.dropped.append(Masking(work.whole, "_unit", by.id, by.action, trace))
            work.refusals = [replace(refusal, unit=unit) for refusal in work.refusals]
        return self._result(work, unit)

    def _result(self, work: _Work, unit: str) -> GatedPage:
        if not (work.touched or work.dropped):
            return GatedPage(work.page)
        page = work.page
        table = pa.Table.from_arrays(work.columns, names=work.headers)
        rows, source_rows = page.rows, page.source_rows
        if work.refused:
            where = sorted(work.refused)
            original = page.table.take(pa.array(where))
            values = list(zip(*(column.to_pylist() for column in original.columns), strict=True))
            for at, row in zip(where, values, strict=True):
                trace = self._trace.row(page.table.column_names, row)
                work.refusals.append(Refusal(rows[at].as_py(), unit, source_rows[at].as_py(), work.refused[at], trace))
            keep = np.ones(len(rows), dtype=np.bool_)
            keep[where] = False
            kept = pa.array(keep)
            table, rows, source_rows = table.filter(kept), rows.filter(kept), source_rows.filter(kept)
            gone = {refusal.row for refusal in work.refusals}
            work.maskings = [masking for masking in work.maskings if masking.row not in gone]
        clean = RawPage(page.ordinal, unit, table, rows, source_rows, tuple(work.malformed), None)
        return GatedPage(clean, tuple(work.refusals), tuple(work.maskings), tuple(work.dropped))

    # -- secrecy ---------------------------------------------------------------------------------------------------

    def _secrecy(self, rule: GateRule, work: _Work) -> Refusal | None:
        marks = self._marks[rule.id]
        named = {name for name in rule.fields if name}
        hits: list[Rows] = []
        for header, column in zip(work.headers, work.columns, strict=True):
            view = text_bytes(column)
            if self._headers.field_of(header) in named:
                hits.append(rows_where(column, np.arange(len(column)), marks.on_level))
            elif not view.ascii or not all(ord(needle) > 0x7F for needle in marks.needles):
                hits.append(rows_where(column, with_needle(view, marks.needles), marks.on_text))
        found = union(hits)
        bad_lines = [line for line in work.malformed if any_cell(line, marks.on_text)]
        stop = self._refuse(rule, work, found, bad_lines)
        self._withhold(rule, work, self._standing(work, named))
        return stop

    def _subject_level(self, rule: GateRule, work: _Work) -> Refusal | None:
        levels: dict[str, int] = {bare(value): level for value, level in rule.args["levels"].items()}
        unknown: bool = KINDS["subject_level"].arg(rule.args, "unknown") == "refuse"
        absent: bool = KINDS["subject_level"].arg(rule.args, "absent") == "refuse"

        def above(value: str) -> bool:
            text = bare(value)
            if not text:
                return absent
            return levels[text] < self._level if text in levels else unknown

        hits = []
        for header, column in zip(work.headers, work.columns, strict=True):
            if self._headers.field_of(header) in rule.fields:
                hits.append(rows_where(column, np.arange(len(column)), above))
                if absent:
                    hits.append(np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False)))
        high = {text for text, level in levels.items() if level < self._level}
        bad_lines = [line for line in work.malformed if any_cell(line, lambda cell: bare(cell) in high)]
        stop = self._refuse(rule, work, union(hits), bad_lines)
        self._withhold(rule, work, self._standing(work, set(rule.fields)))
        return stop

    def _forbidden(self, rule: GateRule, work: _Work) -> Refusal | None:
        at = self._banned(rule, work.headers)
        self._withhold(rule, work, bool(at) or not work.headers)
        if not at:
            return None
        if rule.action != "drop_field":
            filled = [
                np.flatnonzero(pc.is_valid(work.columns[position]).to_numpy(zero_copy_only=False)) for position in at
            ]
            return self._refuse(rule, work, union(filled), [])
        for position in reversed(at):
            column = work.columns.pop(position)
            trace = self._trace.column(column.to_pylist())
            work.dropped.append(Masking(work.whole, work.headers.pop(position), rule.id, "drop_field", trace))
        return None

    def _banned(self, rule: GateRule, headers: Sequence[str]) -> list[int]:
        banned = {header_form(name) for name in rule.args.get("names", ())}
        return [
            position
            for position, header in enumerate(headers)
            if header_form(header) in banned or self._headers.field_of(header) in rule.fields
        ]

    # -- personal data ---------------------------------------------------------------------------------------------

    def _personal(self, rule: GateRule, work: _Work) -> Refusal | None:
        detect: Sequence[str] = KINDS["personal_data"].arg(rule.args, "detect")
        spared = set(rule.args.get("except", ()))
        spared_forms = {header_form(name) for name in spared}
        hits: list[Rows] = []
        for position, header in enumerate(work.headers):
            field = self._headers.field_of(header)
            searched = not rule.fields or field in rule.fields
            if not searched or field in spared or header_form(header) in spared_forms:
                continue
            column = work.columns[position]
            view = text_bytes(column)
            suspects = union([SUSPECTS[name](column, view) for name in detect])
            found = [
                (int(at), text, places)
                for at, text in cells(column, suspects)
                if int(at) not in work.refused and (places := spans(text, detect))
            ]
            if not found:
                continue
            if rule.action in {"refuse_row", "refuse_delivery"}:
                hits.append(np.array([at for at, _, _ in found], dtype=np.intp))
            else:
                work.columns[position] = self._cleaned(rule, work, header, column, found)
        bad_lines = [line for line in work.malformed if spans(line.text, detect)]
        if rule.action in {"refuse_row", "refuse_delivery"}:
            return self._refuse(rule, work, union(hits), bad_lines)
        clean = {id(line): replace(line, text=masked(line.text, spans(line.text, detect))) for line in bad_lines}
        work.malformed = [clean.get(id(line), line) for line in work.malformed]
        for line in bad_lines:
            work.maskings.append(Masking(line.row, "", rule.id, "mask", self._trace.malformed(line.text)))
            work.touched = True
        return None

    def _cleaned(
        self,
        rule: GateRule,
        work: _Work,
        header: str,
        column: pa.StringArray,
        found: list[tuple[int, str, list[Span]]],
    ) -> pa.StringArray:
        where, values = [], []
        for at, text, places in found:
            where.append(at)
            values.append(None if rule.action == "drop_field" else masked(text, places))
            work.maskings.append(
                Masking(work.page.rows[at].as_py(), header, rule.id, rule.action, self._trace.value(text))
            )
        work.touched = True
        chosen = np.zeros(len(column), dtype=np.bool_)
        chosen[where] = True
        return pc.replace_with_mask(column, pa.array(chosen), pa.array(values, pa.string()))

    # -- rows that can't be split ----------------------------------------------------------------------------------

    def _standing(self, work: _Work, fields: set[str]) -> bool:
        """Whether a column of the page is one of the fields, or its columns aren't known."""
        return bool(fields) and (
            not work.headers or any(self._headers.field_of(name) in fields for name in work.headers)
        )

    def _withhold(self, rule: GateRule, work: _Work, due: bool) -> None:
        """Takes the text out of rows that can't be split, whose cell for the rule can't be told."""
        if not due or not work.malformed:
            return
        for line in work.malformed:
            if line.text:
                trace = self._trace.malformed(line.text)
                work.maskings.append(Masking(line.row, "", rule.id, "drop_field", trace))
        work.malformed = [withheld(line, rule.id) if line.text else line for line in work.malformed]
        work.touched = True

    def _withhold_long(self, work: _Work) -> None:
        """Takes the text out of rows that are too long to be searched cell by cell."""
        for at, line in enumerate(work.malformed):
            if len(line.text) > SEARCHED:
                trace = self._trace.malformed(line.text)
                work.maskings.append(Masking(line.row, "", TOO_LONG, "drop_field", trace))
                work.malformed[at] = unsearched(line)
                work.touched = True

    # -- refusing --------------------------------------------------------------------------------------------------

    def _refuse(self, rule: GateRule, work: _Work, found: Rows, bad_lines: Iterable[MalformedRow]) -> Refusal | None:
        lines = list(bad_lines)
        if not (found.size or lines):
            return None
        if rule.action == "refuse_delivery":
            unit = self.name(work.page.unit)
            if found.size:
                at = int(found[0])
                values = [column[at].as_py() for column in work.page.table.columns]
                trace = self._trace.row(work.page.table.column_names, values)
                return Refusal(None, unit, work.page.source_rows[at].as_py(), rule.id, trace)
            return Refusal(None, unit, lines[0].source_row, rule.id, self._trace.malformed(lines[0].text))
        for at in found.tolist():
            work.refused.setdefault(at, rule.id)
        for line in lines:
            work.refusals.append(
                Refusal(line.row, work.page.unit, line.source_row, rule.id, self._trace.malformed(line.text))
            )
        gone = {id(line) for line in lines}
        work.malformed = [line for line in work.malformed if id(line) not in gone]
        work.touched = work.touched or bool(found.size or lines)
        return None


def _nothing(page: RawPage, stop: Refusal) -> GatedPage:
    nothing = replace(
        page,
        unit=stop.unit,
        table=page.table.slice(0, 0).select([]),
        rows=page.rows.slice(0, 0),
        source_rows=page.source_rows.slice(0, 0),
        malformed=(),
        raw=None,
    )
    return GatedPage(nothing, delivery_refused=stop)
