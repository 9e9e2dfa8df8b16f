"""Strict YAML: what can be read in two ways is refused, at its line; nothing that a file holds can raise or hang."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import errors
from contracts.yaml_strict import MAX_BYTES, parse, read_bytes


def codes_of(text):
    return [(problem.code, *problem.place) for problem in parse(text.encode(), file="f").problems]


@pytest.mark.parametrize(
    "plain",
    [
        "0123456", "110000_2", "2024-03-01", "2024-3-1", "2024-03-01T08:00:00", "NO", "no", "Yes", "on", "OFF", "y", "True",
        "~", "NULL", "0x1F", "0o17", "0b101", "1_000", "12:30", "1e3", "1.5e3", ".5", "5.", ".inf", "-.NaN", "+7", "007",
        "1234567890123456789",
    ],
)  # fmt: skip
def test_a_plain_scalar_that_is_no_text_to_someone_is_refused(plain):
    assert codes_of(f"a: b\ncode: {plain}\n") == [("HUB-CON-115", 2, 7)]
    assert codes_of(f"a: [x, {plain}]\n") == [("HUB-CON-115", 1, 8)]
    quoted = parse(f'code: "{plain}"\n'.encode(), file="f")
    assert not quoted.problems
    assert quoted.data == {"code": plain}


@pytest.mark.parametrize("key", ["0123456", "110000_2", "2024-03-01", "NO", "1", "1.5"])
def test_a_plain_key_that_is_no_text_is_refused(key):
    assert codes_of(f"map:\n  {key}: x\n") == [("HUB-CON-115", 2, 3)]
    assert parse(f'map: {{"{key}": x}}'.encode(), file="f").data == {"map": {key: "x"}}


def test_what_nobody_can_misread_may_stand_plain():
    document = parse(
        b"a: 12\nb: -3\nc: 0.25\nd: true\ne: null\nf: v3.1.0\ng: PT10M\nh: '12'\ni: 1.2.3\nj: a-b\n", file="f"
    )
    assert not document.problems
    assert document.data == {"a": 12, "b": -3, "c": 0.25, "d": True, "e": None, "f": "v3.1.0", "g": "PT10M", "h": "12",
                             "i": "1.2.3", "j": "a-b"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1\n", (1, 4)),
        ("a: !!python/object/apply:os.system [ls]\n", (1, 4)),
        ("a: !!str 12\n", (1, 4)),
        ("b: 1\n<<: {c: 1}\n", (2, 1)),
        ("%YAML 1.1\n---\na: 1\n", (1, 1)),
        ("a: 1\n---\nb: 2\n", (2, 1)),
        ("a: *nowhere\n", (1, 4)),
        ("? [a, b]\n: c\n", (1, 3)),
    ],
)
def test_features_that_contracts_do_without_are_refused(text, place):
    assert codes_of(text)[0] == ("HUB-CON-113", *place)


def test_a_duplicate_key_names_both_lines_and_the_first_stays():
    document = parse(b"a:\n  x: 1\n  z: 2\n  x: 3\n", file="f")
    (problem,) = document.problems
    assert (problem.code, problem.place, problem.first_line) == ("HUB-CON-114", (4, 3), 2)
    assert document.data == {"a": {"x": 1, "z": 2}}


def test_all_problems_come_at_once():
    found = codes_of("a: 01\nb: NO\na: 2\nc: &x 3\n")
    assert [line for _, line, _ in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("bad", ["\t", "\x00", "\x0b", "\x1b", "\x7f", "\u2028", "\ufeff"])
def test_tabs_and_control_characters_are_refused_where_they_stand(bad):
    assert codes_of(f"a: 1\nb: x{bad}y\n") == [("HUB-CON-111", 2, 5)]


def test_bytes_that_are_no_utf8_are_refused_with_their_line():
    assert [(p.code, p.place) for p in parse("a: 1\nb: 审计\n".encode("gb18030"), file="f").problems] == [
        ("HUB-CON-110", (2, 1))
    ]


def test_broken_yaml_says_where():
    (problem,) = parse(b"a: 1\nb: [1, 2\nc: 3\n", file="f").problems
    assert problem.code == "HUB-CON-112"
    assert problem.place[0] == 3
    assert parse(b"", file="f").problems[0].code == "HUB-CON-112"


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)),
        "[" * 200_000,
        "{a: " * 100_000,
        "- " * 100_000 + "x",
        "a: [" + "1," * 400_000 + "]",
        "\n".join(f"k{i}: {i}" for i in range(80_000)),
        "? " * 50_000,
    ],
    ids=["aliases", "brackets", "braces", "dashes", "values", "keys", "questions"],
)  # fmt: skip
def test_a_bomb_is_refused_quickly(bomb):
    started = time.perf_counter()
    document = parse(bomb.encode()[:MAX_BYTES], file="f")
    assert document.problems
    assert not document.complete
    assert time.perf_counter() - started < 5


def test_a_file_of_ten_megabytes_is_not_read(tmp_path):
    path = tmp_path / "big.odcs.yaml"
    path.write_bytes(b"a: 1\n" * 2_000_000)
    data, document = read_bytes(path, file="big")
    assert data == b""
    assert isinstance(document.problems[0], errors.FileUnreadable)
    assert read_bytes(tmp_path, file="folder")[1].problems  # a folder is no file
    assert read_bytes(tmp_path / "absent", file="absent")[1].problems


@given(st.binary(max_size=400) | st.text(alphabet="ab:-[]{}&*!|>?%@`'\"#,\n 01~.", max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_whatever_the_bytes_it_answers(data):
    document = parse(data, file="f")
    assert document.problems or document.complete


TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"), max_size=30
)


@given(st.recursive(TEXTS | st.integers(-(10**9), 10**9) | st.booleans() | st.none(),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=15))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_quoted_text_comes_back_as_it_was(value):
    document = parse(json.dumps({"value": value}, ensure_ascii=False).encode(), file="f")
    assert not document.problems
    assert document.data == {"value": value}
