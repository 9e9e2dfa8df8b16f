"""Ways around the gate: rows that can't be split, and signs put between the digits of a number."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.gate import DETECTORS
from contracts.identifiers import citizen
from contracts.model import GateRule
from contracts.normalise.text import STEP_KERNELS
from contracts.page import GatedPage, MalformedRow
from tests.kernels.making import contract, page, spec
from tests.kernels.test_citizen import ever, make
from tests.kernels.test_gate import LEVELS, feed, gate, gate_rule, inspect, kept

NUMBER = make("110101", date(1980, 5, 17), 123)
X_NUMBER = "11010519491231002X"
MASK = DETECTORS["citizen_number"][2]
SECRET = "what only the sender may read"
REMOVING = ("remove_invisible", "remove_space", "remove_hyphen")


def broken(text: str) -> MalformedRow:
    return MalformedRow(9, 40, text, "6 columns where 5 are due")


# -- rows that can't be split ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"1,机密,{SECRET},x,y,z",
        f'1,"x, y",秘密★,{SECRET}',
        f"1;工作秘密;{SECRET}",
        f"1\t绝 密\t{SECRET}",
        f'1,"open,机密,{SECRET}',
        f"1|【机密】|{SECRET}",
        f"1,2,“机密”,{SECRET}",
    ],
)
def test_a_mark_in_any_cell_refuses_a_row_that_cannot_be_split(text: str) -> None:
    gated = inspect(gate_rule("secrecy", "refuse_row"), {"id": ["1"]}, malformed=[broken(text)])
    assert [(one.row, one.rule) for one in gated.refusals] == [(9, "the_secrecy")]
    assert SECRET not in repr(gated)


def test_a_mark_at_the_end_of_a_long_row_that_cannot_be_split_refuses_it() -> None:
    text = ",".join(["x" * 60] * 1_000) + f",{SECRET},机密"
    gated = inspect(gate_rule("secrecy", "refuse_row"), {"id": ["1"]}, malformed=[broken(text)])
    assert [(one.row, one.rule) for one in gated.refusals] == [(9, "the_secrecy")]
    assert SECRET not in repr(gated)


def test_a_row_that_is_too_long_to_be_searched_keeps_no_text() -> None:
    line = broken("," * 1_000_000 + SECRET)
    gated = inspect(gate_rule("personal_data", "mask"), {"id": ["1"]}, malformed=[line])
    assert {one.text for one in gated.page.malformed} == {""}
    assert f"{1_000_000 + len(SECRET)} signs are not searched" in gated.page.malformed[0].reason
    assert {one.rule for one in gated.maskings} == {"_row.too_long"}
    assert gated.touched, "or the file would be kept as it came"


def _withheld(gated: GatedPage, rule: str) -> None:
    (line,) = gated.page.malformed
    assert (line.row, line.source_row, line.text) == (9, 40, "")
    assert line.reason.startswith("6 columns where 5 are due; ") and rule in line.reason
    (masking,) = gated.maskings
    assert (masking.row, masking.rule, masking.action) == (9, rule, "drop_field")
    assert gated.touched
    assert SECRET not in repr(gated)


@pytest.mark.parametrize("action", ["drop_field", "refuse_row"])
@pytest.mark.parametrize("rows", [["1"], []], ids=["some rows", "no other row"])
def test_a_row_that_cannot_be_split_keeps_nothing_of_a_forbidden_column(action: str, rows: list[str]) -> None:
    rule = gate_rule("forbidden_field", action, names=["举报人"])
    columns: dict[str, list[str | None]] = {"id": [*rows], "举报人": [None for _ in rows]}
    _withheld(inspect(rule, columns, malformed=[broken(f"1,{SECRET},x")]), "the_forbidden_field")
    other = inspect(rule, {"id": ["1"]}, malformed=[broken("1,x,y")])
    assert other.page.malformed[0].text == "1,x,y", "the delivery has no such column"


def test_a_row_that_cannot_be_split_keeps_nothing_where_its_level_cannot_be_told() -> None:
    rule = gate_rule("subject_level", "refuse_row", ("level",), levels=LEVELS, unknown="pass")
    columns: dict[str, list[str | None]] = {"id": ["1"], "级别": ["县管干部"]}
    _withheld(inspect(rule, columns, malformed=[broken(f"1,{SECRET},县管干部,x")]), "the_subject_level")
    above = inspect(rule, columns, malformed=[broken(f"1,{SECRET},省管 干部,x")])
    assert [(one.row, one.rule) for one in above.refusals] == [(9, "the_subject_level")]
    assert SECRET not in repr(above)


def test_a_row_that_cannot_be_split_keeps_nothing_where_a_field_of_levels_stands() -> None:
    rule = gate_rule("secrecy", "refuse_row", ("mark",))
    columns: dict[str, list[str | None]] = {"id": ["1"], "密级": ["公开"]}
    _withheld(inspect(rule, columns, malformed=[broken(f"1,{SECRET},3级,x")]), "the_secrecy")


def test_two_rows_alike_that_cannot_be_split_are_both_masked() -> None:
    line = broken(f"1,{NUMBER},x")
    lines = [line, replace(line, row=10), replace(line, row=11)]
    gated = inspect(gate_rule("personal_data", "mask"), {"id": ["1"]}, malformed=lines)
    assert [one.text for one in gated.page.malformed] == [f"1,{MASK},x"] * 3


# -- signs between the digits ------------------------------------------------------------------------------------------


def removed() -> set[str]:
    """What a step of the contracts takes out, found by trying every character."""
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    gone = set()
    for step in REMOVING:
        after = STEP_KERNELS[step](pa.array(every))
        assert after is not None
        lengths = np.asarray(pa.compute.binary_length(after))
        gone |= {every[at] for at in np.flatnonzero(lengths == 0)}
    return gone


def test_every_sign_that_a_step_removes_is_a_gap() -> None:
    gone = removed()
    assert {"\x00", "\x01", "\x7f", "\x80", " ", "-", "\u200b", "\u3000"} <= gone
    assert gone <= set(citizen.GAPS)


def masking() -> GateRule:
    return gate_rule("personal_data", "mask")


@given(
    st.lists(st.lists(st.sampled_from(citizen.GAPS), max_size=12), min_size=17, max_size=17),
    st.sampled_from([NUMBER, X_NUMBER]),
)
@settings(max_examples=200)
def test_no_run_of_gaps_hides_a_number(gaps: list[list[str]], number: str) -> None:
    written = number[0] + "".join("".join(gap) + digit for gap, digit in zip(gaps, number[1:], strict=True))
    gated = inspect(masking(), {"id": ["1"], "remark": [f"号{written}。"]})
    assert gated.page.table["remark"].to_pylist() == [f"号{MASK}。"]


@pytest.mark.parametrize("gap", ["\u200b" * 3, "   ", "---", "\x01", "\x7f", "\x80", "\u200b" * 300])
@pytest.mark.parametrize("number", [NUMBER, X_NUMBER, "110101800517123"])
def test_what_the_steps_put_together_is_masked_before(gap: str, number: str) -> None:
    gated = inspect(masking(), {"id": ["1"], "remark": [gap.join(number)]})
    assert gated.page.table["remark"].to_pylist() == [MASK]


def _digits(first: int) -> str:
    return X_NUMBER.translate({48 + digit: first + digit for digit in range(10)})


@pytest.mark.parametrize(
    "written",
    [
        *(f"{X_NUMBER[:6]}{sign}{X_NUMBER[6:14]}{sign}{X_NUMBER[14:]}" for sign in "./_,、·，．／＿・"),
        *(f"{X_NUMBER[:6]}{sign}{X_NUMBER[6:]}" for sign in "\u034f\ufe0f\u061c\u3164\u2800\u2065\u206a\U000e0020"),
        *(X_NUMBER[:17] + sign for sign in "xХхΧχⅩⅹＸ"),
        *(_digits(first) for first in (0x1D7CE, 0x1D7F6, 0x660, 0x6F0, 0x966, 0xFF10)),
    ],
)
def test_other_ways_to_write_a_number(written: str) -> None:
    for text in (written, f"号{written}。"):
        gated = inspect(masking(), {"id": ["1", "2"], "remark": [text, None]})
        assert gated.page.table["remark"].to_pylist() == [text.replace(written, MASK), None]


@pytest.mark.parametrize(
    "text",
    [
        "120103.800517123",  # a decimal number: the old form has no check character, so signs that are seen part it
        "110,101,800,517,123",
        "2024/03/01, 2024/03/02, 2024/03/03",
        "0.110105194912310021",
        "110105_19491231_0021",  # the check character is wrong
        "999999.19491231.0025",
    ],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert not inspect(masking(), {"id": ["1"], "remark": [text]}).touched


@given(st.lists(st.integers(0, 99_999), min_size=6, max_size=12), st.sampled_from([",", ", ", "、", "/", "."]))
@settings(max_examples=300)
def test_lists_of_figures_hold_no_number(figures: list[int], sign: str) -> None:
    text = sign.join(map(str, figures))
    for begin, end in citizen.citizen_numbers(text, ever):
        bare = "".join(letter for letter in text[begin:end] if letter.isdigit())
        assert len(bare) == 18 and citizen.is_citizen_number(bare) and ever(bare[:6])


def test_every_digit_of_unicode_is_counted_by_the_filter() -> None:
    tens = {}
    for code in range(0x110000):
        value = unicodedata.decimal(chr(code), None)
        if value is not None:
            tens.setdefault(code - value, set()).add(value)
    texts: list[str | None] = [_digits(first) for first, values in tens.items() if len(values) == 10]
    assert len(texts) > 50
    gated = inspect(masking(), {"id": [None] * len(texts), "remark": texts})
    assert gated.page.table["remark"].to_pylist() == [MASK] * len(texts)


def test_signs_hide_no_other_number() -> None:
    rule = gate_rule("personal_data", "mask", detect=["mobile", "bank_card", "passport"])
    texts: list[str | None] = [
        "1\u200b\x013800\u200b\u200b\u200b138000",
        "6222---0200---0000---0007",
        "E\u200b123\x0145678",
    ]
    gated = inspect(rule, {"id": [None] * 3, "remark": texts})
    assert gated.page.table["remark"].to_pylist() == [
        DETECTORS[name][2] for name in ("mobile", "bank_card", "passport")
    ]


def test_the_gate_and_the_steps_together_let_no_number_through() -> None:
    """As the hub does it: the gate first, then the steps of the field."""
    fields = [spec("id"), spec("remark", normalise=REMOVING)]
    made = contract(fields, gate=(masking(),))
    texts: list[str | None] = [sign * 3 + sign.join(X_NUMBER) for sign in sorted(removed())]
    gated = gate(made).inspect(page({"id": [None] * len(texts), "remark": texts}))
    values = gated.page.table["remark"].combine_chunks()
    for step in REMOVING:
        changed = STEP_KERNELS[step](values)
        values = values if changed is None else changed
    assert set(values.to_pylist()) == {MASK}
    assert kept(gated) == list(range(1, len(texts) + 1))
    assert feed(masking()).gate_rules == made.gate_rules


SPELLINGS = [
    "〇一二三四五六七八九",
    "零壹贰叁肆伍陆柒捌玖",
    "零幺两三四五六七八九",
    "⓪①②③④⑤⑥⑦⑧⑨",
    "○㈠㈡㈢㈣㈤㈥㈦㈧㈨",
    "０１２３４５６７８９",
]


@given(
    st.lists(st.sampled_from([*SPELLINGS, "0123456789"]), min_size=18, max_size=18),
    st.lists(st.sampled_from(["", "", "", " ", "\u3000", "-", "\u200b"]), min_size=17, max_size=17),
    st.sampled_from([NUMBER, X_NUMBER]),
    st.sampled_from(["", "第一", "①", "号", "1、"]),
)
@settings(max_examples=300)
def test_a_number_in_numerals_is_masked_whatever_stands_before(
    spellings: list[str], gaps: list[str], number: str, before: str
) -> None:
    signs = [spelling[int(sign)] if sign.isdigit() else sign for spelling, sign in zip(spellings, number, strict=True)]
    written = signs[0] + "".join(gap + sign for gap, sign in zip(gaps, signs[1:], strict=True))
    gated = inspect(masking(), {"id": ["1", "2"], "remark": [f"{before}{written}。", "一般公共服务支出"]})
    assert gated.page.table["remark"].to_pylist() == [f"{before}{MASK}。", "一般公共服务支出"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_mobile_in_numerals_is_masked(spelling: str) -> None:
    number = "".join(spelling[int(digit)] for digit in "13800138000")
    gated = inspect(gate_rule("personal_data", "mask", detect=["mobile"]), {"id": ["1"], "remark": [f"电话{number}"]})
    assert gated.page.table["remark"].to_pylist() == ["电话" + DETECTORS["mobile"][2]]


@pytest.mark.parametrize(
    "text",
    [
        "二〇二四年一月二日至二〇二五年三月四日共计一百二十三项",
        "①项目管理②资金拨付③竣工验收④绩效评价⑤整改⑥公示⑦归档⑧审计⑨移送",
        "一一一一一一一一一一一一一一一一一一",
    ],
)
def test_numerals_of_running_text_stay(text: str) -> None:
    assert not inspect(masking(), {"id": ["1"], "remark": [text]}).touched
