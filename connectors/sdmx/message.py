"""An SDMX-CSV message, 1.0 (DATAFLOW) or 2.0 (STRUCTURE, STRUCTURE_ID, ACTION): its columns made plain, its rows judged.

What the message says about itself leaves the table: structure columns go to the delivery's facts, the action to
`_action`, and what breaks the structure to `_problems` (the broken columns, joined by commas). Source: SDMX-CSV field
guide, data messages 1.0 and 2.0. Decided here, where the guide leaves a hub more than it can keep:

- `_action`: null for I (the row is the record), M for A and M, R, D.
- A merge (A, M) leaves what it does not say as it was, and an empty cell says nothing. The hub keeps whole records, so
  a merge is taken where it says every component that the contract takes (`NaN` or `#N/A` where there is no value), and
  the delivery is refused where it does not: to take it for the record would wipe out what was sent before.
- A delete takes one whole record. A delete with wildcards (an empty dimension) or of single values is a problem.
- A row with an empty or switched-off (`~`) dimension describes a partial key, not a record: a problem.
- Different actions on one key in one message depend on order, which a set of rows does not have: the delivery is
  refused and the rows are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import HeaderUnusable
from connectors.sdmx.errors import ActionsConflict, MergePartial, SdmxInvalid, StructureMismatch
from connectors.sdmx.structure import Structure
from contracts.page import RawPage
from hub.said import Said, joined

ACTIONS = {"I": None, "A": "M", "M": "M", "R": "R", "D": "D"}
_FIRST = re.compile(r"^\ufeff?(\"?)(DATAFLOW|STRUCTURE(?:\[(.)[^\]]*\])?)(?::[^\",;|\t\r\n]*)?\1([^\w\s\"]|\t)")
_OWN = {"DATAFLOW", "STRUCTURE", "STRUCTURE_ID", "STRUCTURE_NAME", "ACTION", "SERIES_KEY", "OBS_KEY"}
_KINDS = pa.array(["dataflow", "datastructure", "dataprovision"])
_MERGES = pa.array([action for action, meant in ACTIONS.items() if meant == "M"])
_MISSING = pa.array(["NaN", "#N/A"])


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first header cell says."""

    version: str  # "1.0" or "2.0"
    delimiter: str
    sub_delimiter: str | None  # between the values of one cell


def opening(file: str, head: str) -> Opening:
    """Reads version and delimiters off the start of a message. Raises SdmxInvalid."""
    match = _FIRST.match(head)
    if match is None:
        raise SdmxInvalid(
            file=file,
            reason=Said("its first column is neither DATAFLOW nor STRUCTURE", "首列既不是 DATAFLOW 也不是 STRUCTURE"),
        )
    return Opening("1.0" if match[2] == "DATAFLOW" else "2.0", match[4], match[3])


