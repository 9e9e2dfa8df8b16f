"""Run by the judge's Python: OpenLineage's own client builds each event anew from its parts, by the classes that are made from
the JSON Schema, and must come to the same document, addresses of the schemas included. Reads events as lines, tells what differs."""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from openlineage.client import event_v2, set_producer
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    documentation_job,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.serde import Serde

FACETS: dict[str, Any] = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "nominalTime": nominal_time_run.NominalTimeRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "documentation": documentation_job.DocumentationJobFacet,
    "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
}


def facets(found: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, facet in found.items():
        own = {key: value for key, value in facet.items() if not key.startswith("_")}
        if name == "schema":
            own["fields"] = [schema_dataset.SchemaDatasetFacetFields(**one) for one in own["fields"]]
        if name == "dataQualityAssertions":
            own["assertions"] = [data_quality_assertions_dataset.Assertion(**one) for one in own["assertions"]]
        made[name] = FACETS[name](producer=facet["_producer"], **own)
    return made


def built(event: dict[str, Any]) -> dict[str, Any]:
    uuid.UUID(event["run"]["runId"])
    set_producer(event["producer"])
    parts = {"inputs": (event_v2.InputDataset, "inputFacets"), "outputs": (event_v2.OutputDataset, "outputFacets")}
    sets = {
        side: [
            kind(one["namespace"], one["name"], facets=facets(one.get("facets", {})), **{own: facets(one[own])})
            for one in event[side]
        ]
        for side, (kind, own) in parts.items()
    }
    made = event_v2.RunEvent(
        eventTime=event["eventTime"],
        eventType=event_v2.RunState[event["eventType"]],
        producer=event["producer"],
        run=event_v2.Run(event["run"]["runId"], facets(event["run"]["facets"])),
        job=event_v2.Job(event["job"]["namespace"], event["job"]["name"], facets(event["job"]["facets"])),
        **sets,
    )
    return dict(Serde.to_dict(made))


def plain(value: Any) -> Any:
    """Without what is empty: the client leaves it out, or writes it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if inner not in ({}, [], None)}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def main() -> int:
    wrong = 0
    for line in sys.stdin:
        event = json.loads(line)
        theirs = plain(built(event))
        if theirs != plain(event):
            wrong += 1
            sys.stdout.write(
                json.dumps({"ours": plain(event), "theirs": theirs}, ensure_ascii=False, indent=1, sort_keys=True)
                + "\n"
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
