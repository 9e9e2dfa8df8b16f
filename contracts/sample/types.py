"""What type a column of texts is, by asking the very parsers that will read it.

A column is of a type when every value is; a handful of texts that say `no value` (N/A, -, 无) are set aside first. A
column that is mixed stays text, and is told: nothing of it is lost, and a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.model import FieldSpec, FieldType
from contracts.normalise.booleans import parse_booleans
from contracts.normalise.numbers import parse_numbers
from contracts.normalise.times import parse_dates, parse_timestamps
from contracts.sample.naming import words_of

NO_VALUES = (
    "n/a",
    "na",
    "#n/a",
    "null",
    "none",
    "nil",
    "nan",
    "-",
    "--",
    "—",
    "——",
    "/",
    "\\",
    ".",
    "..",
    "无",
    "空",
    "不详",
    "未知",
    "00000000",
)

_DATES = (
    "YYYY-MM-DD",
    "YYYY/M/D",
    "YYYY.M.D",
    "YYYY年M月D日",
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "DD-Mon-YYYY",
    "DD-Mon-YY",
    "timestamp",
)
_COMPACT = "YYYYMMDD"
_TIMES = ("rfc3339", "YYYYMMDDHHMMSS")
_NAIVE = ("beijing", "utc")
_NUMBERS = ("plain", "thousands", "currency", "parentheses", "comma", "exponent")
_BOOLEANS = ("true/false", "yes/no", "是/否", "有/无")
_IDENTIFIER = re.compile(
    r"(^|_)(id|no|number|code|zip|postcode|phone|mobile|fax|account|card|uscc|licence|license|voucher|document|isbn|ein|uei|key|reference)(_|$)"
)
_COUNTED = re.compile(r"(^|_)(number_of|no_of|count|quantity|amount|sum|total|score|rate|ratio|percent|value)(_|$)")
_WHEN = re.compile(r"(^|_)(date|day|time|on|at|start|end|created|updated|deadline|received|paid)(_|$)")
_FEW = 0.4  # share of the values that may be a text for `no value`
_MIXED = 0.5  # share that must fit a type for a column to be called mixed rather than text
_EXACT = 38


@dataclass(slots=True)
class TypeGuess:
    """A type, how its values are written, and what a person should know."""

    type: FieldType = "string"
    forms: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    precision: int = 0
    scale: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    type: FieldType
    forms: tuple[str, ...]


def guess_type(header: str, values: pa.StringArray, counts: Sequence[int]) -> TypeGuess:
    """The type of a column's distinct values (trimmed, without null); `counts` says how many rows have each."""
    if len(values) == 0:
        return TypeGuess(notes=["empty in the sample: nothing is known of it"])
    words = "_".join(words_of(header))
    texts = values.to_pylist()
    absent = [at for at, text in enumerate(texts) if text.lower() in NO_VALUES]
    weight = np.array(counts)
    if absent and weight[absent].sum() <= _FEW * weight.sum() and len(absent) < len(texts):
        rest = values.filter(pa.array(~np.isin(np.arange(len(texts)), absent)))
        found = _typed(words, rest)
        told = ", ".join(repr(texts[at]) for at in absent)
        if found.type == "string":
            # A person may be called so, or a place: of a text only somebody who knows can tell.
            found.notes.append(f"do these texts mean `no value`: {told}? List them in hub.null_values then")
            _mixed(words, rest, weight, found)
        else:
            found.null_values = tuple(texts[at] for at in absent)
            found.notes.append(f"these texts are taken for `no value`: {told}")
        return found
    found = _typed(words, values)
    if found.type == "string":
        _mixed(words, values, weight, found)
    return found


def _typed(words: str, values: pa.StringArray) -> TypeGuess:
    """The first type that every value has; string where none fits."""
    identifier = bool(_IDENTIFIER.search(words)) and not _COUNTED.search(words)
    for candidate in _candidates(words, values, identifier=identifier):
        if _bad(values, candidate) == 0:
            return _made(words, values, candidate)
    guess = TypeGuess()
    if identifier and _bad(values, _Candidate("integer", ("plain",))) == 0:
        guess.notes.append("digits, kept as text: they name something and are not counted")
    return guess


