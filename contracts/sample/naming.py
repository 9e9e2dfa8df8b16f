"""From a header to a field's name and its two labels, in the house's naming."""

from __future__ import annotations

import re
from collections.abc import Iterable

from contracts.sample.glossary import CHINESE, ENGLISH

MAX_NAME = 60
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LONGEST = max(map(len, CHINESE))


def words_of(header: str) -> list[str]:
    """The words of a header, lower case and ASCII; Chinese ones as the glossary has them, unknown ones left out."""
    words: list[str] = []
    for part in re.findall(r"[\u3400-\u9fff]+|[A-Za-z0-9]+", _CAMEL.sub(" ", header)):
        words += _from_chinese(part) if _HAN.match(part) else [part.lower()]
    return [word for word in words if word]


def field_name(header: str, kind: str, taken: Iterable[str], number: int) -> str:
    """A snake_case name that fits the type and that no other field has."""
    words = words_of(header) or ["field", str(number)]
    base = _fitting(words, kind) or f"field_{number}"
    if not base[0].isalpha() or base.startswith("hub_"):
        base = f"n_{base}"
    base = re.sub(r"_+", "_", base)[: MAX_NAME - 4].strip("_")
    name, again, known = base, 2, set(taken)
    while name in known:
        name = _numbered(base, again)
        again += 1
    return name


def label_en(header: str) -> str:
    """The header in English words, or where it is to be found."""
    if not _HAN.search(header):
        text = " ".join(re.findall(r"[A-Za-z0-9]+", _CAMEL.sub(" ", header)))
        return text[:1].upper() + text[1:].lower() if re.search(r"[A-Za-z]{2}", text) else f"Column {text or '?'}"
    made = " ".join(words_of(header)).replace("_", " ").capitalize()
    return made if re.search(r"[A-Za-z]{2}", made) else "Column as delivered"


def label_zh(header: str) -> str:
    """The header in Chinese, as far as the glossary goes."""
    if _HAN.search(header):
        return header.strip()
    words = words_of(header)
    made = "".join(
        ENGLISH.get(word, ENGLISH.get(word.rstrip("s"), f"{word.upper()}")) for word in words if word != "of"
    )
    return made if _HAN.search(made) else f"字段{made or header.strip()}"


def untranslated(header: str) -> list[str]:
    """The words of a header that its Chinese label has as they came: the glossary does not know them."""
    if _HAN.search(header):
        return []
    words = [word for word in words_of(header) if re.search(r"[a-z]{2}", word)]
    return [word.upper() for word in words if word not in ENGLISH and word.rstrip("s") not in ENGLISH]


def _from_chinese(text: str) -> list[str]:
    """The longest phrases of the glossary, from the left; signs that it doesn't have are passed over."""
    words: list[str] = []
    at = 0
    while at < len(text):
        for size in range(min(_LONGEST, len(text) - at), 0, -1):
            if text[at : at + size] in CHINESE:
                words.append(CHINESE[text[at : at + size]])
                at += size
                break
        else:
            at += 1
    return words


def _fitting(words: list[str], kind: str) -> str:
    """The words as a name that ends or begins as its type asks."""
    words = list(words)
    if kind in ("date", "timestamp"):
        rest = [word for word in words if word not in ("date", "time", "datetime", "on", "at", "of", "day")]
        return (
            "_".join([*rest, "on" if kind == "date" else "at"])
            if rest
            else ("dated_on" if kind == "date" else "made_at")
        )
    if kind == "boolean" and len(words) == 1 and words[0] in ("is", "has"):
        return "is_so"
    if kind == "boolean":
        return "_".join(words) if words[:1] in (["is"], ["has"]) else "_".join(["is", *words])
    while len(words) > 1 and words[0] in ("is", "has"):
        words = words[1:]
    name = "_".join(words)
    if kind != "string" and name.endswith("_code"):
        name += "_no"
    if re.search(r"_(on|at|cny)$", name):
        name += "_text"
    return name


def _numbered(base: str, number: int) -> str:
    """The name with a number, where the ending that its type asks for stays last."""
    match = re.fullmatch(r"(.+)(_on|_at|_code|_cny)", base)
    return f"{match[1]}_{number}{match[2]}" if match else f"{base}_{number}"
