"""OpenTelemetry's SDK behind `hub.telemetry`; the only module that imports it, and only the emitter's thread calls it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

import hub
from hub import log
from hub.telemetry import METRICS, Sample, Span, Told, Trace, told

SEND_SECONDS = 2.0
"""What a request may take."""

INTERVAL_MILLISECONDS = 10_000
"""How often metrics leave."""

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)
"""Bounds of durations, from one event to the load of millions."""


class _Ids(RandomIdGenerator):
    """Random ids, except for the span whose ids were said before."""

    def __init__(self) -> None:
        self.said: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.said[0] if self.said else super().generate_trace_id()

    def generate_span_id(self) -> int:
        said, self.said = self.said, None
        return said[1] if said else super().generate_span_id()


class Otlp:
    """Metrics and spans to one collector. Nothing of it is global: Airflow may have an OpenTelemetry of its own."""

    def __init__(self, endpoint: str | None) -> None:
        _quiet()
        resource = Resource.create(
            {
                "service.name": "supervision-hub",
                "service.version": hub.__version__,
                # Counters begin anew with each process, so each is a series of its own.
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        base = endpoint.rstrip("/") if endpoint else None
        spans = OTLPSpanExporter(f"{base}/v1/traces" if base else None, timeout=SEND_SECONDS)
        figures = OTLPMetricExporter(f"{base}/v1/metrics" if base else None, timeout=SEND_SECONDS)
        self._ids = _Ids()
        self._spans = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._spans.add_span_processor(
            BatchSpanProcessor(spans, max_queue_size=2048, schedule_delay_millis=1_000, max_export_batch_size=512)
        )
        self._tracer = self._spans.get_tracer("hub", hub.__version__)
        reader = PeriodicExportingMetricReader(
            figures,
            export_interval_millis=INTERVAL_MILLISECONDS,
            export_timeout_millis=SEND_SECONDS * 1_000,
        )
        self._figures = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._instruments = _instruments(self._figures.get_meter("hub", hub.__version__))

    def take(self, item: Told) -> None:
        """Takes a figure or a trace."""
        if isinstance(item, Sample):
            self._instruments[item.metric](item.value, told(item.labels))
        else:
            self._trace(item)

    def flush(self) -> None:
        """Sends what is held; takes as long as two requests may."""
        self._spans.force_flush(int(SEND_SECONDS * 1_000))
        self._figures.force_flush(SEND_SECONDS * 1_000)

    def close(self) -> None:
        """Ends the SDK's threads."""
        self._spans.shutdown()
        self._figures.shutdown(SEND_SECONDS * 1_000)

    def _trace(self, item: Trace) -> None:
        context = None
        if item.batch is not None:
            trace_id, span_id = ids_of(item.batch)
            if item.follows:
                above = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
                context = trace.set_span_in_context(NonRecordingSpan(above))
            else:
                self._ids.said = trace_id, span_id
        self._span(item.root, context)

    def _span(self, span: Span, context: Any) -> None:
        made = self._tracer.start_span(span.name, context, attributes=told(span.labels), start_time=span.began)
        if span.error is not None:
            made.set_attribute("code", span.error)
            made.set_status(Status(StatusCode.ERROR, span.error))
        below = trace.set_span_in_context(made)
        for inner in span.within:
            self._span(inner, below)
        made.end(max(span.began, span.ended))


def answers(endpoint: str | None) -> Mapping[str, int | str]:
    """Asks the collector with empty requests, by headers and certificates as they are set: for each signal the status it
    answers, or the class of what kept it from answering."""
    _quiet()
    base = endpoint.rstrip("/") if endpoint else None
    with _Asking() as traces, _Asking() as metrics:
        OTLPSpanExporter(f"{base}/v1/traces" if base else None, timeout=SEND_SECONDS, session=traces).export(())
        figures = OTLPMetricExporter(f"{base}/v1/metrics" if base else None, timeout=SEND_SECONDS, session=metrics)
        figures.export(MetricsData(()))
    return {"traces": traces.answer, "metrics": metrics.answer}


class _Asking(requests.Session):
    """Keeps the last answer, which the exporters turn into yes or no."""

    answer: int | str = "no answer"

    def request(self, *args: Any, **more: Any) -> requests.Response:
        try:
            answer = super().request(*args, **more)
        except requests.RequestException as error:
            self.answer = type(error).__name__
            raise
        self.answer = answer.status_code
        return answer


def ids_of(batch: str) -> tuple[int, int]:
    """Trace and span id of a batch: its own id, whole, and the random half of it."""
    number = uuid.UUID(batch).int
    return number, number & 0xFFFF_FFFF_FFFF_FFFF


def _instruments(meter: Any) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    for name, metric in METRICS.items():
        if metric.kind == "counter":
            made[name] = meter.create_counter(name, metric.unit, metric.means).add
        elif metric.kind == "gauge":
            made[name] = meter.create_gauge(name, metric.unit, metric.means).set
        else:
            histogram = meter.create_histogram(
                name, metric.unit, metric.means, explicit_bucket_boundaries_advisory=_SECONDS
            )
            made[name] = histogram.record
    return made


class _Told(logging.Handler):
    """What the SDK logs may quote addresses and answers: of it only that it happened is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        log.get("emitting").debug("the collector was not told", module=record.module, level=record.levelname)


def _quiet() -> None:
    logger = logging.getLogger("opentelemetry")
    if not any(isinstance(one, _Told) for one in logger.handlers):
        logger.addHandler(_Told())
        logger.propagate = False