def _candidates(words: str, values: pa.StringArray, *, identifier: bool) -> Iterator[_Candidate]:
    yield from (_Candidate("boolean", (form,)) for form in _BOOLEANS)
    if re.match(r"(is|has)_", words) or re.search(r"_flag$", words):
        yield _Candidate("boolean", ("1/0",))
    yield from (_Candidate("date", (form,)) for form in _DATES if form != "timestamp")
    if _WHEN.search(words):
        yield _Candidate("date", (_COMPACT,))
        yield from (_Candidate("date", pair) for pair in permutations(("YYYY-MM-DD", _COMPACT, "YYYY/M/D"), 2))
        yield from (_Candidate("timestamp", (form,)) for form in _TIMES)
        yield from (_Candidate("timestamp", (form, "date")) for form in _NAIVE)
    yield _Candidate("timestamp", ("rfc3339",))
    yield from (_Candidate("timestamp", (form,)) for form in _NAIVE)
    if identifier or _leading_zeros(values):
        return
    yield _Candidate("integer", ("plain",))
    for form in _NUMBERS:
        yield _Candidate("decimal", tuple(dict.fromkeys(("plain", form))) if form != "comma" else ("comma",))
    yield _Candidate("decimal", ("plain", "thousands", "currency", "parentheses"))
    yield _Candidate("decimal", ("plain", "exponent", "thousands"))


def _bad(values: pa.StringArray, candidate: _Candidate) -> int:
    """How many values the parser of a candidate can't read."""
    match candidate.type:
        case "boolean":
            parsed = parse_booleans(values, candidate.forms)
        case "date":
            parsed = parse_dates(values, candidate.forms, {})
        case "timestamp":
            parsed = parse_timestamps(values, candidate.forms, {})
        case _:
            parsed = parse_numbers(values, _spec(candidate.type), candidate.forms)
    return int(np.count_nonzero(parsed.bad))


def _spec(kind: FieldType) -> FieldSpec:
    return FieldSpec("x", "", "", kind, precision=_EXACT, scale=12 if kind == "decimal" else 0)


def _made(words: str, values: pa.StringArray, candidate: _Candidate) -> TypeGuess:
    guess = TypeGuess(candidate.type, candidate.forms)
    if candidate.type == "decimal":
        _decimal(words, values, guess)
    elif candidate.type == "date":
        other = {"DD/MM/YYYY": "MM/DD/YYYY", "MM/DD/YYYY": "DD/MM/YYYY"}.get(candidate.forms[0])
        if other and _bad(values, _Candidate("date", (other,))) == 0:
            guess.notes.append(f"AMBIGUOUS: {candidate.forms[0]} and {other} both fit every value; ask the sender")
    elif candidate.type == "timestamp" and set(candidate.forms) & set(_NAIVE):
        guess.notes.append("no offset: Beijing's time is meant, or UTC? ask the sender")
    return guess


def _decimal(words: str, values: pa.StringArray, guess: TypeGuess) -> None:
    """Precision and scale: what the sample has, with room to grow."""
    parsed = parse_numbers(values, _spec("decimal"), guess.forms).typed
    texts = pc.replace_substring_regex(parsed.cast(pa.string()), r"\.?0+$|^-", "")
    plain = pc.replace_substring_regex(
        pc.if_else(pc.match_substring(parsed.cast(pa.string()), "."), texts, parsed.cast(pa.string())), "^-", ""
    )
    places = pc.utf8_length(pc.replace_substring_regex(plain, r"^[^.]*\.?", ""))
    whole = pc.utf8_length(pc.replace_substring_regex(plain, r"\..*$", ""))
    scale = int(pc.max(places).as_py() or 0)
    if re.search(r"amount|price|cost|fee|payment|budget|balance|tax|sum|total", words):
        scale = max(scale, 2)
    digits = int(pc.max(whole).as_py() or 1)
    guess.scale, guess.precision = scale, min(_EXACT, max(18, digits + scale + 3))
    guess.notes.append(f"at most {digits} digits before and {scale} behind the point in the sample")


def _mixed(words: str, values: pa.StringArray, weight: np.ndarray, guess: TypeGuess) -> None:
    """Says so where most, but not all, of a text column's values are of another type."""
    if (
        len(values) < 2
        or _IDENTIFIER.search(words)
        or guess.notes[:1] == ["digits, kept as text: they name something and are not counted"]
    ):
        return
    for kind, candidate in (
        ("number", _Candidate("decimal", ("plain", "thousands", "currency", "parentheses"))),
        ("date", _Candidate("date", tuple(form for form in (*_DATES, _COMPACT) if form != "MM/DD/YYYY"))),
        ("timestamp", _Candidate("timestamp", ("rfc3339", "utc"))),
    ):
        bad = _bad(values, candidate)
        if 0 < bad < len(values) * _MIXED:
            good = len(values) - bad
            guess.notes.append(
                f"MIXED: {good} of {len(values)} different values are a {kind}, {bad} are not; kept as text, so nothing is lost"
            )
            return


def _leading_zeros(values: pa.StringArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, r"^0[0-9]")).as_py())
