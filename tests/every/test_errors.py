"""Every error code: unique, well formed, said in both languages with a remedy, and raised with facts that fill it."""

import re
import string

import pytest

import hub
from hub.errors import AgencyError, HubError, HubException, TransientError
from hub.reference import every_error

ERRORS = every_error()


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS]
    assert len(codes) == len(set(codes)), sorted(code for code in codes if codes.count(code) > 1)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.code)
def test_an_error_is_complete(error: type[HubException]) -> None:
    assert re.fullmatch(r"HUB-[A-Z]{3}-\d{3}", error.code)
    assert issubclass(error, AgencyError | HubError | TransientError)
    assert error.__doc__
    for text in (error.en, error.remedy_en):
        assert text
        assert not re.search(r"[\u4e00-\u9fff]{6,}", text), f"{error.code} says it in Chinese: {text!r}"
    for text in (error.zh, error.remedy_zh):
        assert re.search(r"[\u4e00-\u9fff]", text), f"{error.code} has no Chinese sentence: {text!r}"
    for attribute in ("en", "zh", "remedy_en", "remedy_zh"):
        assert attribute in vars(error), f"{error.code} inherits {attribute}: it must say its own"
    # Both languages use the same facts, so neither can be half filled.
    facts = {name for _, name, _, _ in string.Formatter().parse(error.en + error.remedy_en) if name}
    zh = {name for _, name, _, _ in string.Formatter().parse(error.zh + error.remedy_zh) if name}
    # A fact that is itself worded has its Chinese wording beside it: `what` and `what_zh`.
    assert {name.removesuffix("_zh") for name in zh} == facts, f"{error.code} tells other facts in Chinese"
    filled = error(**dict.fromkeys(facts | zh, "x"))
    assert filled.sentence() and filled.sentence("zh") and filled.remedy() and filled.remedy("zh")


def test_the_kernel_has_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", hub.__version__)
