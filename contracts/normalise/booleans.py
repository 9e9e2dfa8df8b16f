"""Columns of truth values: words in the forms that the contract names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from contracts.normalise.casting import Parsed

_WORDS: dict[str, dict[str, bool]] = {
    "true/false": {"true": True, "false": False},
    "yes/no": {"yes": True, "no": False, "y": True, "n": False},
    "1/0": {"1": True, "0": False},
    "是/否": {"是": True, "否": False},
    "有/无": {"有": True, "无": False},
}


def parse_booleans(values: pa.StringArray, forms: Sequence[str]) -> Parsed:
    """bool of distinct texts, letters in any case."""
    words = {word: truth for form in reversed(forms) for word, truth in _WORDS[form].items()}
    texts = values.to_pylist()
    found = [None if text is None else words.get(text.lower()) for text in texts]
    bad = np.array(
        [text is not None and truth is None for text, truth in zip(texts, found, strict=True)], dtype=np.bool_
    )
    changed = np.array(
        [truth is not None and text not in {"true", "false"} for text, truth in zip(texts, found, strict=True)],
        dtype=np.bool_,
    )
    return Parsed(pa.array(found, pa.bool_()), bad, changed)
