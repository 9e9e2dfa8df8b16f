"""Code lists: each says where it comes from; a list that can't be trusted is met loudly."""

import pytest

from contracts import codes
from contracts.rules.errors import CodeListInvalid, CodeListUnknown
from tests.contracts.sample import CODES


@pytest.mark.parametrize("name", codes.names())
def test_a_list_says_what_it_is(name):
    found = codes.load(name)
    assert all(found.head[key] for key in codes.HEAD)
    assert len(found) == len(found.codes) >= 3
    assert all(code == code.strip() and code for code in found.codes)
    assert all(found.label(code) for code in found.codes)
    assert found.array.to_pylist() == sorted(found.codes)


def test_divisions_are_those_ever_valid():
    found = codes.load("divisions")
    assert len(found) == 7_108
    assert len(found.current) == 3_212
    assert "110104" in found and "110104" not in found.current  # 宣武区, merged away in 2010
    assert {"110101", "371500", "710000", "653228", "653229"} <= found.current
    assert not {"119900", "479900", "000000", "100000", ""} & found.codes
    assert found.label("371500", "zh") == "聊城市"
    assert found.rows["110104"]["last"] < "201904"


def test_violations_are_articles_and_items():
    found = codes.load("violation_codes")
    assert len(found) == 106
    assert found.rows["CZWF2011-06-02"]["name_zh"].startswith("截留、挪用财政资金")
    assert {row["law"] for row in found.rows.values()} == {
        "财政违法行为处罚处分条例(2011)",
        "统计法(2024)",
        "会计法(2024)",
    }


def test_levels_agree_with_the_setting():
    assert sorted(codes.load("administrative_levels").codes) == ["1", "2", "3", "4", "5"]


def test_uscc_categories_are_table_2_and_3():
    found = codes.load("uscc_categories").codes
    assert len(found) == 37
    assert {"11", "12", "13", "19", "91", "92", "93", "A1", "N2", "Y1"} <= found
    assert not {"14", "94", "N4", "Y2", "B1"} & found


def test_statistics_lists():
    assert {"A", "B", "E", "M", "P"} <= codes.load("sdmx_obs_status").codes
    assert {"F", "N", "C"} <= codes.load("sdmx_conf_status").codes
    assert {"_T", "GF01", "GF1009"} <= codes.load("cofog").codes
    assert {"CNY", "EUR", "USD"} <= codes.load("currencies").codes


@pytest.mark.parametrize("name", ["nothing", "../model", "divisions.csv", "", "a/b", "divisions\x00"])
def test_an_unknown_list_is_said_so(name):
    with pytest.raises(CodeListUnknown):
        codes.load(name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks"),
        (CODES.replace("# licence: none\n", ""), "licence"),
        (CODES.replace("code,name_zh", "name_zh,code"), "first column"),
        (CODES + "110101,东城区,1\n", "twice"),
        (CODES + "110102\n", "1 cells"),
        (CODES + ",无,1\n", "row 3"),
        (CODES.split("110101")[0], "empty"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_met_loudly(tmp_path, text, reason):
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "made.csv").write_text(text, encoding="utf-8")
    with pytest.raises(CodeListInvalid) as caught:
        codes.load("made", tmp_path)
    assert reason in caught.value.sentence()


def test_a_list_in_another_encoding_is_met_loudly(tmp_path):
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "made.csv").write_bytes(CODES.encode("gb18030"))
    with pytest.raises(CodeListInvalid):
        codes.load("made", tmp_path)
