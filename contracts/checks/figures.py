"""The figures of a page that batch rules are judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FeedContract
from contracts.normalise.buffers import Mask
from contracts.normalise.column import FieldColumn
from contracts.normalise.texts import canonical_text
from contracts.page import VALUES, BatchMetrics, GatedPage
from hub.ids import RuleId

SAMPLES = 20  # keys named for a rule

Rows = npt.NDArray[np.intp]


def coded_fields(contract: FeedContract) -> dict[str, frozenset[str]]:
    """Fields whose values are counted, each with the values that batch rules name: those are counted without bound.

    They are truth values, codes, and what a batch rule asks the distribution of.
    """
    found = {spec.name for spec in contract.fields if spec.type == "boolean" or spec.code_list}
    found |= {rule.fields[0] for rule in contract.row_rules if rule.kind in {"enum", "code_list"}}
    coded = dict.fromkeys(found, frozenset[str]())
    for rule in contract.batch_rules:
        if rule.kind in {"value_share", "values_present", "distribution_change"}:
            named = {str(value) for value in rule.args.get("values", ())} | {str(rule.args.get("value", ""))}
            field = str(rule.args["field"])
            coded[field] = coded.get(field, frozenset()) | named - {""}
    return coded


def of_gate(gated: GatedPage) -> BatchMetrics:
    """What the gate adds to a batch's figures: merge it with those of the checked page."""
    refused = len(gated.refusals)
    return BatchMetrics(rows_in=refused, rows_refused=refused)


def add_columns(
    metrics: BatchMetrics,
    columns: Sequence[FieldColumn],
    good: pa.Table,
    keep: Rows | None,
    coded: Mapping[str, frozenset[str]],
) -> None:
    """Nulls, sums, extremes and counts over the good rows. `keep` are their positions, None where all are good."""
    if good.num_rows == 0:
        return
    for column in columns:
        name = column.spec.name
        values = good.column(name)
        if values.null_count:
            metrics.nulls[name] = values.null_count
        if column.spec.type in {"integer", "decimal"} and values.null_count < len(values):
            wide = values.cast(pa.decimal128(38, 0)) if column.spec.type == "integer" else values
            total = pc.sum(wide.cast(pa.decimal256(76, wide.type.scale)) if _could_overflow(wide) else wide).as_py()
            metrics.sums[name] = Decimal(total)
        if column.spec.type not in {"string", "boolean"} and values.null_count < len(values):
            ends = pc.min_max(values).as_py()
            metrics.minima[name], metrics.maxima[name] = ends["min"], ends["max"]
        if name in coded:
            counts = _counts(column, values, keep)
            metrics.counts[name] = dict(islice(counts.items(), VALUES))
            metrics.named[name] = {value: counts.get(value, 0) for value in sorted(coded[name])}
            if len(counts) > VALUES:
                metrics.uncounted[name] = sum(islice(counts.values(), VALUES, None))


def _could_overflow(values: pa.ChunkedArray) -> bool:
    return bool(values.type.precision > 30)


def _counts(column: FieldColumn, values: pa.ChunkedArray, keep: Rows | None) -> dict[str, int]:
    if column.text.codes is None:
        pairs = pc.value_counts(values)
        texts, numbers = canonical_text(pairs.field("values")).to_pylist(), pairs.field("counts").to_pylist()
    else:
        codes = column.text.codes if keep is None else column.text.codes[keep]
        texts = column.texts.to_pylist()
        numbers = np.bincount(codes + 1, minlength=len(texts) + 1)[1:].tolist()
    found: dict[str, int] = {}
    for text, number in sorted(zip(texts, numbers, strict=True), key=lambda pair: -pair[1]):
        if text is not None and number:
            found[text] = found.get(text, 0) + number
    return found


def add_broken(
    metrics: BatchMetrics, broken: Sequence[tuple[RuleId, Mask]], keys: pa.StringArray, rows: pa.Int64Array
) -> None:
    """How many rows break each rule, and a few of them by key, or by row where they have none."""
    for rule, mask in broken:
        where = np.flatnonzero(mask)
        metrics.broken[rule] = metrics.broken.get(rule, 0) + int(where.size)
        first = pa.array(where[:SAMPLES])
        named = zip(keys.take(first).to_pylist(), rows.take(first).to_pylist(), strict=True)
        metrics.samples.setdefault(rule, []).extend(key if key is not None else f"row {row}" for key, row in named)
