"""One version of a contract with two contents: said loudly, once, and never for a comment alone."""

from dataclasses import replace

from structlog.testing import capture_logs

from contracts import catalogue
from contracts.model import FeedContract
from hub.settings import ROOT
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract
from warehouse import engine
from warehouse.feeds import registry


def told_of(made: FeedContract) -> list[str]:
    """Puts a contract in its place; what was said of its version."""
    with capture_logs() as logs, engine.connection() as conn, conn.begin():
        registry.ensure(conn, made)
    return [line["error"].changed for line in logs if "error" in line and line["error"].code == "HUB-CON-105"]


def test_two_contents_of_one_version_are_told(hub: Hub) -> None:
    first = contract()
    assert told_of(first) == []
    assert told_of(replace(first, sha256="2" * 64)) == []
    assert told_of(replace(first, sha256="3" * 64, version="1.1.0", row_rules=())) == []
    other = replace(first, sha256="4" * 64, row_rules=())
    assert told_of(other) == ["row_rules"]
    assert told_of(other) == []


def test_a_comment_in_any_contract_on_disk_is_no_other_content(hub: Hub) -> None:
    for made in catalogue.load(ROOT / "contracts").feeds.values():
        assert told_of(made) == []
        assert told_of(replace(made, sha256="5" * 64)) == []
