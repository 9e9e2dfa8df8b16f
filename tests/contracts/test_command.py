"""hub contract: what a person and a program see."""

import json

import pytest

from contracts import reader
from hub.errors import HubException
from hub.settings import load_settings
from tests.contracts.calling import contract as run
from tests.contracts.calling import settings_are
from tests.contracts.sample import SAMPLE, changed, folder


@pytest.fixture
def house(tmp_path, monkeypatch):
    from hub import settings as module

    root = folder(tmp_path / "contracts", audit_samples=SAMPLE)
    now = module.load_settings(contracts=root, var=tmp_path / "var")
    settings_are(monkeypatch, now)
    return root


def test_list_shows_sound_and_broken_contracts(house):
    folder(house, audit_broken="id: [")
    rows = json.loads(run("list", "--json").stdout)
    assert [(row["feed"], row["state"]) for row in rows] == [("audit_broken", "broken"), ("audit_samples", "active")]
    assert rows[1]["topic"] == "hub.audit.sample.v2"
    text = run("list").stdout
    assert "审计样例" in text and "broken" in text


def test_show_has_every_field_and_rule(house):
    shown = json.loads(run("show", "audit_samples", "--json").stdout)
    assert len(shown["fields"]) == 8
    assert shown["row_rules"][0]["id"] == "sample_no.required"
    text = run("show", "audit_samples").stdout
    for word in ("division_code.code_list", "decimal(18,2)", "not_empty", "secrecy_mark", "金额", "15 2 * * 1-5"):
        assert word in text


def test_show_of_a_broken_or_unknown_contract_is_an_error(house):
    folder(house, audit_broken="id: [")
    for feed, code in (("audit_broken", "HUB-CON-101"), ("audit_none", "HUB-CON-102")):
        error = run("show", feed).exception
        assert isinstance(error, HubException)
        assert error.code == code


def test_lint_of_sound_contracts(house):
    result = run("lint")
    assert result.exit_code == 0
    assert "ok" in result.stdout
    told = json.loads(run("lint", "--json").stdout)
    assert told == {"contracts": 1, "broken": 0, "problems": [], "notices": [], "by_hand_only": [], "review": []}


def test_lint_says_which_feeds_nobody_can_pull(house, tmp_path, monkeypatch):
    places = tmp_path / "places.toml"
    settings_are(monkeypatch, load_settings(contracts=house, var=tmp_path / "var", places=places))
    (source,) = reader.read(next(house.rglob("audit_samples.odcs.yaml")), root=house).sources
    for entry, by_hand in ((source.place, []), ("elsewhere", ["audit_samples"])):
        places.write_text(f'[places.{entry}]\nroot = "{tmp_path}"\n', encoding="utf-8")
        assert json.loads(run("lint", "--json").stdout)["by_hand_only"] == by_hand
        assert ("by hand only: no place is listed for audit_samples" in run("lint").stdout) == bool(by_hand)
    places.write_text("places = 1", encoding="utf-8")
    assert run("lint").exit_code == 0, "a broken list of places makes no contract worse"


def test_lint_names_file_line_and_rule_in_both_languages(house):
    folder(house, audit_samples=changed("hub.owner", "hub.ower"))
    result = run("lint", "audit_samples")
    assert result.exit_code == 1
    assert "HUB-CON-130" in result.stdout
    assert "feeds/audit/audit_samples.odcs.yaml" in result.stdout
    problems = json.loads(run("lint", "--json").stdout)["problems"]
    assert {problem["facts"]["line"] for problem in problems} == {1, 13}
    assert all(problem["error_zh"] and problem["remedy"] for problem in problems)


def test_lint_asks_the_connectors_about_their_options(house):
    folder(house, audit_samples=changed("{table: samples}", "{tabel: samples}"))
    result = run("lint")
    assert result.exit_code == 1
    assert "HUB-CON-143" in result.stdout
    folder(house, audit_samples=changed("value: sql_table", "value: telepathy"))
    assert "HUB-CON-143" in run("lint").stdout


def test_lint_of_a_file_anywhere(house, tmp_path):
    path = tmp_path / "elsewhere.odcs.yaml"
    path.write_text(SAMPLE, encoding="utf-8")
    result = run("lint", str(path), "--json")
    assert "HUB-CON-133" in {problem["code"] for problem in json.loads(result.stdout)["problems"]}


def test_lint_writes_the_cache(house, tmp_path):
    run("lint")
    assert list((tmp_path / "var" / "cache" / "contracts").rglob("audit_samples.json"))


def test_what_is_wrong_is_shown_as_data_never_as_markup(house):
    folder(house, audit_samples=changed("status: active", 'status: "[red]x[/red]"'))
    assert "[red]x[/red]" in run("lint").stdout


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("rules", "prefix_of"),
        ("rules", "row_count_change"),
        ("rules", "half_width"),
        ("rules", "DD-Mon-YY"),
        ("properties", "hub.subject"),
    ],
)
def test_what_a_contract_may_say_is_listed(house, word, kind):
    assert kind in run(word).stdout
    assert kind in run(word, "--json").stdout


def test_code_lists_and_their_codes(house):
    assert json.loads(run("codes", "--json").stdout)[0]["list"] == "divisions"
    assert [row["code"] for row in json.loads(run("codes", "divisions", "--json").stdout)] == ["110101", "110104"]
    assert "宣武区" in run("codes", "divisions").stdout
    assert run("codes", "none").exception.code == "HUB-CON-103"
