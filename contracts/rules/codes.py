"""Kernels of identifiers: social credit codes, organisation codes, divisions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.identifiers import organisation, uscc
from contracts.model import RowRule
from contracts.normalise.buffers import Mask, fixed_rows, to_mask
from contracts.rules import divisions
from contracts.rules.frame import Frame


def _findings(frame: Frame, name: str) -> npt.NDArray[np.uint8]:
    """The bits of the field's distinct values, worked out once per page for all rules on it."""
    key = ("uscc", name)
    if key not in frame.cache:
        frame.cache[key] = uscc.findings_of(frame.fields[name].values)
    found: npt.NDArray[np.uint8] = frame.cache[key]
    return found


def _ever(frame: Frame) -> pa.StringArray:
    if "divisions" not in frame.cache:
        known = frame.codes(divisions.LIST).codes | {divisions.CENTRAL}
        frame.cache["divisions"] = pa.array(sorted(known), pa.string())
    return frame.cache["divisions"]


def social_credit_code(rule: RowRule, frame: Frame) -> Mask | None:
    """Not a code as far as the level asks."""
    level = rule.args.get("level", "division")

    def judge(values: pa.Array) -> Mask:
        bits = _findings(frame, rule.fields[0])
        good = (bits & (uscc.CHECKSUM if level == "checksum" else uscc.PAIR)) != 0
        if level == "division":
            place = pc.utf8_slice_codeunits(values, 2, 8)
            good &= to_mask(pc.is_in(place, value_set=_ever(frame)))
        broken: Mask = to_mask(pc.is_valid(values)) & ~good
        return broken

    return frame.over_values(rule.fields[0], judge)


def _lacks(bit: int, rule: RowRule, frame: Frame) -> Mask | None:
    def judge(_: pa.Array) -> Mask:
        bits = _findings(frame, rule.fields[0])
        broken: Mask = ((bits & uscc.CHECKSUM) != 0) & ((bits & bit) == 0)
        return broken

    return frame.over_values(rule.fields[0], judge)


def uscc_organisation(rule: RowRule, frame: Frame) -> Mask | None:
    """A valid code whose positions 9-17 don't satisfy GB 11714. An invalid code is not reported twice."""
    return _lacks(uscc.ORGANISATION, rule, frame)


def uscc_category(rule: RowRule, frame: Frame) -> Mask | None:
    """A valid code whose positions 1-2 are in use but not listed (9 + 9), or neither."""
    return _lacks(uscc.LISTED_PAIR, rule, frame)


def organisation_code(rule: RowRule, frame: Frame) -> Mask | None:
    """Not a valid organisation code, with or without hyphen."""

    def judge(values: pa.Array) -> Mask:
        bare = pc.replace_substring_regex(values, r"^(.{8})-(.)$", r"\1\2")
        where, rows = fixed_rows(bare, 9)
        good = np.zeros(len(values), dtype=np.bool_)
        if where.size:
            good[where] = organisation.valid_matrix(np.ascontiguousarray(rows))
        return to_mask(pc.is_valid(values)) & ~good

    return frame.over_values(rule.fields[0], judge)


def division(rule: RowRule, frame: Frame) -> Mask | None:
    """Not a division code, ever or now."""
    listed = frame.codes(divisions.LIST)
    known = (
        listed.array if rule.args.get("vintage", "ever") == "ever" else pa.array(sorted(listed.current), pa.string())
    )
    return frame.over_values(
        rule.fields[0], lambda values: pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=known)))
    )