class Message:
    """One message on its way from plain CSV pages to pages of records."""

    def __init__(
        self,
        file: str,
        start: Opening,
        structure: Structure | None,
        known: Sequence[str],
        taken: Mapping[str, Sequence[str]],
    ) -> None:
        self._file, self._start, self._structure = file, start, structure
        self._known = set(known)  # columns that the contract names or ignores
        self._taken = taken  # field that is no part of the key -> its names
        self._keys: list[pl.DataFrame] = []  # hash of the key, action, row: only where actions differ
        self.facts: dict[str, Any] = {"version": start.version, "structures": []}

    def pages(self, pages: Iterator[RawPage]) -> Iterator[RawPage]:
        """Pages with plain component columns, `_problems` and, where the message has actions, `_action`.

        Raises SdmxInvalid, StructureMismatch, MergePartial, ActionsConflict (at the end: nothing was loaded yet).
        """
        for page in pages:
            yield replace(page, table=self._plain(page)) if page.table.num_columns else page
        self._refuse_conflicts()

    def _plain(self, page: RawPage) -> pa.Table:
        columns, lists, labelled = self._columns(page.table)
        self._check_columns(columns)
        if labelled:
            columns = {name: self._without_label(name, column) for name, column in columns.items()}
        self._note_structures(columns)
        actions = columns.get("ACTION")
        if actions is not None:
            self._refuse_partial(columns, actions, page.rows)
        columns = {name: self._without_missing(name, column) for name, column in columns.items()}
        problems = self._problems(columns, lists, actions, page.table.num_rows)
        out = {name: column for name, column in columns.items() if name not in _OWN or name in self._known}
        if actions is not None:
            self._note_keys(columns, actions, page.rows)
            out["_action"] = _mapped(actions)
        out["_problems"] = problems
        return pa.table(out)

    def _columns(self, table: pa.Table) -> tuple[dict[str, pa.ChunkedArray], set[str], bool]:
        """Columns by component id; those with several values in a cell; whether ids come with names."""
        columns: dict[str, pa.ChunkedArray] = {}
        lists: set[str] = set()
        labelled = False
        previous = ""
        for header, column in zip(table.column_names, table.columns, strict=True):
            name, has_label, _ = header.partition(": ")
            labelled = labelled or bool(has_label)
            name, bracket, _ = name.partition("[")
            if bracket and name != "STRUCTURE":
                lists.add(name)
            if self._is_name_column(name, previous, table):
                previous = ""
                continue
            if name in columns:
                raise HeaderUnusable(
                    file=self._file, reason=Said(f"doubled names {name[:80]}", f"列名重复：{name[:80]}")
                )
            columns[name] = column
            previous = name
        return columns, lists, labelled

    def _is_name_column(self, name: str, previous: str, table: pa.Table) -> bool:
        """labels=name: a component's column is followed by one with the names of its codes, under the component's name."""
        if "STRUCTURE_NAME" not in table.column_names or self._structure is None or name in self._known:
            return False
        return previous in self._structure.components and name not in self._structure.components

    def _check_columns(self, columns: dict[str, pa.ChunkedArray]) -> None:
        needed = {"1.0": ("DATAFLOW",), "2.0": ("STRUCTURE", "STRUCTURE_ID")}[self._start.version]
        missing = [name for name in needed if name not in columns]
        if missing:
            raise SdmxInvalid(
                file=self._file, reason=Said(f"it has no column {', '.join(missing)}", f"缺少列 {'、'.join(missing)}")
            )
        structure = self._structure
        if structure is None:
            return
        foreign = [name for name in columns if name not in structure.components and name not in _OWN | self._known]
        absent = [name for name in structure.dimensions if name not in columns]
        reasons = [
            Said(f"{what} {', '.join(names)[:300]}", f"{what.zh} {'、'.join(names)[:300]}")
            for what, names in (
                (Said("unknown columns", "未知的列"), foreign),
                (Said("missing dimensions", "缺少维度"), absent),
            )
            if names
        ]
        if reasons:
            raise StructureMismatch(file=self._file, structure=structure.id, reason=joined(reasons))

    def _without_label(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """labels=both: `A: Annual` becomes `A`. Free text may hold a colon, so its column must be known to be coded."""
        structure = self._structure
        if structure is None:
            raise SdmxInvalid(
                file=self._file,
                reason=Said(
                    "ids come with names (labels=both), which needs `hub.structure`",
                    "代码与名称同列（labels=both），需要 `hub.structure`",
                ),
            )
        head = pc.replace_substring_regex(column, r"(?s)^(.*?): .*$", r"\1")
        if name in structure.dimensions or name in structure.codes or name in _OWN:
            return head
        return pc.if_else(pc.equal(column, pc.binary_join_element_wise(head, head, ": ")), head, column)

    def _refuse_partial(
        self, columns: dict[str, pa.ChunkedArray], actions: pa.ChunkedArray, rows: pa.Int64Array
    ) -> None:
        """Refuses merges that say nothing of a component which the contract takes."""
        merges = _filled(pc.is_in(actions, _MERGES))
        if not pc.any(merges).as_py():
            return
        structure = self._structure
        silent = pa.chunked_array([pa.nulls(len(rows), pa.bool_())])
        found: list[str] = []
        for names in self._taken.values():
            if structure is not None and structure.dimensions and not {*structure.dimensions}.isdisjoint(names):
                continue
            name = next((one for one in names if one in columns), None)
            empty = merges if name is None else pc.and_(merges, pc.is_null(columns[name]))
            if pc.any(empty).as_py():
                found.append(name or names[0])
                silent = pc.or_kleene(silent, empty)
        if found:
            first = rows.filter(_filled(silent).combine_chunks())[:10].to_pylist()
            raise MergePartial(file=self._file, columns=", ".join(found[:10]), rows=", ".join(map(str, first)))

    def _without_missing(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """`NaN` and `#N/A` say that a value is missing on purpose."""
        if name in _OWN or (self._structure is not None and name in self._structure.dimensions):
            return column
        missing = pc.is_in(column, _MISSING)
        return pc.if_else(missing, pa.scalar(None, pa.string()), column) if pc.any(missing).as_py() else column

    def _note_structures(self, columns: dict[str, pa.ChunkedArray]) -> None:
        column = columns["DATAFLOW" if self._start.version == "1.0" else "STRUCTURE_ID"]
        known: list[str] = self.facts["structures"]
        for value in pc.unique(column).to_pylist():
            if value is not None and value not in known and len(known) < 20:
                known.append(value)

    def _problems(
        self, columns: dict[str, pa.ChunkedArray], lists: set[str], actions: pa.ChunkedArray | None, rows: int
    ) -> pa.ChunkedArray | pa.Array:
        """The columns that each row breaks, joined by commas; null where it breaks none."""
        broken: dict[str, pa.ChunkedArray] = {}
        structure = self._structure
        deletes = _filled(pc.equal(actions, "D")) if actions is not None else None
        if actions is not None:
            broken["ACTION"] = pc.invert(_filled(pc.is_in(actions, pa.array(list(ACTIONS)))))
        if structure is not None:
            own = "DATAFLOW" if self._start.version == "1.0" else "STRUCTURE_ID"
            broken[own] = pc.invert(_filled(pc.is_in(columns[own], pa.array(sorted(structure.ids)))))
            if self._start.version == "2.0":
                kind = pc.is_in(pc.utf8_lower(columns["STRUCTURE"]), _KINDS)
                broken["STRUCTURE"] = pc.invert(_filled(kind))
            for name in structure.dimensions:
                broken[name] = pc.or_(columns[name].is_null(), _filled(pc.equal(columns[name], "~")))
            for name, codes in structure.codes.items():
                if name in columns:
                    strange = self._strange(columns[name], codes, several=name in lists)
                    broken[name] = pc.or_(broken[name], strange) if name in broken else strange
            if deletes is not None:
                for name in (*structure.measures, *structure.attributes):
                    if name in columns:
                        single = pc.and_(deletes, columns[name].is_valid())
                        broken[name] = (
                            pc.or_(pc.and_(broken[name], pc.invert(deletes)), single) if name in broken else single
                        )
        names = [
            pc.if_else(mask, pa.scalar(name), pa.scalar(None, pa.string()))
            for name, mask in broken.items()
            if pc.any(mask).as_py()
        ]
        if not names:
            return pa.nulls(rows, pa.string())
        # An empty first part, cut off again: Arrow 26 leaves out a row whose parts are all null.
        joined = pc.utf8_ltrim(pc.binary_join_element_wise("", *names, ",", null_handling="skip"), ",")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)

    def _strange(self, column: pa.ChunkedArray, codes: pa.Array, *, several: bool) -> pa.ChunkedArray:
        """Where a cell has a code that is not in the list. An empty cell has none."""
        if not several or self._start.sub_delimiter is None:
            return pc.and_(column.is_valid(), pc.invert(_filled(pc.is_in(column, codes))))
        parts = pc.split_pattern(column.combine_chunks(), self._start.sub_delimiter)
        flat, parents = pc.list_flatten(parts), pc.list_parent_indices(parts)
        rows = pc.unique(parents.filter(pc.invert(pc.is_in(flat, codes))))
        numbers = pa.array(range(len(column)), pa.int64())
        return pa.chunked_array([pc.is_in(numbers, rows.cast(pa.int64()))])

    def _note_keys(self, columns: dict[str, pa.ChunkedArray], actions: pa.ChunkedArray, rows: pa.Int64Array) -> None:
        structure = self._structure
        names = (
            structure.dimensions if structure is not None else tuple(name for name in self._known if name in columns)
        )
        if not names or pc.count_distinct(actions).as_py() == 0:
            return
        keys = pl.from_arrow(pa.table({name: columns[name] for name in names}))
        assert isinstance(keys, pl.DataFrame)
        self._keys.append(
            pl.DataFrame(
                {
                    "key": keys.hash_rows(seed=1),
                    "action": pl.Series(_mapped(actions).to_pylist(), dtype=pl.String).fill_null("I"),
                    "row": pl.Series(rows.to_pylist(), dtype=pl.Int64),
                }
            )
        )

    def _refuse_conflicts(self) -> None:
        if not self._keys:
            return
        found = pl.concat(self._keys)
        if found["action"].n_unique() < 2:
            return
        mixed = found.filter(pl.col("action").n_unique().over("key") > 1).sort("row")
        if mixed.height:
            raise ActionsConflict(file=self._file, rows=", ".join(map(str, mixed["row"].head(10))))


def _mapped(actions: pa.ChunkedArray) -> pa.ChunkedArray:
    """`_action` of each row."""
    for given, meant in ACTIONS.items():
        if given != meant:
            actions = pc.if_else(pc.equal(actions, given), pa.scalar(meant, pa.string()), actions)
    return pc.if_else(pc.is_in(actions, pa.array(["M", "R", "D"])), actions, pa.scalar(None, pa.string()))


def _filled(mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(mask, False)
