"""A mistyped command: a stable code, both languages, what may have been meant, exit code 2."""

from __future__ import annotations

import json
import sys

import pytest

from hub import cli
from hub.nearest import nearest, told
from hub.usage import EXIT_CODES


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    monkeypatch.setattr(sys, "argv", ["hub", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["btach"], "HUB-CLI-002", "did you mean batch"),
        (["batch", "lst"], "HUB-CLI-002", "did you mean list?"),
        (["batch", "show", "--jsn"], "HUB-CLI-003", "did you mean --json?"),
        (["batch", "release"], "HUB-CLI-004", "hub batch release --operator OPERATOR --reason REASON"),
        (["quarantine", "export", "x"], "HUB-CLI-004", "--to TO"),
        (["batch", "list", "--limit", "many"], "HUB-CLI-005", "--limit"),
        (["batch", "list", "--limit"], "HUB-CLI-005", "`hub batch list`"),
        (["topic", "tail", "some.topic", "-n"], "HUB-CLI-005", "`hub topic tail TOPIC`"),
        (["topic", "dead", "list", "--topic"], "HUB-CLI-005", "`hub topic dead list`"),
        (["doctor", "everything"], "HUB-CLI-005", "everything"),
        (["--nope"], "HUB-CLI-003", "--version"),
        (["trace"], "HUB-CLI-005", "hub trace KEY"),
        (["batch", "list", "--limit", "1", "--limit=2"], "HUB-CLI-007", "takes --limit once, and it was given 2 times"),
    ],
)
def test_a_mistyped_command_is_told_in_both_languages_with_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: str, said: str
) -> None:
    ended, out, err = run(monkeypatch, capsys, *words)
    assert ended == 2 and out == ""
    assert code in err and said in err
    assert "remedy" in err and "处理办法" in err
    assert "Traceback" not in err and ".py" not in err, "how it was found out helps nobody who mistyped"


def test_a_mistyped_command_is_told_to_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, _ = run(monkeypatch, capsys, "batch", "lst", "--json")
    assert ended == 2 and json.loads(out)["code"] == "HUB-CLI-002" and "是否指 list" in json.loads(out)["error_zh"]


def test_the_exit_codes_stand_in_the_help_and_in_the_docs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, _ = run(monkeypatch, capsys, "--help")
    assert ended == 0
    page = (cli.ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, english, chinese in EXIT_CODES:
        assert f"{code}  {english} / {chinese}" in out
        assert f"| {code} | {english} | {chinese} |" in page


def test_a_command_without_anything_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(monkeypatch, capsys, "batch")
    assert ended == 2 and "release" in out + err and "--install-completion" not in out + err and "HUB-" not in err


def test_an_ending_of_a_command_of_its_own_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, capsys, "--version")[0] == 0


def test_near_names() -> None:
    known = ["audit_findings", "finance_payments", "inspection_problems"]
    assert nearest("finance_paymnts", known) == ["finance_payments"]
    assert nearest("AUDIT_FINDINGS", known) == ["audit_findings"]
    assert nearest("problems", known) == ["inspection_problems"]
    assert nearest("zzz", known) == []
    assert "audit_findings" in told("zzz", known) and told("zzz", known).zh.startswith("现有")
    assert told("x", []).zh == "目前一个也没有"
