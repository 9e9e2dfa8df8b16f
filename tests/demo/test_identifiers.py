"""Codes have right check digits by somebody else's reading; nobody can hold the citizen numbers."""

import numpy as np
from stdnum.cn import ric, uscc

from demo.generate.divisions import NEVER
from demo.generate.identifiers import as_text, broken, elsewhere, impossible_citizen_numbers, uscc_bytes
from demo.generate.organisations import PAYEES, PUBLIC, SUPERVISED, organisations


def test_every_numeric_prefix_code_satisfies_an_independent_checker() -> None:
    rng = np.random.default_rng(3)
    for kinds in (PUBLIC, PAYEES, SUPERVISED):
        pool = organisations(400, kinds, 500_000, rng)
        codes = pool.uscc(np.arange(400)).to_pylist()
        numeric = [code for code in codes if code[:2].isdigit()]
        assert len(numeric) > 200
        assert all(uscc.is_valid(code) for code in numeric)
    assert {kind[0] for kind in (*PUBLIC, *PAYEES, *SUPERVISED)} == {"1", "2", "5", "9", "N"}


def test_codes_of_village_collectives_follow_the_standard() -> None:
    # python-stdnum refuses letters in front, so the check character is computed here, the long way.
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    codes = as_text(uscc_bytes(np.array(["N2"] * 50), np.array(["371502"] * 50), np.arange(50) * 7_919)).to_pylist()
    for code in codes:
        total = sum(alphabet.index(char) * pow(3, place) for place, char in enumerate(code[:17]))
        assert alphabet[(31 - total % 31) % 31] == code[17]


def test_spoilt_codes_are_spoilt_in_one_way_only() -> None:
    sound = uscc_bytes(np.array(["12"] * 31), np.array(["110105"] * 31), np.arange(31) + 77)
    assert not any(uscc.is_valid(code) for code in as_text(broken(sound)).to_pylist())
    moved = as_text(elsewhere(sound, NEVER[0])).to_pylist()
    assert all(code[2:8] == NEVER[0] and uscc.is_valid(code) for code in moved)


def test_citizen_numbers_are_found_by_checkers_and_belong_to_nobody() -> None:
    numbers = impossible_citizen_numbers(40)
    assert len(set(numbers)) == 40
    for number in numbers:
        assert ric.calc_check_digit(number) == number[-1]
        assert number[2:6] == "0000" and number[6:10] == "1900" and number[14:17] == "000"
