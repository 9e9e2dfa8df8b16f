"""`hub doctor` on those who are to be told: reached, away, or unwilling, each with what to do; and no secret shown."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hub import lineage, otlp
from hub.checked import Check
from hub.doctor import LOOKS
from hub.settings import load_settings
from tests.seeing.receiver import hanging, receiver

TOKEN = "lineage-token-never-shown"


@pytest.fixture
def looked(tmp_path: Path) -> Callable[..., dict[str, Check]]:
    def look(**settings: str) -> dict[str, Check]:
        now = load_settings(var=tmp_path / "var", **settings)
        found = [check for area, _, one in LOOKS if area == "observers" for check in one(now)]
        assert TOKEN not in repr(found)
        for check in found:
            assert bool(check.remedy) == (check.verdict != "ok")
        return {check.name: check for check in found}

    return look


def nobody() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def verdicts(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.verdict for name, check in found.items()}


def test_nobody_is_looked_for_where_no_endpoint_is_set(looked: Callable[..., dict[str, Check]]) -> None:
    assert looked() == {}


def test_those_who_take_what_they_are_told_are_well(
    looked: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=hub")
    with receiver() as got:
        found = looked(otlp_endpoint=got.url, lineage_url=f"{got.url}/api/v1/lineage", lineage_token=TOKEN)
    assert verdicts(found) == {"otlp traces": "ok", "otlp metrics": "ok", "lineage": "ok"}
    assert got.wrong == [] and got.spans == got.metrics == got.documents == [], "nothing is told by looking"
    assert [headers.get("x-tenant") for headers in got.headers if "x-tenant" in headers] == ["hub", "hub"]


@pytest.mark.parametrize(("status", "verdict", "said"), [(401, "fail", "HEADERS"), (404, "fail", "HUB_OTLP_ENDPOINT")])
def test_a_collector_that_refuses_is_wrongly_set(
    looked: Callable[..., dict[str, Check]], status: int, verdict: str, said: str
) -> None:
    with receiver(status) as got:
        found = looked(otlp_endpoint=got.url)
    for check in found.values():
        assert (check.verdict, str(status) in check.found, said in check.remedy) == (verdict, True, True), check


def test_one_that_is_away_or_hangs_may_come_back(
    looked: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (otlp, lineage):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    found = looked(otlp_endpoint=nobody(), lineage_url=f"{nobody()}/api/v1/lineage")
    assert verdicts(found) == {"otlp traces": "warn", "otlp metrics": "warn", "lineage": "warn"}
    assert "ConnectionError" in found["otlp traces"].found and "ConnectError" in found["lineage"].found
    with hanging() as url:
        assert verdicts(looked(lineage_url=f"{url}/x")) == {"lineage": "warn"}


def test_opentelemetrys_own_variables_are_looked_at_as_well(
    looked: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as got:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", got.url)
        assert verdicts(looked()) == {"otlp traces": "ok", "otlp metrics": "ok"}
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert looked() == {}


def test_a_lineage_file_needs_a_folder_that_can_be_written(
    looked: Callable[..., dict[str, Check]], tmp_path: Path
) -> None:
    good = looked(lineage_url=f"file://{tmp_path}/new/events.jsonl")
    assert verdicts(good) == {"lineage": "ok"} and not (tmp_path / "new").exists(), "it changes nothing"
    (tmp_path / "file").write_text("")
    assert verdicts(looked(lineage_url=f"file://{tmp_path}/file/events.jsonl")) == {"lineage": "fail"}
    assert verdicts(looked(lineage_url=f"file://{tmp_path}")) == {"lineage": "fail"}


def test_a_key_in_an_address_is_not_shown(looked: Callable[..., dict[str, Check]]) -> None:
    found = looked(lineage_url=f"{nobody()}/v1?key={TOKEN}")
    assert "/v1" in found["lineage"].found
