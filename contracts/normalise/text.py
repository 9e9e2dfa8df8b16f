"""The text steps. Each takes a string array and gives the changed one, or None where nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.normalise.buffers import Mask, TextBytes, text_bytes, with_bytes

Step = Callable[[pa.StringArray], pa.StringArray | None]

Ranges = tuple[tuple[int, int], ...]

# White space as Python's str.isspace knows it.
SPACES: Ranges = (
    (0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
DASHES: Ranges = ((0x2D, 0x2D), (0x2010, 0x2015), (0x2212, 0x2212), (0xFF0D, 0xFF0D))
INVISIBLES: Ranges = (
    (0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x2064), (0x2066, 0x2069), (0xFEFF, 0xFEFF),
)  # fmt: skip
"""What the steps take out. The gate looks for numbers as they are after that, so it knows these signs from here."""


def sign_class(ranges: Ranges) -> str:
    """The signs as a class of a regular expression of Arrow's."""
    return "[" + "".join(rf"\x{{{low:04x}}}-\x{{{high:04x}}}" for low, high in ranges) + "]"


_SPACE = sign_class(SPACES)
_DASH = sign_class(DASHES)
_INVISIBLE = sign_class(INVISIBLES)
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
