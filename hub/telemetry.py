"""Metrics and traces, by OpenTelemetry: off, and nothing of it imported, until HUB_OTLP_ENDPOINT or the like is set.

What there is to see stands in METRICS and LABELS; docs/seeing.md is held against them. A label is an id, a word of a fixed list
or a number: never a value of a record, a name of a delivery, a text of an error or a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hub.emitting import Emitter, Handler, Switch
from hub.settings import Settings, settings

OTEL_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
"""OpenTelemetry's own variables; any of them switches the telling on, too."""

Kind = Literal["counter", "gauge", "histogram"]
Label = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that is told."""

    kind: Kind
    unit: str
    labels: tuple[str, ...]
    means: str


METRICS: Mapping[str, Metric] = {
    "hub.rows": Metric(
        "counter", "{row}", ("feed", "outcome"), "Rows of batches: in, loaded, unchanged, quarantined, refused."
    ),
    "hub.rows.quarantined": Metric("counter", "{row}", ("feed", "rule"), "Quarantined rows by the rule they broke."),
    "hub.batches": Metric("counter", "{batch}", ("feed", "state"), "Batches by the state that they came to."),
    "hub.runs": Metric("counter", "{run}", ("feed", "outcome"), "Runs of a feed: complete, failed."),
    "hub.run.duration": Metric("histogram", "s", ("feed",), "Seconds of a run."),
    "hub.step.duration": Metric(
        "histogram", "s", ("feed", "step"), "Seconds of a step of a batch, added over threads."
    ),
    "hub.feed.loaded": Metric("gauge", "s", ("feed",), "When the feed's newest batch was loaded (Unix time)."),
    "hub.events.handed": Metric("counter", "{event}", ("feed",), "Events handed to the outbox."),
    "hub.events.published": Metric("counter", "{event}", ("lane",), "Events on their topic."),
    "hub.dead_letters": Metric("counter", "{event}", ("lane",), "Events that no broker took."),
    "hub.transaction.duration": Metric("histogram", "s", ("lane",), "Seconds of a transaction of the relay."),
    "hub.lag.events": Metric("gauge", "{event}", ("lane",), "Events that wait in the outbox."),
    "hub.lag.seconds": Metric("gauge", "s", ("lane",), "How long the oldest of them has waited."),
}

LABELS = frozenset(
    {*(label for metric in METRICS.values() for label in metric.labels)}
    | {"batch", "kind", "source", "contract", "code", "busy_seconds", "events", "in", "loaded", "unchanged"}
    | {"quarantined", "refused", "batches"}
)
"""All names under which anything is told."""

TOLD_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure."""

    metric: str
    value: float
    labels: Mapping[str, Label]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work that is over, with those inside it. Times in nanoseconds since 1970."""

    name: str
    began: int
    ended: int
    labels: Mapping[str, Label] = field(default_factory=dict)
    error: str | None = None  # the code of what ended it
    within: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """A span on the trace of a batch, or on one of its own. A batch has one trace, whose id is the batch's own."""

    root: Span
    batch: str | None = None
    follows: bool = False  # comes after the batch's own span, made elsewhere, and is shown under it


Told = Sample | Trace


def active() -> bool:
    """Whether anybody is told. Cheap."""
    return _emitter() is not None


def figure(metric: str, value: float, **labels: Label) -> None:
    """Tells a figure of METRICS: adds to a counter, notes a histogram's value, sets a gauge."""
    emitter = _emitter()
    if emitter is not None:
        emitter.put(Sample(metric, value, labels))


def trace(root: Span, batch: str | None = None, *, follows: bool = False) -> None:
    """Tells a span and those inside it, after the fact."""
    emitter = _emitter()
    if emitter is not None:
        emitter.put(Trace(root, batch, follows))


def told(labels: Mapping[str, Label]) -> dict[str, Label]:
    """Labels as they may leave: known names alone, texts cut."""
    return {
        name: value[:TOLD_LENGTH] if isinstance(value, str) else value
        for name, value in labels.items()
        if name in LABELS
    }


_switch: Switch[Told] = Switch("opentelemetry")


def wanted(now: Settings) -> bool:
    """Whether a collector is named, and OpenTelemetry not switched off by its own variable."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return bool(now.otlp_endpoint or any(_standard())) and not disabled


def _standard() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in OTEL_ENDPOINTS)


def _emitter() -> Emitter[Told] | None:
    now = settings()
    endpoint = now.otlp_endpoint

    def handler() -> Handler[Told]:
        from hub.otlp import Otlp  # noqa: PLC0415 - OpenTelemetry is imported only where somebody listens

        return Otlp(endpoint)

    return _switch.at((endpoint, _standard()) if wanted(now) else None, handler)
