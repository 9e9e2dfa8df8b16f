"""hub source list and check, on contracts as they stand on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.commands.source import app
from connectors.registry import connectors_on_disk
from contracts import catalogue
from hub.errors import NameUnknown
from hub.settings import settings


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A list with the place of one contract on disk that reads files; gives feed/source."""
    for contract in catalogue.load().feeds.values():
        for source in contract.sources:
            if source.connector == "file_drop":
                (tmp_path / "places.toml").write_text(f'[places.{source.place}]\nroot = "drop"\n', encoding="utf-8")
                (tmp_path / "drop").mkdir()
                monkeypatch.setenv("HUB_PLACES", str(tmp_path / "places.toml"))
                monkeypatch.setenv("HUB_VAR", str(tmp_path))
                settings.cache_clear()
                return f"{contract.id}/{source.id}"
    pytest.fail("no contract on disk reads files")


@pytest.fixture(autouse=True)
def fresh_settings() -> object:
    yield
    settings.cache_clear()


def test_list_says_which_places_are_listed(listed: str) -> None:
    rows = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    by_name = {f"{row['feed']}/{row['source']}": row for row in rows}
    assert by_name[listed]["listed"] is True
    assert len(rows) == sum(len(contract.sources) for contract in catalogue.load().feeds.values())


def test_check_reaches_one_source(listed: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", listed, "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert row["ok"] is True and "0 files match" in row["found"]
    (tmp_path / "drop").rmdir()
    result = CliRunner().invoke(app, ["check", listed, "--json"])
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert row["ok"] is False and row["code"] == "HUB-SRC-003"
    assert CliRunner().invoke(app, ["check", listed]).exit_code == 1


def test_what_is_not_there_is_named(listed: str) -> None:
    feed = listed.partition("/")[0]
    error = CliRunner().invoke(app, ["check", f"{feed}/nothing"]).exception
    assert getattr(error, "code", None) == "HUB-SRC-008"
    assert CliRunner().invoke(app, ["check", "no_such_feed"]).exception is not None


def test_options_are_described_for_every_connector() -> None:
    rows = json.loads(CliRunner().invoke(app, ["options", "--json"]).stdout)
    assert {row["connector"] for row in rows} == set(connectors_on_disk())
    assert all(row["meaning"] for row in rows), [row["option"] for row in rows if not row["meaning"]]
    assert {row["option"] for row in rows if row["connector"] == "sql_table"} >= {"table", "schema"}


def test_a_feed_that_is_not_there_tells_which_may_be_meant(listed: str) -> None:
    feed = listed.partition("/")[0]
    error = CliRunner().invoke(app, ["check", feed[:-1]]).exception
    assert isinstance(error, NameUnknown) and feed in error.sentence() and feed in error.sentence("zh")
