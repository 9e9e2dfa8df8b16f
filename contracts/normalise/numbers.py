"""Columns of numbers: forms, units, exact decimals. No float is ever made of an amount."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FieldSpec
from contracts.normalise.buffers import Mask, text_bytes, to_mask
from contracts.normalise.casting import Parsed, cast_or_null
from contracts.normalise.registry import UNITS

_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_GROUPED = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"
_EITHER = f"(?:{_GROUPED}|{_PLAIN})"
_SIGN = r"[¥\x{ffe5}$£€]|RMB|CNY"
_CURRENCY = rf"^[+-]?(?:{_SIGN})[ ]?[+-]?{_EITHER}$|^[+-]?{_EITHER}[ ]?元$|^\((?:{_SIGN}){_EITHER}\)$"
_PATTERNS = {
    "plain": f"^[+-]?{_PLAIN}$",
    "thousands": rf"^[+-]?{_GROUPED}$",
    "parentheses": rf"^\({_EITHER}\)$",
    "currency": _CURRENCY,
    "comma": r"^[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+$",
    "exponent": rf"^[+-]?{_PLAIN}[Ee][+-]?[0-9]{{1,2}}$",
}
_WHOLE = r"^[+-]?[0-9]+$"
_NUMBER_BYTES = np.zeros(256, dtype=np.bool_)
_NUMBER_BYTES[list(b"+-.0123456789")] = True


def decimal_type(spec: FieldSpec) -> pa.Decimal128Type:
    """The field's decimal type."""
    return pa.decimal128(spec.precision, spec.scale)


def shift_of(unit: str | None) -> int:
    """How many places the decimal point moves from the delivered unit to the kept one: 4 for 万元, -2 for 分."""
    return UNITS[unit].adjusted() if unit else 0


def parse_numbers(values: pa.StringArray, spec: FieldSpec, forms: Sequence[str]) -> Parsed:
    """int64 or decimal128(p, s) in the kept unit; exact or not at all.

    A number with more places than the field's scale holds (zeros at the end aside), or too large for its precision,
    is bad: nothing is rounded.
    """
    texts, changed = _plain_texts(values, forms)
    whole = spec.type == "integer"
    if whole and not spec.unit:
        odd = not bool(_NUMBER_BYTES[text_bytes(texts).data].all()) or bool((text_bytes(texts).data == ord(".")).any())
        if odd:
            texts = pc.if_else(pc.match_substring_regex(texts, _WHOLE), texts, pa.scalar(None, pa.string()))
        if (text_bytes(texts).data == ord("+")).any():
            texts = pc.replace_substring_regex(texts, r"^\+", "")
        typed = cast_or_null(texts, pa.int64())
    else:
        target = pa.decimal128(19, 0) if whole else decimal_type(spec)
        typed = _scaled(texts, target, shift_of(spec.unit))
        if whole:
            typed = cast_or_null(typed, pa.int64())
    bad = to_mask(pc.and_(pc.is_null(typed), pc.is_valid(values)))
    return Parsed(typed, bad, changed)


def _scaled(texts: pa.StringArray, target: pa.Decimal128Type, shift: int) -> pa.Array:
    """Reads decimals whose point stands `shift` places further left than in the kept value."""
    if shift == 0:
        return cast_or_null(texts, target)
    scale = target.scale + shift
    read = cast_or_null(texts, pa.decimal128(38, max(scale, 0)))
    # The same unscaled integer, read with another scale, is the value times a power of ten: no arithmetic, no
    # rounding. Below zero (分 into a field without places) the final cast lets only whole units through.
    kept_scale = target.scale if scale >= 0 else -shift
    kept = pa.Array.from_buffers(pa.decimal128(38, kept_scale), len(read), read.buffers(), read.null_count, read.offset)
    return cast_or_null(kept, target)


def _plain_texts(values: pa.StringArray, forms: Sequence[str]) -> tuple[pa.StringArray, Mask | None]:
    """The texts in plain form, null where no form fits; and which were in another form."""
    if forms[0] == "plain" and bool(_NUMBER_BYTES[text_bytes(values).data].all()):
        return values, None  # what is wrong among these (1-2) the cast finds
    left = values
    texts = pa.nulls(len(values), pa.string())
    changed = np.zeros(len(values), dtype=np.bool_)
    for form in forms:
        fits = pc.match_substring_regex(left, _PATTERNS[form])
        mask = to_mask(fits)
        if mask.any():
            texts = pc.if_else(pc.fill_null(fits, False), _unformed(left, form), texts)
            if form != "plain":
                changed |= mask
            left = pc.if_else(fits, pa.scalar(None, pa.string()), left)
        if left.null_count == len(left):
            break
    return texts, changed if changed.any() else None


def _unformed(texts: pa.StringArray, form: str) -> pa.StringArray:
    if form in {"plain", "exponent"}:
        return texts
    if form == "comma":
        return pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    if form == "currency":
        texts = pc.replace_substring_regex(texts, rf"{_SIGN}|元| ", "")
    texts = pc.replace_substring(texts, ",", "")
    return pc.replace_substring_regex(texts, r"^\((.*)\)$", r"-\1")
