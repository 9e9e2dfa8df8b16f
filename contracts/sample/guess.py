"""Everything that is guessed of a sample, column by column, before a line is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from contracts import codes
from contracts.header_form import header_form
from contracts.sample import naming
from contracts.sample.errors import SampleUnusable
from contracts.sample.keys import KeyGuess, guess_key
from contracts.sample.labels import may_be_written
from contracts.sample.personal import PersonalGuess, look
from contracts.sample.types import TypeGuess, guess_type
from hub.said import Said

FEW = 12  # different values up to which a column is taken for a list of codes
REPEATED = 5  # times that each of them comes, on average
_SHORT = 40
_MONEY = re.compile(r"(^|_)(amount|price|cost|fee|payment|budget|balance|tax|expenditure|income|sum|total)(_|$)")
_UNITS: tuple[tuple[str, str], ...] = (
    (r"万元", "wan_yuan"), (r"亿元", "yi_yuan"), (r"千元", "qian_yuan"), (r"百万元", "million_yuan"), (r"[((]分[))]", "fen"),
    (r"元|人民币|(?i:\b(cny|rmb|yuan)\b)", "yuan"), (r"(?i:thousand|\b000s?\b|\bin k\b)", "thousand"), (r"(?i:million|\bmn\b)", "million"),
)  # fmt: skip
_YUAN = ("yuan", "qian_yuan", "wan_yuan", "million_yuan", "yi_yuan", "fen")
_SHARED = 0.999  # share of a column's rows whose value a code list has


@dataclass(slots=True)
class FieldGuess:
    """One column, as a field."""

    header: str
    name: str
    label_zh: str
    label_en: str
    type: TypeGuess
    personal: PersonalGuess
    nulls: int
    distinct: int
    values: tuple[str, ...] = ()  # of a column of few values, each of them a code or a known label
    code_list: str | None = None
    unit: str | None = None
    padded: bool = False  # values have white space around them
    notes: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> bool:
        """Whether the column is not taken: no contract may hold it, or it is there for a personal number alone."""
        return self.personal.refused is not None or self.personal.only_numbers

    @property
    def classification(self) -> str:
        """personal, else internal."""
        return "personal" if self.personal.personal else "internal"


@dataclass(slots=True)
class Guessed:
    """A sample's columns with what was guessed of them."""

    rows: int
    fields: list[FieldGuess]
    key: KeyGuess | None
    han: bool  # whether the sample speaks Chinese
    dropped: list[FieldGuess] = field(default_factory=list)
    detect: tuple[str, ...] = ("citizen_number",)

    @property
    def key_names(self) -> list[str]:
        """The key's fields, in order."""
        return [self.fields[at].name for at in self.key.columns] if self.key else []

    @property
    def subject(self) -> str:
        """The field that is the Kafka key."""
        return self.fields[self.key.subject].name if self.key else ""


def guess(table: pa.Table, root: Path) -> Guessed:
    """What a sample's columns (text, named as delivered) look like. Raises SampleUnusable.

    `root` is the contracts folder, for its code lists.
    """
    headers = table.column_names
    _check(headers, table.num_rows)
    lists = {name: codes.load(name, root).codes for name in codes.names(root)}
    found: list[FieldGuess] = []
    columns: list[pa.StringArray] = []
    for number, header in enumerate(headers, 1):
        raw = table.column(number - 1).combine_chunks()
        values = _trimmed(raw)
        column = _field(header, values, number, [one.name for one in found], lists, root=root)
        column.padded = bool(pc.any(pc.not_equal(values, raw)).as_py())
        found.append(column)
        columns.append(values)
    kept = [at for at, column in enumerate(found) if not column.dropped]
    fields = [found[at] for at in kept]
    key = guess_key(
        [found[at].header for at in kept],
        [columns[at] for at in kept],
        [_may_be_key(found[at]) for at in kept],
    )
    if key is None:
        raise SampleUnusable(
            reason=Said(
                "no column without empty cells and personal data is left to tell records apart",
                "没有无空值且不含个人信息的列可用于区分记录",
            )
        )
    _say_key(fields, key, table.num_rows)
    detect = dict.fromkeys(["citizen_number", *(name for column in found for name in column.personal.numbers)])
    han = any(re.search(r"[\u3400-\u9fff]", header) for header in headers) or any(
        bool(pc.any(pc.match_substring_regex(column.slice(0, 1_000), r"\p{Han}")).as_py()) for column in columns
    )
    return Guessed(
        table.num_rows, fields, key, han, [found[at] for at in range(len(found)) if at not in kept], tuple(detect)
    )


def _check(headers: Sequence[str], rows: int) -> None:
    if not headers:
        raise SampleUnusable(reason=Said("it has no column", "没有列"))
    if not rows:
        raise SampleUnusable(
            reason=Said(
                "it has a header and no row: types, keys and codes can't be told from names alone",
                "只有表头而无数据行，仅凭列名无法判断类型、主键与代码",
            )
        )
    forms: dict[str, str] = {}
    for header in headers:
        other = forms.setdefault(header_form(header), header)
        if other != header:
            both = f"{other[:60]!r}, {header[:60]!r}"
            reason = Said(f"the columns {both} differ in case and blanks alone", f"列 {both} 仅大小写或空格不同")
            raise SampleUnusable(reason=reason)


