"""Contracts are untrusted: whatever stands in a file, the reader answers with problems, in time, and never raises."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import catalogue, lint
from contracts.reader import examine
from contracts.rules.patterns import mismatches
from tests.contracts.sample import SAMPLE, changed, folder, read, write

FULL = changed(
    "  - {id: secrecy_mark, kind: secrecy,",
    "  - {id: own_level, kind: subject_level, action: refuse_row, fields: [division_code], zh: 层级, en: level,\n"
    '     levels: {"110101": 4}, unknown: pass}\n'
    "  - {id: secrecy_mark, kind: secrecy,",
    changed(
        "  - id: not_empty\n",
        "  - id: few_without_day\n    name: 少数无日期\n    description: Few lack the day\n    type: custom\n"
        "    engine: great-expectations\n    dimension: coverage\n"
        "    implementation: {kind: rule_share, rule: amount_with_day, max: 0.1}\n"
        "  - id: sample_shape\n    name: 编号形式\n    description: Shape of the number\n    type: custom\n"
        "    engine: hub\n    dimension: conformity\n"
        '    implementation: {kind: pattern, fields: [sample_no], pattern: "[A-Z]+[0-9]*"}\n'
        "  - id: not_empty\n",
    ),
)
LINES = FULL.split("\n")
VALUES = [
    "null",
    "[]",
    "{}",
    "3",
    "-1.5",
    "true",
    '""',
    '"x"',
    "[null]",
    "[[x]]",
    "{a: {b: c}}",
    '"' + "长" * 300 + '"',
    "NO",
    "*x",
    "&x y",
    "[x]",
    "{a: [1]}",
    '{"110101": [1]}',
    '"a{99999999999999999999}"',
    '"\\ud800"',
    "99999999999999999.5",
    '"1e999999999"',
]
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(LINES) - 1),
        st.sampled_from(["drop", "double", "value", "swap", "indent"]),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=4,
)


def edited(edits):
    lines = list(LINES)
    for number, kind, value in edits:
        place = number % len(lines)
        if kind == "drop":
            del lines[place]
        elif kind == "double":
            lines.insert(place, lines[place])
        elif kind == "value" and ":" in lines[place]:
            lines[place] = lines[place].split(":", 1)[0] + ": " + value
        elif kind == "swap":
            lines[place], lines[place - 1] = lines[place - 1], lines[place]
        else:
            lines[place] = "  " + lines[place]
    return "\n".join(lines)


def test_the_whole_sample_is_sound(tmp_path):
    assert read(tmp_path, FULL).problems == ()


@given(EDITS)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_contract_in_disorder_is_answered(tmp_path, edits):
    reading = read(tmp_path, edited(edits))
    assert (reading.contract is None) == bool(reading.problems)
    for problem in reading.problems:
        assert problem.sentence() and problem.sentence("zh") and problem.remedy() and problem.remedy("zh")
        assert 1 <= problem.place[0] <= len(LINES) + 5


NAMES = [
    "x; drop table y", "x'--", 'x" or 1=1', "../../etc/passwd", "$(id)", "{{7*7}}", "<script>alert(1)</script>", "a\\u0000b", "x" * 5_000,
    "%(asctime)s", "{facts}", "名称", "__class__", "select", "[red]", "a b", "-rf",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_strange_names_are_refused_where_names_are_due(tmp_path, name):
    quoted = '"' + name.replace('"', '\\"') + '"'
    for old in ("id: audit_samples", "- name: sample_no", "- server: office", "- id: not_empty"):
        key = old.split(":")[0]
        reading = read(tmp_path, changed(old, f"{key}: {quoted}"))
        if name == "select" and key != "id":
            continue  # a word like any other: identifiers are quoted wherever SQL is made
        assert reading.contract is None, (key, name)
        assert all(len(str(problem)) < 2_000 for problem in reading.problems)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "---\n...\n", "null", "- a", "a: b", "\ufeff" + SAMPLE, SAMPLE + "\x00", SAMPLE.replace("  ", "\t"), "a: &a\n  b: *a\n", SAMPLE + "\n---\n" + SAMPLE, "# only a comment"],
    ids=["empty", "blank", "bare", "null", "list", "other", "bom", "nul", "tabs", "loop", "two", "comment"],
)  # fmt: skip
def test_files_that_are_no_contract(tmp_path, text):
    reading = read(tmp_path, text)
    assert reading.contract is None
    assert reading.problems


def test_windows_line_ends_are_fine(tmp_path):
    folder(tmp_path)
    path = write(tmp_path, "audit_samples", "")
    path.write_bytes(SAMPLE.replace("\n", "\r\n").encode())
    assert examine(path, root=tmp_path).problems == ()


def test_what_is_no_file_is_no_contract(tmp_path):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    place = root / "feeds" / "audit"
    (place / "audit_folder.odcs.yaml").mkdir()
    os.mkfifo(place / "audit_pipe.odcs.yaml")
    (place / "audit_lost.odcs.yaml").symlink_to("/nowhere/at/all")
    (place / "audit_big.odcs.yaml").write_bytes(b"#" * 10_000_000)
    (place / "audit_secret.odcs.yaml").write_bytes(SAMPLE.encode())
    started = time.perf_counter()
    found = catalogue.load(root, tmp_path / "cache")
    assert list(found.feeds) == ["audit_samples"]
    assert {"audit_folder", "audit_pipe", "audit_big", "audit_secret"} <= {entry.id for entry in found.broken}
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "((((((((((a*)*)*)*)*)*)*)*)*)*"])
def test_patterns_that_hang_other_engines_are_harmless(tmp_path, pattern):
    started = time.perf_counter()
    read(tmp_path, changed('"[A-Z]{2}[0-9]{4}"', f'"{pattern}"'))
    assert time.perf_counter() - started < 5


HOSTILE = {
    "half a character": ("description: Shape of the number", 'description: "\\ud800"'),
    "a character of none": ("description: Shape of the number", 'description: "a\\0b"'),
    "a level that is a list": ('levels: {"110101": 4}', 'levels: {"110101": [1]}'),
    "an id that is a list": ("id: amount_with_day", "id: [x]"),
    "a number beyond any column": ("minimum: 0", 'minimum: "1e999999999"'),
}


@pytest.mark.parametrize("old, new", HOSTILE.values(), ids=HOSTILE)
def test_one_hostile_contract_takes_no_other_down(tmp_path, old, new):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    write(root, "audit_hostile", changed(old, new, FULL.replace("audit_samples", "audit_hostile")))
    for _ in range(2):  # read, then from the cache
        found = catalogue.load(root, tmp_path / "cache")
        assert list(found.feeds) == ["audit_samples"]
        assert [entry.id for entry in found.broken] == ["audit_hostile"]
        assert "HUB-CON-145" not in {problem.code for problem in found.broken[0].problems}  # it was foreseen
        str(found.broken[0].error).encode()


@pytest.mark.parametrize("old", ['"[A-Z]{2}[0-9]{4}"', '"[A-Z]+[0-9]*"'])
@pytest.mark.parametrize(
    "pattern",
    ["a{99999999999999999999}", "(" * 900 + "a" + ")" * 900, "(" * 9_000 + "a" + ")" * 9_000],
    ids=["repeated", "nested", "deep"],
)
def test_a_pattern_is_judged_by_the_engine_that_runs_it(tmp_path, old, pattern):
    reading = read(tmp_path, changed(old, f'"{pattern}"', FULL))
    assert "HUB-CON-145" not in {problem.code for problem in reading.problems}
    if not reading.problems:
        assert mismatches(pa.array(["b"]), pattern).to_pylist() == [True]


def test_what_nobody_foresaw_breaks_one_contract(tmp_path, monkeypatch):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    write(root, "audit_odd", SAMPLE.replace("audit_samples", "audit_odd"))
    house = lint.house

    def trips(view, around):
        if view.id == "audit_odd":
            raise RecursionError("password=hunter2")
        house(view, around)

    monkeypatch.setattr(lint, "house", trips)
    found = catalogue.load(root, tmp_path / "cache")
    assert list(found.feeds) == ["audit_samples"]
    assert [(entry.id, entry.problems[0].code) for entry in found.broken] == [("audit_odd", "HUB-CON-145")]
    assert "hunter2" not in str(found.broken[0].error)
    monkeypatch.undo()  # what was not foreseen is not kept
    assert len(catalogue.load(root, tmp_path / "cache").feeds) == 2


def test_what_breaks_the_cache_breaks_one_contract(tmp_path, monkeypatch):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    write(root, "audit_odd", SAMPLE.replace("audit_samples", "audit_odd"))
    pack = catalogue.pack

    def trips(contract):
        if contract.id == "audit_odd":
            raise ValueError("no")
        return pack(contract)

    monkeypatch.setattr(catalogue, "pack", trips)
    found = catalogue.load(root, tmp_path / "cache")
    assert list(found.feeds) == ["audit_samples"]
    assert [(entry.id, entry.problems[0].code) for entry in found.broken] == [("audit_odd", "HUB-CON-145")]


def test_a_file_name_that_is_no_text_takes_no_other_down(tmp_path):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    strange = os.fsencode(root / "feeds" / "audit") + b"/" + "audit_样例".encode("gb18030") + b".odcs.yaml"
    Path(os.fsdecode(strange)).write_bytes(SAMPLE.encode())
    for _ in range(2):
        found = catalogue.load(root, tmp_path / "cache")
        assert list(found.feeds) == ["audit_samples"]
        assert len(found.broken) == 1
        f"{found.broken[0].id} {found.broken[0].path} {found.broken[0].error}".encode()


def test_a_folder_that_cannot_be_opened_takes_no_other_down(tmp_path, monkeypatch):
    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    (root / "feeds" / "secret").mkdir()
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = catalogue.load(root, tmp_path / "cache")
    assert list(found.feeds) == ["audit_samples"]
    assert [(entry.path, entry.problems[0].code) for entry in found.broken] == [("feeds/secret", "HUB-CON-110")]


@pytest.mark.parametrize(
    "pattern", ["a{1001}", "(", "[z-a]", r"(?P<n>a)(?P=n)", r"(a)\\1", "(?<!x)y", r"\\p{Nonsense}"]
)
def test_patterns_that_cannot_run_are_refused(tmp_path, pattern):
    reading = read(tmp_path, changed('"[A-Z]{2}[0-9]{4}"', f'"{pattern}"'))
    assert [problem.code for problem in reading.problems] == ["HUB-CON-140"]


def test_a_contract_of_very_many_fields_is_refused(tmp_path):
    fields = "".join(
        f"  - {{name: f{n}, businessName: 字段, description: A field, logicalType: string, classification: internal}}\n"
        for n in range(600)
    )
    reading = read(tmp_path, changed("  - name: sample_no\n", fields + "  - name: sample_no\n"))
    assert [problem.code for problem in reading.problems] == ["HUB-CON-142"]
