"""The text steps. Each takes a string array and gives the changed one, or None where nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.buffers import Mask, TextBytes, text_bytes, with_bytes

Step = Callable[[pa.StringArray], pa.StringArray | None]

# White space as Python's str.isspace knows it, beyond ASCII.
_WIDE_SPACE = r"\x{0085}\x{00a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_SPACE = rf"[\t-\r\x1c-\x20{_WIDE_SPACE}]"
_DASH = r"[-\x{2010}-\x{2015}\x{2212}\x{ff0d}]"
_INVISIBLE = (
    r"[\x00-\x08\x0e-\x1b\x7f\x{80}-\x{84}\x{86}-\x{9f}\x{ad}\x{200b}-\x{200f}\x{202a}-\x{202e}"
    r"\x{2060}-\x{2064}\x{2066}-\x{2069}\x{feff}]"
)
_SPACE_LEADS = np.zeros(256, dtype=np.bool_)
_SPACE_LEADS[:0x21] = True
_SPACE_LEADS[[0xC2, 0xE1, 0xE2, 0xE3]] = True


def changed_rows(before: pa.StringArray, after: pa.StringArray) -> Mask:
    """Which values differ; null on both sides is no difference."""
    differs = pc.not_equal(before, after)
    mask: Mask = pc.fill_null(differs, False).to_numpy(zero_copy_only=False)
    if before.null_count != after.null_count:
        mask = mask | (
            pc.is_null(after).to_numpy(zero_copy_only=False) & pc.is_valid(before).to_numpy(zero_copy_only=False)
        )
    return mask


def _trim(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    lengths = view.lengths
    if view.data.size == 0:
        return None
    filled = lengths > 0
    first = view.data[view.offsets[:-1][filled]]
    end = view.offsets[1:][filled]
    suspect = _SPACE_LEADS[first]
    last = view.data[end - 1]
    tail = last <= 0x20
    if not view.ascii:
        # A wide space ends with a continuation byte: its lead stands two or three bytes before the end.
        wide = last >= 0x80
        two, three = np.maximum(end - 2, 0), np.maximum(end - 3, 0)
        tail |= wide & ((view.data[two] == 0xC2) | _SPACE_LEADS[view.data[three]])
    if not (suspect | tail).any():
        return None
    return pc.utf8_trim_whitespace(values)


def _half_width(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    if view.ascii:
        return None
    data = view.data
    at = np.flatnonzero(data[:-2] == 0xEF)
    second, third = data[at + 1], data[at + 2]
    low = (second == 0xBC) & (third >= 0x81)
    high = (second == 0xBD) & (third <= 0x9E)
    signs = at[low | high]
    spaces = view.find(b"\xe3\x80\x80")
    if signs.size + spaces.size == 0:
        return None
    out = data.copy()
    # U+FF01..U+FF5E stand 0xFEE0 above ASCII: EF BC 81 is 0x21, EF BD 80 is 0x60.
    out[signs] = np.where(data[signs + 1] == 0xBC, data[signs + 2] - 0x60, data[signs + 2] - 0x20)
    out[spaces] = 0x20
    keep = np.ones(data.size, dtype=np.bool_)
    gone = np.concatenate((signs + 1, signs + 2, spaces + 1, spaces + 2))
    keep[gone] = False
    before = np.zeros(data.size + 1, dtype=np.int32)
    np.cumsum(keep, out=before[1:])
    return with_bytes(values, out[keep], before[view.offsets])


def _has_space(view: TextBytes) -> bool:
    if view.data.size == 0:
        return False
    return bool((view.data <= 0x20).any()) or (not view.ascii and _has_lead(view, (0xC2, 0xE1, 0xE2, 0xE3)))


def _has_lead(view: TextBytes, leads: tuple[int, ...]) -> bool:
    return any(bool((view.data == lead).any()) for lead in leads)


def _collapse_space(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    data = view.data
    if data.size == 0:
        return None
    plain = data == 0x20
    odd = bool(((data <= 0x20) & ~plain).any()) or bool((plain[1:] & plain[:-1]).any())
    if not odd and (view.ascii or not _has_lead(view, (0xC2, 0xE1, 0xE2, 0xE3))):
        return None
    return pc.replace_substring_regex(values, f"{_SPACE}+", " ")


def _remove_space(values: pa.StringArray) -> pa.StringArray | None:
    if not _has_space(text_bytes(values)):
        return None
    return pc.replace_substring_regex(values, f"{_SPACE}+", "")


def _remove_hyphen(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    if not (view.data == 0x2D).any() and (view.ascii or not _has_lead(view, (0xE2, 0xEF))):
        return None
    return pc.replace_substring_regex(values, _DASH, "")


def _remove_invisible(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    control = (view.data < 0x20) | (view.data == 0x7F)
    if not control.any() and (view.ascii or not _has_lead(view, (0xC2, 0xE2, 0xEF))):
        return None
    return pc.replace_substring_regex(values, _INVISIBLE, "")


def _strip_quote(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    starts = view.offsets[:-1][view.lengths > 0]
    if not (view.data[starts] == 0x27).any():
        return None
    return pc.replace_substring_regex(values, "^'", "")


def _upper(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    if view.ascii and not ((view.data >= 0x61) & (view.data <= 0x7A)).any():
        return None
    return pc.utf8_upper(values)


def _lower(values: pa.StringArray) -> pa.StringArray | None:
    view = text_bytes(values)
    if view.ascii and not ((view.data >= 0x41) & (view.data <= 0x5A)).any():
        return None
    return pc.utf8_lower(values)


STEP_KERNELS: dict[str, Step] = {
    "trim": _trim,
    "half_width": _half_width,
    "collapse_space": _collapse_space,
    "remove_space": _remove_space,
    "remove_hyphen": _remove_hyphen,
    "remove_invisible": _remove_invisible,
    "strip_quote": _strip_quote,
    "upper": _upper,
    "lower": _lower,
}


def half_width_text(text: str) -> str:
    """One text with full-width signs, digits, letters and spaces half-width; as long as before."""
    return text.translate(_HALF_WIDTH)


_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
