"""Every error code: unique, well formed, said in both languages with a remedy, and raised with facts that fill it."""

import ast
import json
import pickle
import re
import string
from pathlib import Path

import pytest

import hub
from hub.cli import PACKAGES
from hub.errors import AgencyError, HubError, HubException, SettingInvalid, TransientError
from hub.reference import every_error
from hub.said import Said, joined, kept, revived
from hub.settings import ROOT

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


_FULL = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef\u201c\u201d"
_CODE = re.compile(r"`[^`]*`")


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.code)
def test_a_chinese_sentence_has_full_width_punctuation(error: type[HubException]) -> None:
    """Beside a Chinese character, a fact or a piece of code no half-width sign sets parts of a sentence apart."""
    for text in (error.zh, error.remedy_zh):
        plain = re.sub(r"\{[a-z_]+(![a-z])?\}", "\ue000", _CODE.sub("\ue000", text))
        beside = rf"(?<=[{_FULL}\ue000])[,;:!?]|[,;:!?(](?=[{_FULL}])|(?<=[{_FULL}])[()]"
        assert not re.search(beside, plain.replace("[:", "")), f"{error.code}: {text}"
        assert len(re.findall("[(（]", plain)) == len(re.findall("[)）]", plain)), f"{error.code}: {text}"


PROSE = re.compile(r"[A-Za-z']{2,} [A-Za-z]{2,}")
TOLD = ("reason", "what", "why", "problem", "problems", "hint", "kind", "feature", "meaning", "missing", "action")
"""Facts that are prose wherever they are: a sentence, or a word of one."""

NAMES = {error.__name__ for error in ERRORS}


def raised(path: Path) -> list[tuple[int, str, str]]:
    """Facts of errors that are English prose and not said in Chinese: line, fact and text, of one module."""
    found: list[tuple[int, str, str]] = []

    def look(node: ast.AST, fact: str) -> None:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Said":
            return
        if isinstance(node, ast.JoinedStr | ast.Constant):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "…".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if isinstance(getattr(node, "value", ""), str) and PROSE.search(text):
                found.append((node.lineno, fact, text))
            return
        for child in ast.iter_child_nodes(node):
            look(child, fact)

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in NAMES or called in ("problem", "note"):
                for keyword in node.keywords:
                    if keyword.arg in TOLD:
                        look(keyword.value, keyword.arg)
    return found


MODULES = [
    path
    for package in (*PACKAGES, "demo")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "errors.py"
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_fact_that_is_prose_is_said_in_both_languages(path: Path) -> None:
    assert raised(path) == []


def test_a_fact_in_one_language_is_found(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "raise FileEmpty(reason=f'it has {x} bad bytes')\nraise FileEmpty(reason=Said('a b', '甲'), file='a b')"
    )
    assert raised(path) == [(1, "reason", "it has … bad bytes")]


def test_what_is_said_in_both_languages_is_told_in_each() -> None:
    error = SettingInvalid(setting="HUB_X", reason=Said("it is too long", "过长"))
    again = pickle.loads(pickle.dumps(error))
    for one in (error, again, SettingInvalid(**revived(json.loads(json.dumps(kept(error.facts)))))):
        assert one.sentence() == "the setting HUB_X can't be used: it is too long"
        assert one.sentence("zh") == "设置 HUB_X 无法使用：过长"
        assert one.as_dict()["facts"] == {"setting": "HUB_X", "reason": "it is too long", "reason_zh": "过长"}
    both = joined([Said("a", "甲"), "b"])
    assert (both, both.zh) == ("a; b", "甲；b")


def test_the_kernel_has_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", hub.__version__)