def _field(
    header: str,
    values: pa.StringArray,
    number: int,
    taken: list[str],
    lists: Mapping[str, frozenset[str]],
    *,
    root: Path,
) -> FieldGuess:
    counted = pc.value_counts(values.drop_null())
    distinct = counted.field("values")
    counts = counted.field("counts").to_pylist()
    kind = guess_type(header, distinct, counts)
    personal = look(header, distinct)
    made = FieldGuess(
        header, "", naming.label_zh(header), naming.label_en(header), kind, personal, values.null_count, len(distinct)
    )
    made.notes += kind.notes
    absent = set(kind.null_values)
    real = [text for text in distinct.to_pylist() if text not in absent]
    plain = kind.type == "string" or (kind.type == "integer" and not absent)
    if plain and not personal.personal:
        _codes(made, real, sum(counts), lists, root)
    if kind.type in ("integer", "decimal"):
        _unit(made)
    made.name = _name(made, number, taken)
    if made.nulls == 0 and not absent:
        made.notes.append("never empty in the sample: required?")
    _say_personal(made)
    if not made.dropped and (words := naming.untranslated(header)):
        named = ", ".join(dict.fromkeys(words))
        made.notes.append(
            f"the Chinese name is half made by a machine, which does not know {named}: write it; 中文名称待填写"
        )
    return made


def _codes(made: FieldGuess, values: list[str], rows: int, lists: Mapping[str, frozenset[str]], root: Path) -> None:
    """A code list of the house that has all values, else the few values themselves, where none may be a name."""
    if len(values) >= 2:
        fitting = sorted(
            (len(known), name)
            for name, known in lists.items()
            if sum(value in known for value in values) >= _SHARED * len(values) and _speaks_of(made.header, name, known)
        )
        if fitting:
            made.code_list = fitting[0][1]
            made.type.type, made.type.forms = "string", ()
            made.notes.append(f"every value is in the code list {made.code_list}")
            return
    few = (
        made.type.type == "string"
        and 2 <= len(values) <= FEW
        and rows >= REPEATED * len(values)
        and all(len(value) <= _SHORT for value in values)
    )
    if few and may_be_written(values, root):
        made.values = tuple(sorted(values))
        made.notes.append(f"{len(values)} different values in {rows} rows: a list of codes?")
    elif few:
        made.notes.append(
            f"{len(values)} different values in {rows} rows, not written here: they may be names. Codes? Write a rule."
            " Names of people? Classify it as personal"
        )


def _speaks_of(header: str, name: str, known: frozenset[str]) -> bool:
    """Whether a list may be meant: its codes are long enough to be no coincidence, or the header names it."""
    long = min(map(len, known)) >= 6
    words = {_stem(word) for word in naming.words_of(header)}
    return long or bool(words & {_stem(word) for word in name.split("_")} - {"code", "type"})


def _stem(word: str) -> str:
    """A word without its plural."""
    return word.removesuffix("ies").removesuffix("y").removesuffix("s")


def _unit(made: FieldGuess) -> None:
    words = "_".join(naming.words_of(made.header))
    money = bool(_MONEY.search(words)) or "额" in made.header
    made.unit = next((unit for pattern, unit in _UNITS if money and re.search(pattern, made.header)), None)
    if "百万元" in made.header:
        made.unit = "million_yuan"
    if money and made.unit is None:
        made.notes.append("UNIT: the header names none; the number is kept as it comes. Which unit and currency is it?")
    elif made.unit is not None:
        made.notes.append(f"the header names the unit {made.unit}")
        if made.unit in _YUAN:
            shift = {"yuan": 0, "fen": -2}.get(made.unit, 0)
            if made.type.type == "integer" or shift:
                made.type.type, made.type.forms = "decimal", made.type.forms or ("plain",)
            made.type.precision, made.type.scale = 18, max(2, made.type.scale if made.unit == "yuan" else 2)


def _name(made: FieldGuess, number: int, taken: list[str]) -> str:
    header = made.header
    if made.unit in _YUAN:
        rest = [
            word
            for word in naming.words_of(re.sub(r"[((].*?[))]", "", header))
            if word not in ("amount", "cny", "rmb", "yuan")
        ]
        base = "_".join(["amount", *rest, "cny"])
        name, again = base, 2
        while name in taken:
            name, again = base.replace("_cny", f"_{again}_cny"), again + 1
        return name
    name = naming.field_name(header, made.type.type, taken, number)
    if made.code_list and not name.endswith("_code"):
        name = naming.field_name(f"{header} code", "string", taken, number)
    return name


def _say_personal(made: FieldGuess) -> None:
    found = made.personal
    if found.refused is not None:
        made.notes.append(f"no contract may hold it ({found.refused.en}): the gate drops the column")
    elif found.only_numbers:
        made.notes.append("PERSONAL: most values are personal numbers; the gate drops the column")
    elif found.personal:
        why = (
            "its header" if found.by_header else "values that look like names" if found.names else "numbers in its text"
        )
        made.notes.append(f"PERSONAL by {why}: never published")


def _say_key(fields: list[FieldGuess], key: KeyGuess, rows: int) -> None:
    for place, at in enumerate(key.columns, 1):
        told = (
            "tells all rows apart"
            if key.unique
            else f"{key.conflicting} of {rows} rows share it with a row that differs"
        )
        also = f", {key.identical} rows repeat another in full" if key.identical else ""
        fields[at].notes.append(f"KEY {place} of {len(key.columns)}: {told}{also}")
    fields[key.subject].notes.append("SUBJECT: who the record is about; its value is the Kafka key")


def _may_be_key(column: FieldGuess) -> bool:
    plain = column.type.type in ("string", "integer", "date", "timestamp")
    return plain and not column.personal.personal and column.nulls == 0 and not column.type.null_values


def _trimmed(column: pa.StringArray) -> pa.StringArray:
    """The values without white space around them; what is nothing but that is no value."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
