"""OpenLineage events against the official client, whose classes are made from the JSON Schema: it builds the same documents."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid6

from contracts.page import BatchVerdict
from hub.errors import Unforeseen
from hub.ids import BatchId, FeedId
from hub.settings import ROOT, load_settings, settings
from tests.warehouse.feeds import contract
from warehouse.batches import BatchOutcome
from warehouse.lineage.events import RunFacts, event

JUDGE = ROOT / ".venv-judge" / "bin" / "python"

pytestmark = pytest.mark.skipif(not JUDGE.exists(), reason="no .venv-judge: bash requirements/judge.sh builds it")


def judged(lines: str) -> subprocess.CompletedProcess[str]:
    command = [str(JUDGE), str(ROOT / "tests" / "seeing" / "lineage_judge.py")]
    return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """START, COMPLETE and FAIL, with all that they can hold."""
    places = tmp_path / "places.toml"
    places.write_text('[places.drop]\nroot = "/srv/drop"\n')
    monkeypatch.setenv("HUB_PLACES", str(places))
    settings.cache_clear()
    now = load_settings(database_url="postgresql+psycopg://u:p@127.0.0.1:5433/hub", kafka_bootstrap="127.0.0.1:9092")
    feed, day = contract(), datetime(2026, 1, 1, tzinfo=UTC)
    run = RunFacts(str(uuid6.uuid7()), feed, ["drop"], (day, day))
    broken = BatchVerdict("rows", "row_count", False, True, "error", "1", "2", "", "")
    done = BatchOutcome(
        BatchId("b"), FeedId(feed.id), "loaded", 5, 3, 1, 1, {}, 0, 4, source="drop", verdicts=(broken,)
    )
    ends = (("START", [], None), ("COMPLETE", [done], None), ("FAIL", [done], Unforeseen(kind="a", place="b")))
    return [json.dumps(event(run, now, kind, some, error)) for kind, some, error in ends]  # type: ignore[arg-type]


def test_the_official_client_builds_the_same_events(lines: list[str]) -> None:
    done = judged("\n".join(lines))
    assert done.returncode == 0, done.stdout + done.stderr
    used = {name for line in lines for name in _facets(json.loads(line))}
    assert used == {"processing_engine", "nominalTime", "errorMessage", "jobType", "documentation", "inputStatistics",
                    "dataQualityAssertions", "outputStatistics", "schema"}  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"eventType": "START"', '"eventType": "BEGIN"'),
        ('"eventTime": "', '"eventTime": "yesterday '),
        ('"rowCount": 5', '"rows": 5'),
        ("/1-2-0/SchemaDatasetFacet", "/1-0-0/SchemaDatasetFacet"),
        ('"assertion": ', '"rule": '),
    ],
)
def test_the_official_client_would_not_take_another(lines: list[str], right: str, wrong: str) -> None:
    text = "\n".join(lines)
    assert right in text
    assert judged(text.replace(right, wrong)).returncode != 0


def _facets(value: object) -> set[str]:
    found: set[str] = set()
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict) and "_schemaURL" in inner:
                found.add(name)
            found |= _facets(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= _facets(inner)
    return found
