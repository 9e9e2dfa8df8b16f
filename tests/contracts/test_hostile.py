"""Contracts are untrusted: whatever stands in a file, the reader answers with problems, in time, and never raises."""

import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import catalogue
from contracts.reader import examine
from tests.contracts.sample import SAMPLE, changed, folder, read, write

LINES = SAMPLE.split("\n")
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
