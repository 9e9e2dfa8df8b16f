from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc as second_opinion

from contracts.identifiers import organisation, uscc
from tests.kernels.making import make_uscc

LETTERS = st.text(uscc.ALPHABET, min_size=9, max_size=9)
HEADS = st.sampled_from([one + two for one, twos in uscc.LISTED.items() for two in twos])


@given(st.text("0123456789", min_size=8, max_size=8), LETTERS, st.sampled_from(uscc.ALPHABET))
@settings(max_examples=150)
def test_agrees_with_stdnum_on_numeric_heads(head: str, body: str, last: str) -> None:
    for code in (head + body + last, make_uscc(head, body)):
        assert bool(uscc.findings(code) & uscc.CHECKSUM) == second_opinion.is_valid(code)


@given(HEADS, LETTERS)
def test_letter_heads_are_valid_too(head: str, body: str) -> None:
    code = make_uscc(head + "110101", body)
    assert uscc.findings(code) & (uscc.CHECKSUM | uscc.PAIR | uscc.LISTED_PAIR) == 7


@given(HEADS, LETTERS, st.integers(0, 17), st.sampled_from(uscc.ALPHABET))
def test_any_single_wrong_character_is_found(head: str, body: str, at: int, letter: str) -> None:
    code = make_uscc(head + "110101", body)
    other = code[:at] + letter + code[at + 1 :]
    assert (uscc.findings(other) == 0) == (other != code)


def test_nine_nine_is_in_use_but_not_listed() -> None:
    found = uscc.findings(make_uscc("99110101", "123456789"))
    assert found & uscc.PAIR
    assert not found & uscc.LISTED_PAIR
    assert not uscc.findings(make_uscc("97110101", "123456789")) & uscc.PAIR


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(uscc.ALPHABET + "IOSVZ中", max_size=20),
            st.builds(make_uscc, HEADS.map(lambda h: h + "110101"), LETTERS),
        ),
        max_size=20,
    )
)
def test_columns_agree_with_single_codes(codes: list[str | None]) -> None:
    found = uscc.findings_of(pa.array(codes, pa.string()))
    assert found.tolist() == [0 if code is None else uscc.findings(code) for code in codes]


def test_a_slice_of_a_column_is_read_from_its_own_bytes() -> None:
    code = make_uscc("N2330106", "ABCDEFGHJ")
    column = pa.array(["x" * 18, code, None, code]).slice(1)
    assert [bool(bits) for bits in uscc.findings_of(column)] == [True, False, True]


@pytest.mark.parametrize("code", ["D2143569-X", "D2143569X", "00000000-0"])
def test_organisation_codes(code: str) -> None:
    assert organisation.is_valid(code)
    assert not organisation.is_valid(code[:-1] + ("1" if code[-1] != "1" else "2"))


@given(st.text(organisation.ALPHABET, min_size=8, max_size=8))
def test_organisation_code_columns_agree(body: str) -> None:
    right = body + organisation.check_character(body)
    rows = pa.array([right, right[:-1] + ("Y" if right[-1] != "Y" else "Z")])
    import numpy as np

    matrix = np.frombuffer(b"".join(text.encode() for text in rows.to_pylist()), dtype=np.uint8).reshape(-1, 9)
    assert organisation.valid_matrix(matrix).tolist() == [True, False]
