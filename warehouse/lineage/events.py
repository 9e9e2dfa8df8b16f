"""OpenLineage events (spec 2-0-2) as JSON objects: what ran, from where to where, how many rows, how it ended.

A run is one taking of a feed, by Airflow, the command line or a person's replay alike: START, then COMPLETE or FAIL. It ends
with the commit; the topic is among its outputs because the committed events reach it, exactly once, by the relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import hub
from contracts.model import FeedContract, FieldSpec
from hub import clock
from hub.errors import HubException
from hub.settings import Settings
from warehouse.batches import BatchOutcome
from warehouse.lineage import datasets
from warehouse.lineage.datasets import Dataset

PRODUCER = f"urn:supervision-hub:{hub.__version__}"
_SPEC = "https://openlineage.io/spec"
_RUN_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"

Ended = Literal["START", "COMPLETE", "FAIL"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run from its start."""

    run_id: str
    contract: FeedContract
    sources: Sequence[str]  # ids; none for a file given by hand: where that lay is nobody's business
    interval: tuple[datetime | None, datetime | None]


def event(
    run: RunFacts, now: Settings, kind: Ended, outcomes: Iterable[BatchOutcome] = (), error: HubException | None = None
) -> dict[str, Any]:
    """One event of a run. Raises what naming the datasets raises."""
    done = list(outcomes)
    return {
        "eventTime": clock.now().isoformat().replace("+00:00", "Z"),
        "eventType": kind,
        "producer": PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": {"runId": run.run_id, "facets": _run_facets(run, error)},
        "job": {"namespace": now.lineage_namespace, "name": run.contract.id, "facets": _job_facets(run.contract)},
        "inputs": _inputs(run, done),
        "outputs": _outputs(run.contract, now, done, ended=kind != "START"),
    }


def _facet(name: str, version: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}", **values}


def _run_facets(run: RunFacts, error: HubException | None) -> dict[str, Any]:
    facets = {
        "processing_engine": _facet(
            "ProcessingEngineRunFacet", "1-1-1", {"name": "supervision-hub", "version": hub.__version__}
        )
    }
    start, end = run.interval
    if start is not None:
        told = {"nominalStartTime": start.isoformat()} | ({"nominalEndTime": end.isoformat()} if end else {})
        facets["nominalTime"] = _facet("NominalTimeRunFacet", "1-0-1", told)
    if error is not None:
        # The code alone: an error's facts may name a file or a host.
        said = {"message": error.code, "programmingLanguage": "Python"}
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", "1-0-1", said)
    return facets


def _job_facets(contract: FeedContract) -> dict[str, Any]:
    kind = {"processingType": "BATCH", "integration": "SUPERVISION_HUB", "jobType": "FEED"}
    words = f"{contract.name_zh} · {contract.name_en}"
    return {
        "jobType": _facet("JobTypeJobFacet", "2-0-4", kind),
        "documentation": _facet("DocumentationJobFacet", "1-1-0", {"description": words}),
    }


def _inputs(run: RunFacts, done: Sequence[BatchOutcome]) -> list[dict[str, Any]]:
    found: dict[Dataset, dict[str, Any]] = {}
    for source in run.sources:
        dataset = datasets.of_source(run.contract.source(source))
        if dataset is None:
            continue
        mine = [one for one in done if one.source == source]
        facets: dict[str, Any] = {}
        if mine:
            rows = {"rowCount": sum(one.rows_in for one in mine)}
            facets["inputStatistics"] = _facet("InputStatisticsInputDatasetFacet", "1-0-0", rows)
        if checks := [verdict for one in mine for verdict in one.verdicts]:
            said = [{"assertion": check.rule, "success": check.passed} for check in checks]
            facets["dataQualityAssertions"] = _facet("DataQualityAssertionsDatasetFacet", "1-1-0", {"assertions": said})
        found[dataset] = _dataset(dataset) | {"inputFacets": facets}
    return list(found.values())


def _outputs(
    contract: FeedContract, now: Settings, done: Sequence[BatchOutcome], *, ended: bool
) -> list[dict[str, Any]]:
    made = []
    schema = _facet("SchemaDatasetFacet", "1-2-0", {"fields": [_field(spec) for spec in contract.fields]})
    loaded, events = sum(one.loaded for one in done), sum(one.events for one in done)
    for dataset, rows, published in (
        (datasets.of_table(contract, now), loaded, True),
        (datasets.of_topic(contract, now), events, contract.publish == "full"),
    ):
        if dataset is None:
            continue
        counted = {"outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", {"rowCount": rows})}
        facets = {"schema": schema} if published else {}
        made.append(_dataset(dataset) | {"facets": facets, "outputFacets": counted if ended else {}})
    return made


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {"namespace": dataset.namespace, "name": dataset.name}


def _field(spec: FieldSpec) -> dict[str, str]:
    return {"name": spec.name, "type": spec.type, "description": f"{spec.label_zh} · {spec.label_en}"}
