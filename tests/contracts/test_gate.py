"""The gate before a merge, in real git repositories: breaking changes, new major versions, dated exceptions."""

import json
import os
import subprocess
from datetime import date, timedelta

import pytest

from contracts import codes
from contracts.diff import exceptions
from contracts.diff.errors import ExceptionInvalid
from hub import clock
from hub.settings import load_settings
from tests.contracts.calling import contract, settings_are
from tests.contracts.sample import SAMPLE, changed, folder, write

BROKEN = SAMPLE.replace("hub.unit, value: wan_yuan", "hub.unit, value: yuan")
RISEN = BROKEN.replace('"2.3.1"', '"3.0.0"').replace("hub.audit.sample.v2", "hub.audit.sample.v3")
CHANGE = "unit_changed:amount_cny"


def git(root, *words):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    given = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *words]
    return subprocess.run(given, check=True, capture_output=True, text=True, env=clean).stdout.strip()


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repository whose contracts lie in a folder of it, with one commit on main."""
    root = folder(tmp_path / "repo" / "contracts", audit_samples=SAMPLE)
    git(tmp_path / "repo", "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    now = load_settings(contracts=root, var=tmp_path / "var")
    settings_are(monkeypatch, now)
    return root


def gate(*words):
    done = contract("gate", "--json", *words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def excepted(house, **more):
    entry = {"change": CHANGE, "version": "2.4.0", "reason": "the sender's unit was recorded wrongly from the first day",
             "owner": "audit_steward", "expires": date.today() + timedelta(days=30)} | more  # fmt: skip
    lines = [
        f"{key} = {value}" if isinstance(value, date) else f"{key} = {json.dumps(value)}"
        for key, value in entry.items()
    ]
    path = house / "feeds" / "audit" / "audit_samples.exceptions.toml"
    path.write_text("[[exception]]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_nothing_to_compare_with_passes(house):
    assert gate() == (0, {"base": None, "refused": 0, "contracts": []})


def test_a_breaking_change_is_refused_before_and_after_the_commit(house):
    write(house, "audit_samples", BROKEN)
    for committed in (False, True):
        if committed:
            git(house, "commit", "-qam", "second")
        code, told = gate()
        assert code == 1
        (one,) = told["contracts"]
        assert one["refused"] == [CHANGE] and one["error"]["code"] == "HUB-CON-301"
        assert "audit_samples.exceptions.toml" in one["error"]["remedy"]
    text = contract("gate")
    assert text.exit_code == 1 and CHANGE in text.stdout and "单位变更" in text.stdout


def test_on_a_branch_the_whole_branch_is_compared(house):
    git(house, "switch", "-qc", "topic")
    write(house, "audit_samples", BROKEN)
    git(house, "commit", "-qam", "breaks")
    git(house, "commit", "-q", "--allow-empty", "-m", "looks harmless")
    assert gate()[0] == 1
    assert gate("--base", "HEAD~1")[0] == 0


def test_a_new_major_version_passes(house):
    write(house, "audit_samples", RISEN)
    code, told = gate()
    assert code == 0
    assert {change["kind"] for change in told["contracts"][0]["changes"]} == {"unit_changed", "topic_changed"}


def test_a_minor_version_is_not_enough_and_a_change_that_needs_none_is_told(house):
    write(house, "audit_samples", BROKEN.replace('"2.3.1"', '"2.4.0"'))
    assert gate()[0] == 1
    write(house, "audit_samples", changed("maxLength: 6", "maxLength: 7"))
    code, told = gate()
    assert code == 0 and "the version should rise: minor" in told["contracts"][0]["note"]


def test_an_exception_lets_one_change_of_one_version_through_until_its_day(house):
    write(house, "audit_samples", BROKEN.replace('"2.3.1"', '"2.4.0"'))
    excepted(house)
    code, told = gate()
    assert code == 0 and told["contracts"][0]["exempt"] == [CHANGE]
    excepted(house, expires=date.today() - timedelta(days=1))
    assert gate()[0] == 1
    excepted(house, version="2.5.0")
    assert gate()[0] == 1
    excepted(house, change="unit_changed:amount_other_cny")
    assert gate()[0] == 1
    excepted(house, expires=clock.today())
    assert gate()[0] == 0, "it holds through its last day"


@pytest.mark.parametrize(
    "more",
    [
        {"owner": "Zhang San"}, {"owner": "zhang"}, {"reason": "ok"}, {"change": "rule_added:x"}, {"change": "nonsense"},
        {"expires": date.today() + timedelta(days=500)}, {"expires": "2099-01-01"}, {"more": "x"}, {"version": ""},
    ],
    ids=str,
)  # fmt: skip
def test_an_exception_that_says_too_little_lets_nothing_through(house, more):
    path = excepted(house, **more)
    with pytest.raises(ExceptionInvalid) as caught:
        exceptions.read(path, clock.today())
    assert caught.value.code == "HUB-CON-302"


@pytest.mark.parametrize("text", ["[[exception]]\n", "exception = 1\n", "[[exceptions]]\n", "\xff", "[[exception"])
def test_a_damaged_file_of_exceptions_is_an_error(house, text):
    path = house / "feeds" / "audit" / "audit_samples.exceptions.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ExceptionInvalid):
        exceptions.read(path, clock.today())


def test_a_feed_that_goes_was_retired_before_or_breaks(house):
    path = house / "feeds" / "audit" / "audit_samples.odcs.yaml"
    path.unlink()
    code, told = gate()
    assert code == 1 and told["contracts"][0]["refused"] == ["feed_removed:audit_samples"]
    write(house, "audit_samples", SAMPLE.replace("status: active", "status: retired"))
    git(house, "commit", "-qam", "retired")
    path.unlink()
    assert gate()[0] == 0


def test_a_new_feed_passes_and_a_broken_contract_is_the_lints_to_tell(house):
    write(house, "audit_others", SAMPLE.replace("id: audit_samples", "id: audit_others"))
    write(house, "audit_samples", "id: [")
    code, told = gate()
    assert code == 0 and [one["note"] for one in told["contracts"]] == ["new"]


def test_a_code_that_goes_from_a_list_is_refused_though_no_contract_changed(house):
    path = house / "codes" / "divisions.csv"
    text = path.read_text(encoding="utf-8")
    last = text.splitlines()[-1]
    codes._load.cache_clear()
    path.write_text(f"{text}999999,新设区,1\n", encoding="utf-8")
    code, told = gate()
    (one,) = told["contracts"]
    assert code == 0 and [change["change"] for change in one["changes"]] == ["codes_added:divisions"]
    codes._load.cache_clear()
    path.write_text(text.removesuffix(f"{last}\n"), encoding="utf-8")
    code, told = gate()
    (one,) = told["contracts"]
    assert (code, one["refused"]) == (1, ["codes_removed:divisions"])
    assert one["changes"][0]["was"] == last.split(",")[0]
    excepted(house, change="codes_removed:divisions", version="2.3.1")
    assert gate()[0] == 0
    diff = contract("diff", "HEAD:audit_samples", "audit_samples")
    assert diff.exit_code == 1 and "codes_removed:divisions" in diff.stdout
    codes._load.cache_clear()
    path.write_text(text.replace("code,name_zh", "# a remark: no row changed\ncode,name_zh"), encoding="utf-8")
    assert gate() == (0, {"base": told["base"], "refused": 0, "contracts": []}), "its rows are what counts"


def test_a_contract_that_a_stricter_lint_refuses_is_compared_all_the_same(house):
    write(house, "audit_samples", SAMPLE.replace("description: Number of the sample\n", "description: '1'\n"))
    git(house, "commit", "-qam", "passed a laxer lint")
    write(house, "audit_samples", BROKEN)
    assert gate()[1]["contracts"][0]["refused"] == [CHANGE]


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", ""])
def test_an_unknown_base_is_an_error(house, revision):
    done = contract("gate", f"--base={revision}")
    if revision:
        assert done.exception.code == "HUB-CON-303"
    assert not (house / "x").exists()


def test_a_foreign_git_environment_is_passed_over(house, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    write(house, "audit_samples", BROKEN)
    assert gate("--base", "HEAD")[1]["base"] == "HEAD"


def test_without_git_there_is_nothing_to_compare_with(house, monkeypatch, tmp_path):
    root = folder(tmp_path / "bare", audit_samples=SAMPLE)
    now = load_settings(contracts=root, var=tmp_path / "var")
    settings_are(monkeypatch, now)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert gate()[0] == 0
